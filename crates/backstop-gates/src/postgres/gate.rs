//! The gate itself: listeners, worker threads, targets, and what every session shares.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use backstop_core::lease::{Lease, LeaseState};
use backstop_core::measure::Limits as Measures;
use backstop_core::policy::Policy;
use backstop_store::{Change, Store};
use backstop_wire::postgres::frame::Limits;
use backstop_wire::postgres::scram::Verifier;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};

use super::cancel::{Cancellable, Cancels};
use super::catalogue;
use super::config::{GateConfig, TargetConfig};
use super::eager;
use super::error::GateError;
use super::failures::Failures;
use super::greet::{self, Greeting};
use super::judge::Judged;
use super::lobby::Lobby;
use super::rehearse::Rehearsals;
use super::relay::Relay;
use super::stream::Plain;
use super::target::Target;
use super::traffic::TrafficLog;
use crate::mismatch;

/// What every session shares.
pub(crate) struct Shared {
    pub(crate) config: GateConfig,
    pub(crate) store: Store,
    pub(crate) traffic: Arc<TrafficLog>,
    pub(crate) cancels: Cancels,
    pub(crate) failures: Failures,
    pub(crate) mock_secret: [u8; 32],
    pub(crate) refusal_name: String,
    pub(crate) frontend_limits: Limits,
    pub(crate) backend_limits: Limits,
    pub(crate) nothing: Arc<Judged>,
    /// Turns to read a costly text: half the processors may be busy with them.
    pub(crate) costly: Semaphore,
    policy: RwLock<Arc<Policy>>,
    policy_number: AtomicU64,
    targets: RwLock<HashMap<String, Arc<Target>>>,
    verifiers: Mutex<HashMap<String, Verifier>>,
    numbers: AtomicU64,
    open: AtomicUsize,
    lobby: Lobby,
    /// Set when sessions that are to stop may not go on with what they do.
    enough: watch::Sender<bool>,
    by_lease: Mutex<HashMap<String, u32>>,
    /// The way to drills' copies, if the operator named one.
    pub(crate) rehearsals: Option<Arc<Rehearsals>>,
}

impl Shared {
    /// The policy, and its number.
    pub(crate) fn numbered_policy(&self) -> (u64, Arc<Policy>) {
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        (self.policy_number(), Arc::clone(&policy))
    }

    /// Changes with every reload: cheap to compare.
    pub(crate) fn policy_number(&self) -> u64 {
        self.policy_number.load(Ordering::Acquire)
    }

    pub(crate) fn target(&self, name: &str) -> Option<Arc<Target>> {
        self.targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// A number that no other connection has.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn all_targets(&self) -> Vec<Arc<Target>> {
        self.targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    /// The verifiers of the leases that are not over, to tell whose secret was presented under another name.
    pub(crate) fn verifiers(&self) -> Vec<(String, Verifier)> {
        let state = self.store.state();
        let mut known = self
            .verifiers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let alive =
            |r: &&backstop_core::lease::LeaseRecord| !matches!(r.state, LeaseState::Ended { .. });
        known.retain(|id, _| state.leases.get(id).is_some_and(|r| alive(&r)));
        for record in state.leases.values().filter(alive) {
            if !known.contains_key(&record.lease.id)
                && let Ok(verifier) = record.lease.verifier.parse()
            {
                known.insert(record.lease.id.clone(), verifier);
            }
        }
        known
            .iter()
            .map(|(id, v)| (id.clone(), v.clone()))
            .collect()
    }

    /// A credential was presented that should not have been.
    pub(crate) async fn mismatch(&self, presenter: Option<&str>, source: &str, what: &str) {
        mismatch::note(&self.store, presenter, source, what).await;
        if let Some(lease) = presenter {
            mismatch::halt(&self.store, lease, what, false).await;
        }
    }

    pub(crate) fn lease_salt(&self) -> Vec<u8> {
        lease_salt(&self.store)
    }

    fn enter(&self, lease: &str) -> bool {
        let mut by_lease = self.by_lease.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_lease.entry(lease.to_owned()).or_insert(0);
        if *count >= self.config.limits.role.connections.saturating_mul(300) {
            return false;
        }
        *count += 1;
        true
    }

    fn leave(&self, lease: &str) {
        let mut by_lease = self.by_lease.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_lease.get_mut(lease) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                by_lease.remove(lease);
            }
        }
    }
}

