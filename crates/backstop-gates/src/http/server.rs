//! The proxy itself: listeners, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::connection::{Shared, Stage, reached, serve};
use super::judge::{Client, Judge, Mode};
use super::leaf::Leaves;
use super::limits::{Limits, Places};
use super::problem::Problem;
use super::resolve::Resolve;
use super::upstream::Upstreams;

/// An address that clients come to.
#[derive(Clone)]
pub struct Listener {
    /// Its name: what a judge knows it by; in reverse mode, the target's.
    pub name: String,
    /// Port 0 takes a free one.
    pub address: SocketAddr,
    /// What it is to its clients.
    pub mode: Mode,
    /// TLS towards clients; without it, plain.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// An address cannot be listened on.
    #[error("listening on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// A running proxy.
pub struct Proxy {
    addresses: Vec<SocketAddr>,
    places: Arc<Places>,
    stage: watch::Sender<Stage>,
}

impl Proxy {
    /// Listens, and serves on the runtime that it is called on until it is shut down.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub async fn start<J: Judge>(
        listeners: Vec<Listener>,
        limits: Limits,
        leaves: Arc<Leaves>,
        resolver: Arc<dyn Resolve>,
        judge: Arc<J>,
    ) -> Result<Self, ProxyError> {
        let mut bound = vec![];
        let mut addresses = vec![];
        for listener in listeners {
            let failed = |e| ProxyError::Listen(listener.address, e);
            let socket = TcpListener::bind(listener.address).await.map_err(failed)?;
            addresses.push(socket.local_addr().map_err(failed)?);
            bound.push((socket, listener));
        }
        let (stage, staged) = watch::channel(Stage::Open);
        let places = Places::new(&limits);
        let shared = Arc::new(Shared {
            judge,
            leaves,
            upstreams: Upstreams::new(resolver, &limits),
            places: Arc::clone(&places),
            room: Arc::new(Semaphore::new(
                limits.kept_bytes.min(Semaphore::MAX_PERMITS),
            )),
            limits,
            stage: staged,
        });
        for (socket, listener) in bound {
            tokio::spawn(accept(Arc::clone(&shared), socket, listener));
        }
        Ok(Self {
            addresses,
            places,
            stage,
        })
    }

    /// The addresses that are listened on, in the order of the listeners.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Client connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.places.taken()
    }

    /// Takes no more requests, lets those that were begun end for at most `grace`, and ends.
    pub async fn shutdown(self, grace: Duration) {
        let _ = self.stage.send(Stage::Closing);
        let all_ended = async {
            while self.places.taken() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(grace, all_ended).await;
        let _ = self.stage.send(Stage::Closed);
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({:?})", self.addresses)
    }
}

async fn accept<J: Judge>(shared: Arc<Shared<J>>, socket: TcpListener, listener: Listener) {
    let name: Arc<str> = listener.name.as_str().into();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = reached(shared.stage.clone(), Stage::Closing) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: it passes.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(place) = shared.places.enter(address.ip()) else {
            tokio::spawn(turn_away(stream, listener.tls.is_some()));
            continue;
        };
        let _ = stream.set_nodelay(true);
        let client = Client {
            number: next_number(),
            address,
            listener: Arc::clone(&name),
            mode: listener.mode,
            tunnel: None,
            presented: None,
        };
        let (shared, tls) = (Arc::clone(&shared), listener.tls.clone());
        // Not handed to a function of its own, which would have room for it twice.
        tokio::spawn(async move {
            serve(shared, client, stream, tls).await;
            // A place is kept for as long as somebody is served.
            drop(place);
        });
    }
}

fn next_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// Says that there is no place, if that can be said in a moment.
async fn turn_away(mut stream: TcpStream, tls: bool) {
    if tls {
        return;
    }
    let problem = Problem::new(
        hyper::StatusCode::SERVICE_UNAVAILABLE,
        "full",
        "There are too many connections",
        "As many connections are open as may be.",
    )
    .retry_after(Duration::from_secs(1));
    let words = problem.last_words();
    let saying = async {
        let _ = stream.write_all(&words).await;
        let _ = stream.shutdown().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), saying).await;
}
