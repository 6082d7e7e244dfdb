//! What the console is made of: the store, the seams to the rest, and what it remembers by itself.

use std::sync::Arc;
use std::time::Duration;

use backstop_store::Store;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Semaphore, watch};

use crate::deletions::Deletions;
use crate::origin::Origin;
use crate::presented::Presented;
use crate::rate::Rates;
use crate::session::Sessions;
use crate::timeline::Timeline;

/// Called when something presents a lease at the console: an agent has no business here.
pub trait Alarm: Send + Sync {
    /// `presented` was refused; what follows for the lease is not the console's to decide.
    fn lease_at_console(&self, presented: Presented);
}

/// How much a notice weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// Needs doing something about.
    Warning,
}

/// Something that stands above every page: `not isolated`, the journal's disk is nearly full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it weighs.
    pub weight: Weight,
    /// One sentence.
    pub text: String,
}

/// What is to stand above every page now.
pub trait Notices: Send + Sync {
    /// Cheap: called for each page.
    fn now(&self) -> Vec<Notice>;
}

/// Bounds and lifetimes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a session lasts without a request.
    pub session_idle: Duration,
    /// How long a session lasts at most.
    pub session_total: Duration,
    /// Sessions at a time; the one idle longest goes first.
    pub sessions: usize,
    /// Ceremonies (signing in, enrolling, deciding) that one address can begin at once…
    pub ceremony_burst: u32,
    /// …and how long each takes to come back.
    pub ceremony_refill: Duration,
    /// Recovery codes that can be tried at once, by everybody together…
    pub recovery_burst: u32,
    /// …and how long each takes to come back.
    pub recovery_refill: Duration,
    /// Bytes that a request's body may have.
    pub body_bytes: usize,
    /// How long a request may take to arrive and be answered.
    pub request: Duration,
    /// How long a TLS handshake or a request's head may take, and how long a connection may idle.
    pub head: Duration,
    /// Connections at a time.
    pub connections: usize,
    /// Live pages at a time.
    pub live_pages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_idle: Duration::from_secs(30 * 60),
            session_total: Duration::from_secs(12 * 3600),
            sessions: 1_000,
            ceremony_burst: 20,
            ceremony_refill: Duration::from_secs(2),
            recovery_burst: 5,
            recovery_refill: Duration::from_secs(60),
            body_bytes: 64 * 1024,
            request: Duration::from_secs(30),
            head: Duration::from_secs(15),
            connections: 256,
            live_pages: 64,
        }
    }
}

/// What a console is opened with.
pub struct Options {
    /// The store.
    pub store: Store,
    /// Where the console is reached; must be the one that passkeys were enrolled on.
    pub origin: Origin,
    /// The journal.
    pub timeline: Arc<dyn Timeline>,
    /// Who is told of a lease that is presented here.
    pub alarm: Arc<dyn Alarm>,
    /// What stands above every page.
    pub notices: Arc<dyn Notices>,
    /// The vault, where there is one.
    pub deletions: Option<Arc<dyn Deletions>>,
    /// Bounds and lifetimes.
    pub limits: Limits,
}

/// The console. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Console {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) origin: Origin,
    pub(crate) timeline: Arc<dyn Timeline>,
    pub(crate) alarm: Arc<dyn Alarm>,
    pub(crate) notices: Arc<dyn Notices>,
    pub(crate) deletions: Option<Arc<dyn Deletions>>,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) rates: Rates,
    pub(crate) live: Arc<Semaphore>,
    /// True once the console stops: live pages end then.
    pub(crate) stopping: watch::Sender<bool>,
    csrf: hmac::Key,
}

impl Console {
    /// A console with no sessions yet.
    ///
    /// # Errors
    /// When passkeys were enrolled for another origin, or the system gives no random bytes.
    pub fn new(options: Options) -> Result<Self, String> {
        let installed = options.store.state().origin.clone();
        if !installed.is_empty() && installed != options.origin.as_str() {
            return Err(format!(
                "the console is set up for {installed}, and passkeys work only there; hint: configure that origin, not {}",
                options.origin
            ));
        }
        let key: [u8; 32] = random()?;
        Ok(Self {
            inner: Arc::new(Inner {
                sessions: Sessions::new(&options.limits),
                rates: Rates::new(&options.limits),
                live: Arc::new(Semaphore::new(options.limits.live_pages)),
                stopping: watch::channel(false).0,
                csrf: hmac::Key::new(hmac::HMAC_SHA256, &key),
                store: options.store,
                origin: options.origin,
                timeline: options.timeline,
                alarm: options.alarm,
                notices: options.notices,
                deletions: options.deletions,
                limits: options.limits,
            }),
        })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// The token that every change asked for by the bearer of `visit` must carry.
    pub(crate) fn csrf(&self, visit: &str) -> String {
        hex::encode(hmac::sign(&self.inner.csrf, visit.as_bytes()))
    }

    /// Whether `token` is that, compared in constant time.
    pub(crate) fn csrf_matches(&self, visit: &str, token: &str) -> bool {
        hex::decode(token)
            .is_ok_and(|tag| hmac::verify(&self.inner.csrf, visit.as_bytes(), &tag).is_ok())
    }
}

/// Random bytes of the system's.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes)
}