/// A running gate.
pub struct Gate {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    workers: Vec<std::thread::JoinHandle<()>>,
}

/// What a gate is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Sessions that are open.
    pub connections: usize,
    /// Sessions that there were since it began.
    pub served: u64,
}

/// A target that was opened anew by a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reopened {
    /// Its name.
    pub name: String,
    /// Whether the gate's password for it is another than before.
    pub password: bool,
}

type Arrival = (Plain, String);

impl Gate {
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Connects to the targets, starts listening, and serves until it is shut down.
    ///
    /// # Errors
    /// When a target cannot be reached, or an address cannot be listened on.
    pub async fn start(
        config: GateConfig,
        targets: Vec<TargetConfig>,
        store: Store,
        traffic: Arc<TrafficLog>,
        policy: Arc<Policy>,
    ) -> Result<Self, GateError> {
        let mut open = HashMap::new();
        for target in targets {
            open.insert(target.name.clone(), Arc::new(Target::open(target).await?));
        }
        let limits = &config.limits;
        let shared = Arc::new(Shared {
            frontend_limits: Limits::frontend(limits.statement_bytes, limits.streamed_bytes),
            backend_limits: Limits::backend(4 * 1024 * 1024, limits.streamed_bytes),
            mock_secret: store.key().derive("mock scram secret"),
            refusal_name: format!("backstop_refused_{}", hex::encode(random()?)),
            nothing: Arc::new(Judged::nothing()),
            cancels: Cancels::default(),
            failures: Failures::default(),
            costly: Semaphore::new(
                std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2)),
            ),
            policy: RwLock::new(policy),
            policy_number: AtomicU64::new(0),
            targets: RwLock::new(open),
            verifiers: Mutex::default(),
            numbers: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            lobby: Lobby::new(limits.greeting_connections),
            enough: watch::Sender::new(false),
            by_lease: Mutex::default(),
            rehearsals: config
                .rehearsals
                .clone()
                .map(|socket| Arc::new(Rehearsals::at(socket))),
            store,
            traffic,
            config,
        });
        retire_leftovers(&shared).await;
        super::recall::recall(&shared).await?;
        super::doubt::settle_all(&shared).await?;
        let (stop, stopped) = watch::channel(false);
        let (workers, doors) = start_workers(&shared, &stopped)?;
        let mut addresses = vec![];
        let doors = Arc::new(doors);
        for address in &shared.config.listen {
            let listener = TcpListener::bind(address)
                .await
                .map_err(GateError::io(format!("listening on {address}")))?;
            addresses.push(listener.local_addr().map_err(GateError::io("listening"))?);
            tokio::spawn(accept_tcp(listener, Arc::clone(&doors), stopped.clone()));
        }
        if let Some(path) = shared.config.socket_path() {
            let _ = std::fs::remove_file(&path);
            let listener = UnixListener::bind(&path)
                .map_err(GateError::io(format!("listening on {}", path.display())))?;
            tokio::spawn(accept_unix(listener, Arc::clone(&doors), stopped.clone()));
        }
        tokio::spawn(keep_current(Arc::clone(&shared), stopped.clone()));
        tokio::spawn(follow_leases(Arc::clone(&shared), stopped));
        Ok(Self {
            shared,
            addresses,
            stop,
            workers,
        })
    }

    /// The addresses being listened on.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Takes up new policies and targets, and says which targets were opened anew. Open sessions go on; their
    /// next statement is judged by the new policies.
    ///
    /// # Errors
    /// When a new target cannot be reached; then nothing has changed.
    pub async fn reload(
        &self,
        targets: Vec<TargetConfig>,
        policy: Arc<Policy>,
    ) -> Result<Vec<Reopened>, GateError> {
        let mut fresh = HashMap::new();
        let mut opened = vec![];
        for target in targets {
            let known = self.shared.target(&target.name);
            let same = known.as_ref().filter(|t| {
                t.config.environment == target.environment
                    && t.config.upstream == target.upstream
                    && t.measures().is_some() == target.measures.is_some()
            });
            let name = target.name.clone();
            let open = match same {
                Some(open) => {
                    if let Some(limits) = target.measures {
                        open.limit(limits);
                    }
                    Arc::clone(open)
                }
                None => {
                    opened.push(Reopened {
                        name: name.clone(),
                        password: known.as_ref().is_some_and(|t| {
                            t.config.upstream.password != target.upstream.password
                        }),
                    });
                    let mut open = Target::open(target).await?;
                    if let Some(known) = &known {
                        // Another password brings nobody a new budget.
                        open.budgets = Arc::clone(&known.budgets);
                    }
                    Arc::new(open)
                }
            };
            fresh.insert(name, open);
        }
        *self
            .shared
            .targets
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fresh;
        let mut current = self
            .shared
            .policy
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = policy;
        // With the lock held, so that no session sees one without the other.
        self.shared.policy_number.fetch_add(1, Ordering::Release);
        drop(current);
        Ok(opened)
    }

    /// Makes the lease's role at its target. Called once it is granted, before its secret is given out.
    ///
    /// # Errors
    /// When the target is unknown or refuses.
    pub async fn provision(&self, lease: &Lease) -> Result<(), GateError> {
        let target = self
            .shared
            .target(&lease.spec.target)
            .ok_or_else(|| unknown_target(&lease.spec.target))?;
        target
            .provision(
                lease,
                self.shared.store.key(),
                &self.shared.config.limits.role,
            )
            .await?;
        target.catalogue.refresh().await.map(drop)
    }

    /// Drops the lease's role, whatever it made or was granted.
    ///
    /// # Errors
    /// When the target is unknown or refuses.
    pub async fn retire(&self, lease: &Lease) -> Result<(), GateError> {
        let target = self
            .shared
            .target(&lease.spec.target)
            .ok_or_else(|| unknown_target(&lease.spec.target))?;
        target.retire(&lease.id).await
    }

    /// What it is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.shared.open.load(Ordering::Relaxed),
            served: self.shared.numbers.load(Ordering::Relaxed),
        }
    }

    /// The limits on what `lease` writes without a person, and how many rows its line and all leases have changed of
    /// its target within the window; none where nothing is measured.
    #[must_use]
    pub fn budget(&self, lease: &Lease) -> Option<(Measures, (u64, u64))> {
        let target = self.shared.target(&lease.spec.target)?;
        let limits = target.measures()?;
        let line = super::relay::line_of(&self.shared, lease);
        let now_ms = self.shared.store.now_ms();
        Some((
            limits,
            target.budgets.spent(&line, now_ms, limits.window_ms),
        ))
    }

    /// The version of the policies that it judges by.
    #[must_use]
    pub fn policies(&self) -> backstop_core::digest::Digest {
        self.shared.numbered_policy().1.version()
    }

    /// The `search_path`-free health of each target: whether it answers now.
    pub async fn target_health(&self) -> Vec<(String, Result<(), String>)> {
        let mut out = vec![];
        for target in self.shared.all_targets() {
            let result = target
                .catalogue
                .refresh()
                .await
                .map(drop)
                .map_err(|e| e.to_string());
            out.push((target.config.name.clone(), result));
        }
        out
    }

    /// Stops accepting, lets running statements and open transactions end for at most `grace`, and ends.
    pub async fn shutdown(self, grace: Duration) {
        self.shutdown_by(tokio::time::sleep(grace)).await;
    }

    /// The same, for no longer than until `enough`.
    pub async fn shutdown_by(self, enough: impl Future<Output = ()>) {
        let _ = self.stop.send(true);
        // What stays behind would look like a gate that does not answer.
        if let Some(path) = self.shared.config.socket_path() {
            let _ = std::fs::remove_file(path);
        }
        let all_ended = async {
            while self.shared.open.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = all_ended => {}
            () = enough => {}
        }
        self.shared.enough.send_replace(true);
        let workers = self.workers;
        let shared = self.shared;
        let _ = tokio::task::spawn_blocking(move || {
            drop(shared);
            for worker in workers {
                let _ = worker.join();
            }
        })
        .await;
    }
}

