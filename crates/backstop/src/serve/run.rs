//! Serving from start to stop: open, announce, tick, reload, and end in order.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backstop_console::{Console, Origin};
use backstop_core::entry::Event;
use backstop_core::policy::Policy;
use backstop_gates::postgres::{Gate, TrafficLog};
use backstop_journal::Journal;
use backstop_store::{Options, Store, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::reload::Watch;
use super::{
    Service, assemble, cosign, deletions, http, notices, notifier, points, ready, retention,
    timeline,
};
use crate::config::Config;
use crate::control;
use crate::failure::{Context, Failure, Outcome};
use crate::home::{ControlLedger, Home, Keys, Serving, open_journal};
use crate::when;

/// How long a recovery point that is nearly done may take to its end when stopping.
const POINT: Duration = Duration::from_secs(30);

/// Something that serves, until it is stopped.
pub struct Run {
    /// What it answers from.
    pub service: Arc<Service>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    points: tokio::task::JoinHandle<()>,
    console: tokio::task::JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    home: Home,
    _alone: Serving,
}

/// The store and both logs, open.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// The control log.
    pub control: Arc<Journal>,
    /// The traffic log.
    pub traffic: Arc<Journal>,
    /// The sealing key.
    pub key: backstop_store::SealKey,
}

/// Opens logs and store, and writes down the installation when it is new.
///
/// # Errors
/// When any of it cannot be opened, or the console's name is no longer the one people enrolled under.
pub async fn open(config: &Config, home: &Home) -> Outcome<Opened> {
    let keys = Keys::load(home)?;
    let control = open_journal(home, "control", keys.control)?;
    let traffic = open_journal(home, "traffic", keys.traffic)?;
    let store = Store::open(Options {
        index: home.index(),
        ledger: Arc::new(ControlLedger::new(Arc::clone(&control))),
        clock: Arc::new(SystemClock::default()),
        key: keys.seal.clone(),
        limits: config.limits.clone(),
    })
    .doing("cannot open the store")?;
    if store.state().installation.is_empty() {
        let event = Event::Installed {
            installation: installation(&keys.seal),
            rp_id: config.console.rp_id(),
            origin: config.console.origin(),
        };
        store
            .note(event)
            .await
            .doing("cannot write down the installation")?;
    }
    same_origin(config, &store)?;
    Ok(Opened {
        store,
        control,
        traffic,
        key: keys.seal,
    })
}

/// Passkeys are bound to the name they were made under.
fn same_origin(config: &Config, store: &Store) -> Outcome {
    let (known, wanted) = (store.state().origin.clone(), config.console.origin());
    if known == wanted {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the console's origin is fixed as `{known}`, and the configuration says `{wanted}`"
    ))
    .because("passkeys are bound to the name that they were made under")
    .hint(format!(
        "write origin = \"{known}\" in [console], or set up a new data directory"
    )))
}

fn installation(key: &backstop_store::SealKey) -> String {
    let derived = key.derive("installation id");
    let mut short = [0; 10];
    for (to, from) in short.iter_mut().zip(derived) {
        *to = from;
    }
    backstop_core::id::make("installation", short)
}

/// The console over `opened`, not yet listening.
///
/// # Errors
/// When its origin or certificate cannot be used.
pub fn console(
    config: &Config,
    home: &Home,
    opened: &Opened,
) -> Outcome<(Console, Option<backstop_console::Tls>)> {
    let console = Console::new(backstop_console::Options {
        store: opened.store.clone(),
        origin: origin(config)?,
        timeline: Arc::new(timeline::Logs {
            control: Arc::clone(&opened.control),
            traffic: Arc::clone(&opened.traffic),
            store: opened.store.clone(),
        }),
        alarm: Arc::new(notices::Knock {
            store: opened.store.clone(),
            runtime: tokio::runtime::Handle::current(),
        }),
        notices: Arc::new(notices::Above {
            has_vault: config.vault.is_some(),
            control: Arc::clone(&opened.control),
            traffic: Arc::clone(&opened.traffic),
            data_dir: home.root().to_owned(),
        }),
        deletions: assemble::vault(config)?.map(|vault| {
            Arc::new(deletions::Carried(vault)) as Arc<dyn backstop_console::Deletions>
        }),
        limits: backstop_console::Limits::default(),
    })
    .doing("cannot make the console")?;
    let tls = match &config.console.identity {
        None => None,
        Some((certificate, key)) => Some(
            backstop_console::Tls::from_files(certificate, key)
                .map_err(|e| Failure::usage("the console has no usable certificate").because(e))?,
        ),
    };
    Ok((console, tls))
}

