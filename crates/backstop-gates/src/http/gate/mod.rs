//! The HTTP gate: it tells leases apart, reads what a request would do, enforces the verdict, and puts credentials in.
//! The proxy around it carries bytes and decides nothing.
//!
//! `who` proves the lease, `place` takes its placeholder out and puts the credential in, `known` and `foreign` find
//! credentials that should not be there and `mismatch` stops the lease for them; `decide` goes through the five steps:
//! `reading`, judging, `asking` people by a `hold`, the intent (`intend`) in the `journal`, `acting`. `reply` looks at answers. `beyond` says what may go beyond an answer: `socket`
//! is WebSockets, `rpc` gRPC; `opaque` is tunnels that nobody reads.

mod acting;
mod anew;
mod answer;
mod asking;
mod aws;
mod beyond;
mod case;
pub mod config;
mod decide;
mod dialect;
mod environment;
pub mod explain;
mod foreign;
mod guard;
mod hold;
mod intend;
mod issued;
mod journal;
mod kept;
mod known;
mod lives;
mod mismatch;
mod objects;
mod opaque;
mod place;
mod placeholder;
mod raw;
mod reading;
mod reply;
mod reveal;
mod rpc;
mod socket;
mod swap;
mod who;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use backstop_core::lease::{LeaseRecord, LeaseState};
use backstop_core::policy::Policy;
use backstop_store::{SealKey, Store};
use backstop_wire::secrets::Engine;
use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::Semaphore;

use beyond::Passage;
use case::Case;
use config::{Api, HttpConfig, Placing, is_host};
use guard::Guard;
use issued::Issued;
use kept::Keep;
use known::{Ring, Rings};
use who::{Doorman, standing};

use super::judge::{
    Begin, Carried, Client, End, How, Judge, Mode, Outcome, ResponseHead, Treatment, Tunnel, Whole,
};
use super::{Dialect, Head, Problem, Site, Target};
use crate::denials::Denials;
use crate::postgres::TrafficLog;

use backstop_wire::providers;
pub use placeholder::placeholder_key;

pub use environment::environment;
use placeholder::placeholder;

/// As much of a conversation is read, in bytes: what model providers take at once.
const CONVERSATION: usize = 32 << 20;

/// What every request shares.
pub struct HttpShared {
    config: HttpConfig,
    store: Store,
    traffic: Arc<TrafficLog>,
    policy: RwLock<Arc<Policy>>,
    apis: RwLock<Arc<Reachable>>,
    doorman: Doorman,
    rings: Rings,
    denials: Denials,
    issued: Issued,
    keep: Keep,
    engine: Engine,
    actions: AtomicU64,
    /// Bytes of messages on sockets that may be kept to be judged.
    room: Arc<Semaphore>,
    /// Itself, for what outlives a request.
    me: Weak<Self>,
}

/// Where requests may go.
pub struct Reachable {
    /// The protected APIs.
    pub apis: Vec<Arc<Api>>,
    /// Hosts that any lease may read from without a credential, exact or `*.suffix`.
    pub allow: Vec<String>,
    /// How the gate reaches those.
    pub public: Arc<Target>,
}

impl HttpShared {
    /// A gate that decides by this policy about requests to these APIs.
    ///
    /// # Errors
    /// If what targets revealed cannot be read, or the rules that were compiled in, which a test excludes.
    pub fn new(
        config: HttpConfig,
        reachable: Reachable,
        store: Store,
        traffic: Arc<TrafficLog>,
        policy: Arc<Policy>,
    ) -> Result<Arc<Self>, String> {
        let alive = |lease: &str| {
            let record = store.lease(lease);
            record.is_some_and(|record| !matches!(record.state, LeaseState::Ended { .. }))
        };
        let keep = Keep::open(config.kept.clone(), store.key().clone(), alive)?;
        let engine = Engine::new()?;
        Ok(Arc::new_cyclic(|me| Self {
            config,
            store,
            traffic,
            policy: RwLock::new(policy),
            apis: RwLock::new(Arc::new(reachable)),
            doorman: Doorman::default(),
            rings: Rings::default(),
            denials: Denials::default(),
            issued: Issued::default(),
            keep,
            engine,
            actions: AtomicU64::new(0),
            room: Arc::new(Semaphore::new(socket::ROOM)),
            me: Weak::clone(me),
        }))
    }