/// The verifier of a lease's secret. All leases of an installation share a salt (their secrets have 192 random
/// bits, so that nothing can be precomputed), which is what lets the gate tell whose secret is presented under
/// another's name.
#[must_use]
pub fn lease_verifier(store: &Store, secret: &str) -> Option<String> {
    let iterations = std::num::NonZeroU32::new(4096)?;
    Verifier::derive(secret, &lease_salt(store), iterations).to_postgres()
}

fn lease_salt(store: &Store) -> Vec<u8> {
    store
        .key()
        .derive("lease scram salt")
        .into_iter()
        .take(16)
        .collect()
}

fn random() -> Result<[u8; 8], GateError> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 8];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| GateError::Config("the system gives no random bytes".into()))?;
    Ok(bytes)
}

fn unknown_target(name: &str) -> GateError {
    GateError::Config(format!(
        "there is no target `{name}`; hint: look at the targets in the configuration"
    ))
}

/// Roles of leases that ended while the gate was down.
async fn retire_leftovers(shared: &Shared) {
    for target in shared.all_targets() {
        let roles = match target.lease_roles().await {
            Ok(roles) => roles,
            Err(error) => {
                tracing::warn!(target = %target.config.name, %error, "the leases' roles could not be listed");
                continue;
            }
        };
        for role in roles {
            let over = shared
                .store
                .lease(&role)
                .is_some_and(|r| matches!(r.state, LeaseState::Ended { .. }));
            if over && let Err(error) = target.retire(&role).await {
                tracing::warn!(role, %error, "the role of an ended lease could not be dropped");
            }
        }
    }
}