fn origin(config: &Config) -> Outcome<Origin> {
    Origin::parse(&config.console.origin()).doing("the console's origin cannot be used")
}

/// Listens where the console shall be.
///
/// # Errors
/// When the address is taken.
pub async fn console_listener(config: &Config) -> Outcome<TcpListener> {
    let address = config.console.listen;
    TcpListener::bind(address).await.map_err(|e| {
        Failure::new(format!("the console cannot listen on {address}"))
            .because(e)
            .hint("another program has it; set `listen` in [console]")
    })
}

/// Starts everything.
///
/// # Errors
/// When anything of it cannot start; nothing is left running then.
pub async fn run(config: Config) -> Outcome<Run> {
    let home = Home::at(&config.data_dir);
    home.check()?;
    let alone = home.serve_alone()?;
    let opened = open(&config, &home).await?;
    let policy = Arc::new(Policy::with(&config.policy).doing("the policies cannot be used")?);
    super::channels(&config.notify)?;
    let listener = console_listener(&config).await?;
    let origin = origin(&config)?;
    let (console, tls) = console(&config, &home, &opened)?;
    let logs = [("control", &*opened.control), ("traffic", &*opened.traffic)];
    cosign::look_back(&config, logs).await?;
    let log = Arc::new(TrafficLog::new(
        Arc::clone(&opened.traffic),
        opened.key.clone(),
    ));
    let gate = start_gate(&config, &home, &opened, &log, Arc::clone(&policy)).await?;
    let (key, store) = (&opened.key, &opened.store);
    let http = http::start(&config, &home, key, store, log, Arc::clone(&policy)).await?;
    open_to_agents(&config)?;
    let started = Event::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: policy.version(),
    };
    opened
        .store
        .note(started)
        .await
        .doing("the start was not written down")?;
    let control_socket = control::server::listen(&home.socket())?;
    let (stop, stopped) = watch::channel(false);
    let service = Arc::new(Service {
        home: home.clone(),
        store: opened.store,
        control: opened.control,
        traffic: opened.traffic,
        addresses: gate.local_addrs(),
        gate: tokio::sync::RwLock::new(Some(gate)),
        http_address: http.as_ref().map(|http| http.address),
        http: tokio::sync::RwLock::new(http),
        key: opened.key,
        since_ms: when::now_ms(),
        reloading: tokio::sync::Mutex::new(()),
        looking: tokio::sync::Mutex::new(()),
        drilling: tokio::sync::Mutex::new(()),
        vault: assemble::vault(&config)?,
        cosigned: cosign::Cosigning::default(),
        pending: watch::Sender::new(vec![]),
        config: watch::Sender::new(Arc::new(config)),
    });
    let console = tokio::spawn(backstop_console::serve(
        listener,
        tls,
        console,
        until(stopped.clone()),
    ));
    let tasks = vec![
        tokio::spawn(control::server::serve(control_socket, Arc::clone(&service))),
        tokio::spawn(tick(Arc::clone(&service), stopped.clone())),
        tokio::spawn(retention::run(Arc::clone(&service), stopped.clone())),
        tokio::spawn(cosign::run(Arc::clone(&service), stopped.clone())),
        tokio::spawn(points::collect_drills(
            Arc::clone(&service),
            stopped.clone(),
        )),
        tokio::spawn(notifier::run(Arc::clone(&service), origin)),
    ];
    let points = tokio::spawn(points::run(Arc::clone(&service), stopped));
    Ok(Run {
        service,
        tasks,
        points,
        console,
        stop,
        home,
        _alone: alone,
    })
}

async fn start_gate(
    config: &Config,
    home: &Home,
    opened: &Opened,
    log: &Arc<TrafficLog>,
    policy: Arc<Policy>,
) -> Outcome<Gate> {
    let gate = assemble::gate_config(config, home)?;
    let targets = assemble::target_configs(config, home, &opened.key)?;
    Gate::start(gate, targets, opened.store.clone(), Arc::clone(log), policy)
        .await
        .doing("the gate cannot start")
}

