//! Connections to targets that are kept, each for one target and site only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::Passing;
use super::limits::Limits;
use super::site::Site;

/// The most requests on one HTTP/2 connection: what most servers allow. Where one allows fewer, the rest waits.
const STREAMS: usize = 100;

/// How long a connection whose answer has just ended may take to be ready again.
const READY: Duration = Duration::from_millis(5);

/// Whose connections are alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The target's number: what was trusted under another configuration does not count.
    pub(crate) target: u64,
    pub(crate) tls: bool,
    pub(crate) site: Site,
}

/// A connection that a request can be sent on.
pub(crate) enum Sender {
    Http1(One),
    /// With what counts the requests on it.
    Http2(http2::SendRequest<Passing>, Arc<()>),
}

/// A connection for one request at a time.
pub(crate) struct One {
    pub(crate) sender: http1::SendRequest<Passing>,
    /// What drives it.
    pub(crate) task: AbortHandle,
}

/// Ends a connection unless it is told that all is well: a target that never comes to its answer would keep what drives
/// the connection busy, though nobody waits any more.
pub(crate) struct Cut(Option<AbortHandle>);

impl Cut {
    pub(crate) fn of(sender: &Sender) -> Self {
        Self(match sender {
            Sender::Http1(one) => Some(one.task.clone()),
            Sender::Http2(..) => None,
        })
    }

    pub(crate) fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// The kept connections.
pub(crate) struct Pool {
    sites: Mutex<HashMap<Key, Kept>>,
    limits: Limits,
}

struct Kept {
    idle: Vec<(One, Instant)>,
    http2: Vec<Http2>,
    speaks_http1: bool,
    opening: Arc<tokio::sync::Mutex<()>>,
    open: Arc<Semaphore>,
}

struct Http2 {
    sender: http2::SendRequest<Passing>,
    requests: Arc<()>,
    used: Instant,
}

/// How a new connection to a site is opened.
pub(crate) struct Door {
    /// Whether it is known to speak HTTP/1.1, so that each request needs a connection of its own.
    pub(crate) speaks_http1: bool,
    /// Held while opening one that may serve many.
    pub(crate) opening: Arc<tokio::sync::Mutex<()>>,
    /// A permit is held by each open connection.
    pub(crate) open: Arc<Semaphore>,
}

impl Pool {
    /// An empty pool, and what tends it until it is dropped.
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let pool = Arc::new(Self {
            sites: Mutex::default(),
            limits: limits.clone(),
        });
        let weak = Arc::downgrade(&pool);
        let pause = (limits.idle / 4).max(Duration::from_millis(10));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                match weak.upgrade() {
                    Some(pool) => pool.tidy(),
                    None => return,
                }
            }
        });
        pool
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A kept connection that is ready, if there is one.
    pub(crate) async fn take(&self, key: &Key) -> Option<Sender> {
        loop {
            let mut one = {
                let mut sites = self.sites();
                let kept = sites.get_mut(key)?;
                if let Some(sender) = kept.take_http2() {
                    return Some(sender);
                }
                let (one, since) = kept.idle.pop()?;
                if one.sender.is_closed() || since.elapsed() > self.limits.idle {
                    continue;
                }
                one
            };
            if let Ok(Ok(())) = tokio::time::timeout(READY, one.sender.ready()).await {
                return Some(Sender::Http1(one));
            }
        }
    }

    /// How to open another connection.
    pub(crate) fn door(&self, key: &Key) -> Door {
        let mut sites = self.sites();
        let kept = sites
            .entry(key.clone())
            .or_insert_with(|| Kept::new(&self.limits, !key.tls));
        Door {
            speaks_http1: kept.speaks_http1,
            opening: Arc::clone(&kept.opening),
            open: Arc::clone(&kept.open),
        }
    }

    /// Learns what a site speaks from a connection that was just opened; keeps it if it serves many.
    pub(crate) fn opened(&self, key: &Key, sender: &Sender) {
        let mut sites = self.sites();
        let Some(kept) = sites.get_mut(key) else {
            return;
        };
        match sender {
            Sender::Http1(_) => kept.speaks_http1 = true,
            Sender::Http2(sender, requests) => {
                kept.speaks_http1 = false;
                kept.http2.push(Http2 {
                    sender: sender.clone(),
                    requests: Arc::clone(requests),
                    used: Instant::now(),
                });
            }
        }
    }

    /// Takes back a connection whose answer was read to its end.
    pub(crate) fn give_back(&self, key: &Key, sender: Sender) {
        let Sender::Http1(one) = sender else {
            return;
        };
        let mut sites = self.sites();
        if let Some(kept) = sites.get_mut(key)
            && !one.sender.is_closed()
            && kept.idle.len() < self.limits.idle_per_site
        {
            kept.idle.push((one, Instant::now()));
        }
    }

    /// Lets go of what nobody used for long, and forgets sites without connections.
    fn tidy(&self) {
        let idle = self.limits.idle;
        let all = self.limits.per_site;
        self.sites().retain(|_, kept| {
            kept.idle
                .retain(|(one, since)| !one.sender.is_closed() && since.elapsed() <= idle);
            kept.http2.retain(|http2| {
                let unused = Arc::strong_count(&http2.requests) == 1;
                let over = unused && http2.used.elapsed() > idle;
                !(over || http2.sender.is_closed())
            });
            !kept.idle.is_empty()
                || !kept.http2.is_empty()
                || kept.open.available_permits() < all
                || Arc::strong_count(&kept.opening) > 1
        });
    }
}

impl Kept {
    fn new(limits: &Limits, speaks_http1: bool) -> Self {
        Self {
            idle: vec![],
            http2: vec![],
            speaks_http1,
            opening: Arc::default(),
            open: Arc::new(Semaphore::new(limits.per_site)),
        }
    }

    fn take_http2(&mut self) -> Option<Sender> {
        self.http2.retain(|http2| !http2.sender.is_closed());
        let free = self.http2.iter_mut().find(|http2| {
            // One count is the pool's own.
            Arc::strong_count(&http2.requests) <= STREAMS
        })?;
        free.used = Instant::now();
        Some(Sender::Http2(
            free.sender.clone(),
            Arc::clone(&free.requests),
        ))
    }
}