#[allow(clippy::type_complexity)] // threads and the ways to them
fn start_workers(
    shared: &Arc<Shared>,
    stopped: &watch::Receiver<bool>,
) -> Result<
    (
        Vec<std::thread::JoinHandle<()>>,
        Vec<mpsc::UnboundedSender<Arrival>>,
    ),
    GateError,
> {
    let mut workers = vec![];
    let mut doors = vec![];
    for n in 0..shared.config.worker_threads.max(1) {
        let (door, arrivals) = mpsc::unbounded_channel();
        let shared = Arc::clone(shared);
        let stopped = stopped.clone();
        let worker = std::thread::Builder::new()
            .name(format!("gate-{n}"))
            .spawn(move || work(&shared, arrivals, stopped))
            .map_err(GateError::io("starting a thread"))?;
        workers.push(worker);
        doors.push(door);
    }
    Ok((workers, doors))
}

/// One worker: a session stays on the thread it began on, with both its sockets.
fn work(
    shared: &Arc<Shared>,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        tracing::error!("a worker could not start");
        return;
    };
    runtime.block_on(async {
        tokio::spawn(eager::keep_looking());
        loop {
            let arrival = tokio::select! {
                arrival = arrivals.recv() => arrival,
                _ = stopped.wait_for(|s| *s) => None,
            };
            let Some((plain, source)) = arrival else {
                break;
            };
            let Ok(plain) = here(plain) else { continue };
            tokio::spawn(session(Arc::clone(shared), plain, source, stopped.clone()));
        }
        while shared.open.load(Ordering::Relaxed) > 0 && Arc::strong_count(shared) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if shared.lobby.is_empty() && shared.open.load(Ordering::Relaxed) == 0 {
                break;
            }
        }
    });
}

/// The socket, registered with this thread's runtime.
fn here(plain: Plain) -> std::io::Result<Plain> {
    Ok(match plain {
        Plain::Tcp(s) => Plain::Tcp(TcpStream::from_std(s.into_std()?)?),
        Plain::Unix(s) => Plain::Unix(UnixStream::from_std(s.into_std()?)?),
    })
}

