//! The console's own listener: plain on localhost, TLS under a name. Slow and idle connections are ended.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::routes::router;
use crate::state::Console;

/// For requests under way when the console stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why the console cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A certificate or key file.
    #[error(
        "`{path}` is not a usable {what}: {why}; hint: both are PEM files, the certificate first in its chain"
    )]
    File {
        /// The file.
        path: String,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The certificate and key do not go together.
    #[error("the certificate and key cannot be used: {0}; hint: check that they belong together")]
    Pair(rustls::Error),
}

/// The console's certificate and key.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a certificate chain and its key from PEM files.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, ServeError> {
        let file = |path: &Path, what: &'static str, why: String| ServeError::File {
            path: path.display().to_string(),
            what,
            why,
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)
            .and_then(|certificates| certificates.collect());
        let chain = chain.map_err(|error| file(certificate, "certificate", error.to_string()))?;
        if chain.is_empty() {
            return Err(file(certificate, "certificate", "it holds none".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| file(key, "private key", error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ServeError::Pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(ServeError::Pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves the console until `shutdown`, then lets requests under way finish for a few seconds.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    console: Console,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(console.inner.limits.connections));
    let inner = Arc::clone(&console.inner);
    let door = Door {
        head: inner.limits.head,
        router: router(console),
        tls,
    };
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit.map_err(io::Error::other)?,
            () = &mut shutdown => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let (door, watcher) = (door.clone(), graceful.watcher());
                tokio::spawn(connection(stream, from, door, watcher, permit));
            }
            // Out of file descriptors, say: the next moment may be better.
            Err(error) => {
                tracing::warn!(%error, "the console could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Live pages never end by themselves.
    inner.stopping.send_replace(true);
    if tokio::time::timeout(FAREWELL, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests to the console were cut off by the stop");
    }
    Ok(())
}

/// What each connection is met with.
#[derive(Clone)]
struct Door {
    router: axum::Router,
    tls: Option<Tls>,
    head: Duration,
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    door: Door,
    watcher: Watcher,
    _room: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    match door.tls.clone() {
        None => talk(stream, from, door, watcher).await,
        Some(Tls(acceptor)) => {
            match tokio::time::timeout(door.head, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => talk(stream, from, door, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, %from, "no TLS with this client"),
                Err(_) => tracing::debug!(%from, "the TLS handshake took too long"),
            }
        }
    }
}

async fn talk<S>(stream: S, from: SocketAddr, door: Door, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = tower_service(door.router, from);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.head)
        .max_headers(64)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, %from, "a connection to the console ended early");
    }
}

/// The router, told where its requests come from.
fn tower_service(
    router: axum::Router,
    from: SocketAddr,
) -> impl tower::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    tower::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(from));
        tower::ServiceExt::oneshot(router.clone(), request)
    })
}