/// Agents are other users, and prove by SCRAM who they are.
fn open_to_agents(config: &Config) -> Outcome {
    let Some((directory, port)) = assemble::gate_socket(config) else {
        return Ok(());
    };
    let path = directory.join(format!(".s.PGSQL.{port}"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666))
        .doing(format!("cannot open `{}` to agents", path.display()))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A closed channel means the same.
    let _ = stopped.wait_for(|s| *s).await;
}

/// Ages holds and leases each second, and takes up a changed configuration.
async fn tick(service: Arc<Service>, stopped: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = Watch::of(&service.config());
    loop {
        every.tick().await;
        if *stopped.borrow() {
            return;
        }
        if let Err(error) = service.store.tick().await {
            tracing::error!(%error, "holds and leases cannot age");
        }
        if watch.changed() {
            reload(&service).await;
            watch = Watch::of(&service.config());
        }
    }
}

async fn reload(service: &Service) {
    ready::reloading();
    if let Err(failure) = service.reload().await {
        Service::reload_refused(&failure);
    }
    ready::notify("READY=1");
}

impl Run {
    /// Serves until SIGTERM or SIGINT, reloading on SIGHUP.
    ///
    /// # Errors
    /// When signals cannot be heard, or the console fails.
    pub async fn until_told(&mut self) -> Outcome {
        let listen = |kind| signal(kind).doing("cannot listen for signals");
        let (mut hup, mut term, mut int) = (
            listen(SignalKind::hangup())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
        );
        ready::notify("READY=1");
        loop {
            tokio::select! {
                _ = hup.recv() => reload(&self.service).await,
                _ = term.recv() => return Ok(()),
                _ = int.recv() => return Ok(()),
                ended = &mut self.console => {
                    return ended.doing("the console ended")?.doing("the console ended");
                }
            }
        }
    }

    /// Stops in order: no new connections, running statements and open transactions get `grace` or until a
    /// further SIGTERM or SIGINT, then the logs are closed.
    ///
    /// # Errors
    /// When the stop could not be written down.
    pub async fn stop(self, grace: Duration) -> Outcome {
        ready::notify("STOPPING=1");
        let _ = self.stop.send(true);
        let hurry = told_again()?;
        let gate = self.service.gate.write().await.take();
        if let Some(http) = self.service.http.write().await.take() {
            http.stop(grace).await;
        }
        if let Some(gate) = gate {
            let mut hurry = hurry.clone();
            gate.shutdown_by(async move {
                let _ = tokio::time::timeout(grace, hurry.wait_for(|h| *h)).await;
            })
            .await;
        }
        if !self.console.is_finished() {
            let mut hurry = hurry.clone();
            tokio::select! {
                _ = tokio::time::timeout(Duration::from_secs(6), self.console) => {}
                _ = hurry.wait_for(|h| *h) => {}
            }
        }
        // A point that the vault is just asked to keep comes to its end; one that is still being taken was dropped.
        let (mut points, mut hurry) = (self.points, hurry);
        let ended = tokio::select! {
            ended = tokio::time::timeout(POINT, &mut points) => ended.is_ok(),
            _ = hurry.wait_for(|h| *h) => false,
        };
        if !ended {
            points.abort();
            let _ = points.await;
        }
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            let _ = task.await;
        }
        remove(&self.home.socket());
        self.service
            .store
            .note(Event::Stopped)
            .await
            .doing("the stop was not written down")?;
        let (control, traffic) = (
            Arc::clone(&self.service.control),
            Arc::clone(&self.service.traffic),
        );
        let sealed = tokio::task::spawn_blocking(move || {
            control
                .checkpoint_now()
                .and_then(|_| traffic.checkpoint_now())
        });
        sealed
            .await
            .doing("the logs were not sealed")?
            .doing("the logs were not sealed")?;
        cosign::last(&self.service).await;
        Ok(())
    }
}

/// Becomes true when a signal to stop comes once more.
fn told_again() -> Outcome<watch::Receiver<bool>> {
    let listen = |kind| signal(kind).doing("cannot listen for signals");
    let (mut term, mut int) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    let (told, again) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::warn!("told to stop again: what still runs is cancelled");
        told.send_replace(true);
        // Kept, so that nobody takes the end of this task for the signal.
        std::future::pending::<()>().await;
    });
    Ok(again)
}

fn remove(path: &Path) {
    // Gone already is as good.
    let _ = std::fs::remove_file(path);
}