async fn session(
    shared: Arc<Shared>,
    plain: Plain,
    source: String,
    mut stopped: watch::Receiver<bool>,
) {
    let mut place = shared.lobby.enter(&source);
    let voice = place.voice();
    let greeting = tokio::time::timeout(
        shared.config.limits.greeting,
        greet::greet(&shared, plain, &source, voice),
    );
    let greeted = tokio::select! {
        greeted = greeting => greeted,
        () = place.lost() => return,
    };
    drop(place);
    let guest = match greeted {
        Ok(Ok(Greeting::Guest(guest))) => guest,
        Ok(Ok(Greeting::Over)) | Err(_) => return,
        Ok(Err(error)) => {
            tracing::debug!(%error, source, "a client was not let in");
            return;
        }
    };
    let lease = guest.lease.lease.id.clone();
    if !shared.enter(&lease) {
        return;
    }
    let open = Count::of(&shared.open);
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    match Relay::new(&shared, *guest, number, source) {
        Ok(relay) => {
            // Boxed: a session's future is large, and most sessions are idle.
            let mut relay = Box::new(relay);
            let at_work = Arc::clone(&relay.cancellable);
            tokio::select! {
                () = relay.run() => {}
                () = may_go(&shared, &mut stopped, &at_work) => relay.stop().await,
            }
        }
        Err(error) => tracing::warn!(%error, "a session could not begin"),
    }
    drop(open);
    shared.leave(&lease);
}

/// Resolves when the gate stops and the session has ended what it did, or may not go on with it.
async fn may_go(shared: &Shared, stopped: &mut watch::Receiver<bool>, at_work: &Cancellable) {
    stopping(stopped).await;
    let mut enough = shared.enough.subscribe();
    let idle = async {
        while at_work.is_busy() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        _ = enough.wait_for(|e| *e) => {}
        () = idle => {}
    }
}

async fn stopping(stopped: &mut watch::Receiver<bool>) {
    if stopped.wait_for(|s| *s).await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Count<'a> {
    counter: &'a AtomicUsize,
}

impl<'a> Count<'a> {
    fn of(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self { counter }
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept_tcp(
    listener: TcpListener,
    doors: Arc<Vec<mpsc::UnboundedSender<Arrival>>>,
    mut stopped: watch::Receiver<bool>,
) {
    for n in 0_usize.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stopped) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                send(&doors, n, (Plain::Tcp(stream), peer.to_string()));
            }
            // Out of descriptors, most likely: give others time to close some.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn accept_unix(
    listener: UnixListener,
    doors: Arc<Vec<mpsc::UnboundedSender<Arrival>>>,
    mut stopped: watch::Receiver<bool>,
) {
    for n in 0_usize.. {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stopped) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let uid = stream.peer_cred().map_or(u32::MAX, |c| c.uid());
                send(&doors, n, (Plain::Unix(stream), format!("unix:{uid}")));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn send(doors: &[mpsc::UnboundedSender<Arrival>], n: usize, arrival: Arrival) {
    if let Some(door) = doors.get(n % doors.len().max(1)) {
        let _ = door.send(arrival);
    }
}

/// Notices changes of the targets' catalogues that did not come through the gate.
async fn keep_current(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(catalogue::EVERY) => {}
            () = stopping(&mut stopped) => return,
        }
        for target in shared.all_targets() {
            if let Err(error) = target.catalogue.refresh().await {
                tracing::warn!(target = %target.config.name, %error, "the catalogue could not be compared");
            }
        }
    }
}

/// Ends the roles of leases that end, and brings roles down to leases that are narrowed.
async fn follow_leases(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut changes = shared.store.subscribe();
    // What each role was last brought up to: a change that is not of scopes or time must not touch its grants.
    let mut provisioned: HashMap<String, Lease> = HashMap::new();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = stopping(&mut stopped) => return,
        };
        let id = match change {
            Ok(Change::Lease(id)) => id,
            Ok(_) => continue,
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                retire_leftovers(&shared).await;
                continue;
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        };
        let Some(record) = shared.store.lease(&id) else {
            continue;
        };
        let Some(target) = shared.target(&record.lease.spec.target) else {
            continue;
        };
        let result = match record.state {
            LeaseState::Ended { .. } => {
                provisioned.remove(&id);
                target.retire(&id).await
            }
            LeaseState::Active if provisioned.get(&id) == Some(&record.lease) => Ok(()),
            LeaseState::Active => {
                provisioned.insert(id.clone(), record.lease.clone());
                target
                    .provision(
                        &record.lease,
                        shared.store.key(),
                        &shared.config.limits.role,
                    )
                    .await
            }
            LeaseState::Halted { .. } => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(lease = id, %error, "the lease's role could not be brought up to it");
        }
    }
}
