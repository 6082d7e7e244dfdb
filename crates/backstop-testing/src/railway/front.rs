//! The double's front: TLS on a free port of 127.0.0.1, HTTP/1.1 and HTTP/2.
//!
//! It must not know what a request means.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::body::Told;
use super::caller::Credentials;
use super::double::State;
use super::schema::PATH;
use crate::tls::Identity;

/// More than any request of a test needs.
const LARGEST_BODY: usize = 1024 * 1024;

/// What is read at most before a body is given up.
const MOST_READ: usize = 16 * LARGEST_BODY;

type Reply = Response<Full<Bytes>>;

/// A running front; dropping it stops it.
#[derive(Debug)]
pub(super) struct Front {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Listens and answers out of `state`.
    pub(super) fn start(state: Arc<State>, identity: &Identity) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(config(identity)?));
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on 127.0.0.1")?;
        let port = listener.local_addr().context("reading the port")?.port();
        listener
            .set_nonblocking(true)
            .context("preparing the listener")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting a runtime")?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = accept(listener, acceptor, state) => {}
                    _ = stopped => {}
                }
            });
            // A request that is worked on may wait for a server; the double does not.
            runtime.shutdown_background();
        });
        Ok(Self {
            port,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn config(identity: &Identity) -> Result<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .context("reading the certificate")?;
    let key =
        PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).context("reading its key")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("using the certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("taking the listener")?;
    loop {
        let (stream, _) = listener.accept().await.context("accepting")?;
        state.count_connection();
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        // A client that breaks off is a test's own business.
        tokio::spawn(async move { serve(stream, acceptor, state).await });
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) -> Result<()> {
    let _ = stream.set_nodelay(true);
    let stream = acceptor.accept(stream).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, std::convert::Infallible>(answer(request, state).await) }
    });
    let io = TokioIo::new(stream);
    if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await?;
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await?;
    }
    Ok(())
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Reply {
    let (parts, body) = request.into_parts();
    let line = format!("{} {}", parts.method, parts.uri.path());
    let body = read(body).await;
    if parts.uri.path() != PATH {
        state.note_stray(&line, "no such path", 404);
        return plain(StatusCode::NOT_FOUND, "not found");
    }
    if parts.method != Method::POST {
        state.note_stray(&line, "not a POST", 405);
        let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, "only POST");
        let allowed = HeaderValue::from_static("POST");
        reply.headers_mut().insert(header::ALLOW, allowed);
        return reply;
    }
    let Some(body) = body else {
        state.note_stray(&line, "a body that broke off or is too large", 413);
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "the body was not read");
    };
    let (credentials, told) = (credentials(&parts.headers), told(&parts.headers));
    // A mutation can take seconds: it stops and starts servers.
    let work = move || state.answer(&line, &credentials, &told, &body);
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => json(answer.status, answer.body.to_string()),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the double broke"),
    }
}

/// A body that is not too large. What is too large is read on for a while: an answer to somebody who is still sending
/// does not always arrive.
async fn read(mut body: Incoming) -> Option<Bytes> {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        length += data.len();
        if length > MOST_READ {
            return None;
        }
        if length <= LARGEST_BODY {
            kept.extend_from_slice(&data);
        }
    }
    (length <= LARGEST_BODY).then(|| kept.freeze())
}

fn credentials(headers: &HeaderMap) -> Credentials {
    Credentials {
        authorization: text(headers, &header::AUTHORIZATION),
        project: text(headers, &HeaderName::from_static("project-access-token")),
    }
}

fn told(headers: &HeaderMap) -> Told {
    Told {
        content_type: text(headers, &header::CONTENT_TYPE),
        encoding: text(headers, &header::CONTENT_ENCODING),
    }
}

/// The first header of a name.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn json(status: u16, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

fn plain(status: StatusCode, body: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}
