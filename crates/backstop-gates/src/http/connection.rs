//! One client's connection: HTTP/1.1 or HTTP/2 served on it, and what it changes to.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::body::Passing;
use super::exchange::{Slot, exchange};
use super::judge::{Client, Judge};
use super::leaf::Leaves;
use super::limits::{Limits, Places};
use super::stream::ClientStream;
use super::tunnel::Opened;
use super::upgrade::Changed;
use super::upstream::Upstreams;

/// How long a connection that was told to end may take for it, with nothing open on it.
const PARTING: Duration = Duration::from_secs(5);

/// What every connection shares.
pub(crate) struct Shared<J: Judge> {
    pub(crate) judge: Arc<J>,
    pub(crate) leaves: Arc<Leaves>,
    pub(crate) upstreams: Upstreams,
    pub(crate) limits: Limits,
    pub(crate) places: Arc<Places>,
    /// Bytes that may be kept to be judged.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) stage: watch::Receiver<Stage>,
}

/// Whether the proxy is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It takes requests.
    Open,
    /// It finishes what was begun.
    Closing,
    /// Enough.
    Closed,
}

/// Resolves when the proxy is that far; also when it is gone.
pub(crate) async fn reached(mut stage: watch::Receiver<Stage>, wanted: Stage) {
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

/// What becomes of a connection after an answer on it.
pub(crate) enum After<J: Judge> {
    /// It is a tunnel.
    Tunnel(Opened),
    /// It speaks another protocol.
    Changed(Box<Changed<J>>),
    /// Nothing, though it could have become something. The library then leaves the last word to us.
    Refused(OnUpgrade),
}

/// Serves a connection to its end.
pub(crate) async fn serve<J: Judge>(
    shared: Arc<Shared<J>>,
    client: Client,
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
) {
    let stage = shared.stage.clone();
    // Ten thousand connections are idle for one that does something: what each has to do at some time or other is boxed,
    // and nothing is moved, which would leave room where it was.
    let served = pin!(async {
        let stream = ClientStream::tcp(stream, shared.limits.stalled);
        let stream = match tls {
            None => stream,
            Some(config) => {
                let accepting = Box::pin(TlsAcceptor::from(config).accept(stream));
                match tokio::time::timeout(shared.limits.handshake, accepting).await {
                    Ok(Ok(tls)) => ClientStream::tls(tls),
                    _ => return,
                }
            }
        };
        let mut next = Some((client, stream));
        while let Some((client, stream)) = next {
            next = match speak(&shared, &client, stream).await {
                None => None,
                Some(After::Tunnel(opened)) => Box::pin(opened.enter(&shared, &client)).await,
                Some(After::Changed(changed)) => {
                    Box::pin(changed.carry(shared.limits.silent)).await;
                    None
                }
                Some(After::Refused(stream)) => {
                    let parting = Box::pin(farewell(stream));
                    let _ = tokio::time::timeout(PARTING, parting).await;
                    None
                }
            };
        }
    });
    tokio::select! {
        () = served => {}
        () = reached(stage, Stage::Closed) => {}
    }
}

/// Ends a connection in order, TLS included.
async fn farewell(stream: OnUpgrade) -> std::io::Result<()> {
    let stream = stream.await.map_err(std::io::Error::other)?;
    TokioIo::new(stream).shutdown().await
}

async fn speak<J: Judge>(
    shared: &Arc<Shared<J>>,
    client: &Client,
    stream: ClientStream,
) -> Option<After<J>> {
    // Boxed, so that a connection takes no more room than what it speaks.
    if stream.speaks_http2() {
        Box::pin(http2(shared, client, stream)).await;
        None
    } else {
        Box::pin(http1(shared, client, stream)).await
    }
}

async fn http1<J: Judge>(
    shared: &Arc<Shared<J>>,
    client: &Client,
    stream: ClientStream,
) -> Option<After<J>> {
    let slot: Slot<J> = Arc::default();
    // Boxed, so that a connection without a request has no room for one.
    let service = service_fn(|request: Request<Incoming>| {
        let answering = Box::pin(exchange(shared, client, &slot, request));
        async { Ok::<Response<Passing>, Infallible>(answering.await) }
    });
    let limits = &shared.limits;
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_header_size(limits.head_bytes as usize)
            .max_buf_size((limits.head_bytes as usize + 1024).max(8192))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let stage = shared.stage.clone();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = reached(stage, Stage::Closing) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

async fn http2<J: Judge>(shared: &Arc<Shared<J>>, client: &Client, stream: ClientStream) {
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request: Request<Incoming>| {
        let busy = Busy::begin(&activity);
        let shared = Arc::clone(shared);
        let client = client.clone();
        async move {
            // Nothing changes its protocol here.
            let slot: Slot<J> = Arc::default();
            let response = exchange(&shared, &client, &slot, request).await;
            Ok::<Response<Passing>, Infallible>(response.map(|body| body.holding(busy)))
        }
    });
    let limits = &shared.limits;
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.head_bytes)
            .keep_alive_interval(limits.head)
            .serve_connection(TokioIo::new(stream), service)
    );
    let stage = shared.stage.clone();
    tokio::select! {
        _ = connection.as_mut() => return,
        () = reached(stage, Stage::Closing) => {}
        () = activity.idle(limits.head) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = activity.idle(PARTING) => {}
    }
}

/// How many requests are open, and since when there are none.
pub(crate) struct Activity {
    open: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self {
            open: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
        }
    }

    /// Resolves when nothing has been open for so long.
    async fn idle(&self, limit: Duration) {
        let mut from = Instant::now();
        loop {
            tokio::time::sleep_until(from + limit).await;
            if self.open.load(Ordering::Acquire) > 0 {
                from = Instant::now();
                continue;
            }
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last <= from {
                return;
            }
            from = last;
        }
    }
}

/// An open request.
pub(crate) struct Busy(Arc<Activity>);

impl Busy {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}