    fn next_action(&self) -> u64 {
        self.actions.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes up a changed configuration; what is under way goes on by the old one.
    pub fn change(&self, reachable: Reachable, policy: Arc<Policy>) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        *self.apis.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reachable);
        self.rings.forget();
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reachable(&self) -> Arc<Reachable> {
        Arc::clone(&self.apis.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn ring(&self) -> Result<Arc<Ring>, backstop_wire::secrets::TooMany> {
        self.rings
            .now(&self.store, &self.reachable().apis, &self.keep)
    }

    fn public(&self) -> Arc<Target> {
        Arc::clone(&self.reachable().public)
    }

    fn is_allowed(&self, host: &str) -> bool {
        self.reachable()
            .allow
            .iter()
            .any(|pattern| is_host(pattern, host))
    }

    /// How much of a body is kept to be judged. A conversation is long, and only what is read whole can be told from what
    /// it quotes.
    fn judged(&self, case: &Case) -> usize {
        let judged = self.config.judged;
        match &case.api {
            Some(api) if quotes(api) => judged.max(CONVERSATION),
            _ => judged,
        }
    }

    fn issued(&self, case: &Case, value: &str) -> bool {
        let Some(api) = &case.api else { return false };
        let digest = self.traffic.salted(value.as_bytes());
        self.issued.has(&case.record.lease.id, &api.name, digest)
    }

    /// The lease behind a request, and the API that it is for.
    async fn case(&self, client: &Client, head: &Head) -> Result<Case, Box<Problem>> {
        let source = client.address.to_string();
        let reachable = self.reachable();
        let (record, api, site) = match client.mode {
            Mode::Reverse => {
                self.by_placeholder(&reachable, client, head, &source)
                    .await?
            }
            Mode::Forward => {
                let presented = head.presented.as_deref();
                let record = self.doorman.lease(&self.store, presented, &source).await?;
                let site = head.site.clone().ok_or_else(|| no_site(""))?;
                let api = self.api(&reachable, &record, head, &site)?;
                (record, api, site)
            }
        };
        let standing = standing(&self.store, &record)?;
        let placeholder = api
            .as_ref()
            .map(|api| placeholder(self.store.key(), &record.lease.id, &api.name, &pack_of(api)));
        let inside = client.tunnel.as_ref();
        Ok(Case {
            record,
            standing,
            api,
            placeholder,
            site,
            source,
            tls_name: inside.and_then(|inside| inside.tls_name.clone()),
            tunnel: inside.map(|inside| inside.site.clone()),
            reverse: client.mode == Mode::Reverse,
            connection: client.number,
            action: self.next_action(),
            journaled: false,
            result: "failed",
            inside: reply::Inside::Nothing,
            tripped: None,
            taken: false,
            signed: None,
            reveals: vec![],
            said: None,
            passage: Passage::Plain,
        })
    }

    /// The lease's API at a site; of several there, the one whose placeholder is presented. Never by chance: one of them
    /// may be production.
    fn api(
        &self,
        reachable: &Reachable,
        record: &LeaseRecord,
        head: &Head,
        site: &Site,
    ) -> Result<Option<Arc<Api>>, Box<Problem>> {
        let lease = &record.lease;
        let mut all = reachable.apis.iter().filter(|api| {
            let named = api.everyone || lease.spec.at(&api.name).is_some();
            let read = api.placing != Placing::Opaque;
            named && read && api.is_at(head.scheme, site, head.target.path())
        });
        let Some(first) = all.next() else {
            return Ok(None);
        };
        let others: Vec<_> = all.collect();
        if others.is_empty() {
            return Ok(Some(Arc::clone(first)));
        }
        let meant = |api: &&Arc<Api>| {
            let own = placeholder(self.store.key(), &lease.id, &api.name, &pack_of(api));
            place::take_out(&mut head.clone(), &mut Bytes::new(), &api.placing, &own)
        };
        let mut candidates = std::iter::once(first).chain(others.iter().copied());
        match candidates.clone().find(meant) {
            Some(api) => Ok(Some(Arc::clone(api))),
            None => {
                let in_body = candidates.clone().any(|api| api.placing.is_in_body());
                let names: Vec<&str> = candidates.by_ref().map(|api| api.name.as_str()).collect();
                Err(answer::which(&names, in_body))
            }
        }
    }

    /// On the listener of one API the placeholder says whose request it is.
    async fn by_placeholder(
        &self,
        reachable: &Reachable,
        client: &Client,
        head: &Head,
        source: &str,
    ) -> Result<(LeaseRecord, Option<Arc<Api>>, Site), Box<Problem>> {
        let named = |api: &&Arc<Api>| *api.name == *client.listener;
        let api = reachable.apis.iter().find(named).cloned();
        let api = api.ok_or_else(|| no_site("This listener's target is gone."))?;
        let ring = self.ring().map_err(|e| answer::broken(&e))?;
        let lease = place::presented(head, &api.placing).and_then(|value| {
            let (lease, of) = ring.of_placeholder(&value)?;
            (of == api.name).then(|| lease.to_owned())
        });
        match lease.and_then(|id| self.store.lease(&id)) {
            Some(record)
                if (api.everyone || record.lease.spec.at(&api.name).is_some())
                    && api.is_at(api.scheme, &api.site, head.target.path()) =>
            {
                let site = api.site.clone();
                Ok((record, Some(api), site))
            }
            _ => {
                let wait = self.doorman.failed(source);
                tokio::time::sleep(wait).await;
                Err(Box::new(
                    Problem::new(
                        StatusCode::UNAUTHORIZED,
                        "lease",
                        "This listener is for leases",
                        "The request carries no placeholder of a lease for this target.",
                    )
                    .hint("use the placeholder that `backstop lease create` printed"),
                ))
            }
        }
    }
}

impl Judge for HttpShared {
    type Case = Case;

    /// By what stands at that place, whoever asks.
    fn dialect(&self, client: &Client, head: &Head) -> Dialect {
        let reachable = self.reachable();
        let found = reachable.apis.iter().find(|api| match client.mode {
            Mode::Reverse => *api.name == *client.listener,
            Mode::Forward => head
                .site
                .as_ref()
                .is_some_and(|site| api.is_at(head.scheme, site, head.target.path())),
        });
        let pack = match (found, &head.site) {
            (Some(api), _) => pack_of(api),
            (None, Some(site)) => pack_at(None, site.host()),
            (None, None) => return Dialect::default(),
        };
        dialect::of(&pack, head)
    }

    async fn tunnel(&self, client: &Client, to: &Site) -> Tunnel {
        let source = client.address.to_string();
        let presented = client.presented.as_deref();
        match self.doorman.lease(&self.store, presented, &source).await {
            Ok(record) => self
                .tunnel_of(client, &record, to)
                .await
                .unwrap_or_else(Tunnel::Answer),
            Err(problem) => Tunnel::Answer(problem),
        }
    }

    async fn begin(&self, client: &Client, head: &Head) -> Begin<Case> {
        match self.case(client, head).await {
            Ok(case) => Begin::Judge {
                wish: beyond::wish(head, self.judged(&case)),
                case,
            },
            Err(problem) => Begin::Answer(problem),
        }
    }

    async fn judge(&self, case: &mut Case, head: Head, body: &Carried) -> Outcome {
        self.decide(case, head, body).await
    }

    async fn response(&self, case: &mut Case, head: &mut ResponseHead) -> Treatment {
        let guard = Guard::of(&self.store, &case.record.lease.id);
        let Some(api) = case.api.clone() else {
            return Treatment::Filter(Box::new(reply::Cutting(guard)));
        };
        // Without it nothing could be masked.
        let known = match self.ring() {
            Ok(ring) => ring.real(),
            Err(error) => return Treatment::Replace(answer::broken(&error)),
        };
        reply::mask_headers(&mut head.headers, &known);
        if api.secret.is_some() && reply::is_refusal(head) {
            let how = format!("status {}", head.status.as_u16());
            self.refused(case, &api, &how).await;
            return Treatment::Replace(answer::mismatch(&api.name, &how));
        }
        // A key of AWS signs and is never sent: no answer can repeat it, and objects are stored compressed.
        let is_sent = api.secret.is_some() && api.placing != Placing::Aws;
        if is_sent && reply::is_encoded(head) {
            return Treatment::Replace(answer::encoded(&api.name));
        }
        for cookie in reply::cookies(head) {
            let digest = self.traffic.salted(cookie.as_bytes());
            self.issued.add(&case.record.lease.id, &api.name, digest);
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return beyond::opened(case, &api, head);
        }
        if let Passage::Call(call) = case.passage
            && rpc::is_answer(head)
        {
            return self.called(case, &api, head, call, known).await;
        }
        if !case.reveals.is_empty() {
            return Treatment::Whole {
                limit: self.config.judged,
            };
        }
        if reply::may_refuse_inside(head, case.inside) {
            return Treatment::Whole {
                limit: reply::REFUSAL,
            };
        }
        Treatment::Filter(Box::new(reply::Masking::new(known, guard)))
    }

    async fn whole(&self, case: &mut Case, head: &mut ResponseHead, body: Option<&Bytes>) -> Whole {
        let Some(api) = case.api.clone() else {
            return Whole::AsCame;
        };
        if body.is_some_and(|body| reply::refuses_inside(body, case.inside)) {
            let how = "in its answer";
            self.refused(case, &api, how).await;
            return Whole::Problem(answer::mismatch(&api.name, how));
        }
        let known = match self.ring() {
            Ok(ring) => ring.real(),
            Err(error) => return Whole::Problem(answer::broken(&error)),
        };
        if !case.reveals.is_empty() {
            let lease = &case.record.lease.id;
            let keep = |secrets| self.keep.add(lease, &api.name, secrets);
            let made = reveal::answer(head.status, body, &case.reveals, &known, keep);
            if let Some(made) = made {
                return made;
            }
        }
        let guard = Guard::of(&self.store, &case.record.lease.id);
        Whole::Filter(Box::new(reply::Masking::new(known, guard)))
    }

    fn done(&self, case: Case, end: End) {
        self.trip(&case);
        if !case.journaled {
            return;
        }
        let status = end.status.map(|s| s.as_u16().to_string());
        let result = match (&end.how, end.sent) {
            (_, false) => case.result,
            (How::Finished, true) => "done",
            (How::ClientGone, true) => "client-gone",
            (How::Failed(_), true) => "failed",
        };
        journal::outcome(
            &self.traffic,
            &self.store,
            case.connection,
            case.action,
            result,
            status.as_deref(),
        );
    }
}

impl HttpShared {
    /// A known credential in a body that passed as it came: it was broken off, and the lease is stopped.
    fn trip(&self, case: &Case) {
        let tripped = case.tripped.as_ref();
        if !tripped.is_some_and(|tripped| tripped.load(Ordering::Acquire)) {
            return;
        }
        self.tripper(&case.record.lease.id, &case.source)();
    }

    /// What stops the lease for a known credential in a body, and tells the person.
    fn tripper(&self, lease: &str, source: &str) -> rpc::Trip {
        let (store, lease, source) = (self.store.clone(), lease.to_owned(), source.to_owned());
        Box::new(move || {
            tokio::spawn(async move {
                crate::mismatch::halt(&store, &lease, reply::FOREIGN, false).await;
                crate::mismatch::note(&store, Some(&lease), &source, reply::FOREIGN).await;
            });
        })
    }

    async fn refused(&self, case: &Case, api: &Api, how: &str) {
        let lease = &case.record.lease.id;
        mismatch::refused(&self.store, lease, &case.source, &api.name, how).await;
    }
}

/// Whether an API's pack says of any operation that its body quotes.
fn quotes(api: &Api) -> bool {
    match &api.own {
        Some(pack) => pack.quotes(),
        None => providers::by_name(&pack_of(api))
            .and_then(providers::Provider::pack)
            .is_some_and(providers::Pack::quotes),
    }
}

/// The pack that reads an API's requests.
fn pack_of(api: &Api) -> String {
    pack_at(api.pack.as_deref(), api.site.host())
}

fn pack_at(pack: Option<&str>, host: &str) -> String {
    let known = || providers::for_host(host).map_or(providers::GENERIC, |known| known.name);
    pack.unwrap_or_else(known).to_owned()
}

/// The placeholder of a lease at an API, by what the configuration says of it.
#[must_use]
pub fn placeholder_at(
    key: &SealKey,
    lease: &str,
    api: &str,
    pack: Option<&str>,
    host: &str,
) -> String {
    placeholder(key, lease, api, &pack_at(pack, host))
}

fn no_site(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::BAD_REQUEST,
        "proxy",
        "The request names no site",
        detail,
    ))
}
