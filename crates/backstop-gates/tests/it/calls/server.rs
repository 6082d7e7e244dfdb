//! A server of calls: HTTP/2 over TLS, which answers while it is asked.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use backstop_testing::tls::Authority;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::{REAL, message};

type Any = UnsyncBoxBody<Bytes, Infallible>;

/// The server; it ends with the test.
pub struct Server {
    pub port: u16,
    pub authority_pem: String,
    noted: Arc<Noted>,
}

#[derive(Default)]
struct Noted {
    calls: AtomicUsize,
    head: Mutex<HeaderMap>,
    /// Of the last call.
    bytes: Mutex<Vec<u8>>,
}

impl Server {
    pub async fn start() -> Result<Self> {
        let (acceptor, authority_pem) = tls(&["acme.example", "127.0.0.1"], b"h2")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let noted = Arc::<Noted>::default();
        let shared = Arc::clone(&noted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, noted) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        let noted = Arc::clone(&noted);
                        async move { Ok::<_, Infallible>(answer(request, &noted)) }
                    });
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http2.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self {
            port,
            authority_pem,
            noted,
        })
    }

    pub fn calls(&self) -> usize {
        self.noted.calls.load(Ordering::SeqCst)
    }

    /// The headers of the last call.
    pub fn head(&self) -> HeaderMap {
        self.noted.head.lock().unwrap().clone()
    }

    /// What came of the last call's body.
    pub fn bytes(&self) -> Vec<u8> {
        self.noted.bytes.lock().unwrap().clone()
    }
}

/// TLS by these names and one protocol, and the authority that vouches for it.
pub fn tls(names: &[&str], alpn: &[u8]) -> Result<(TlsAcceptor, String)> {
    // Of two that are called the same some clients take the first, whatever it signed.
    let authority = Authority::new(&format!("the authority of {}", names.join(" ")))?;
    let identity = authority.server(names)?;
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Ok((acceptor, authority.certificate_pem()))
}

/// By the last part of the path: `Talk` sends back what comes, as it comes.
fn answer(request: Request<Incoming>, noted: &Arc<Noted>) -> Response<Any> {
    noted.calls.fetch_add(1, Ordering::SeqCst);
    *noted.head.lock().unwrap() = request.headers().clone();
    noted.bytes.lock().unwrap().clear();
    let path = request.uri().path().to_owned();
    let how = path.rsplit('/').next().unwrap_or_default().to_owned();
    let (out, frames) = mpsc::channel(8);
    let stream = futures_util::stream::unfold(frames, super::client::next);
    let mut response = Response::new(StreamBody::new(stream).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert("content-type", "application/grpc".parse().unwrap());
    match how.as_str() {
        "Refuses" => {
            headers.insert("grpc-status", "16".parse().unwrap());
            return response.map(|_| http_body_util::Empty::new().boxed_unsync());
        }
        "Packed" => {
            headers.insert("grpc-encoding", "gzip".parse().unwrap());
        }
        _ => {}
    }
    tokio::spawn(carry(request.into_body(), how, out, Arc::clone(noted)));
    response
}

async fn carry(
    mut body: Incoming,
    how: String,
    out: mpsc::Sender<Frame<Bytes>>,
    noted: Arc<Noted>,
) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        noted.bytes.lock().unwrap().extend_from_slice(&bytes);
        if how == "Talk" && out.send(Frame::data(bytes)).await.is_err() {
            return;
        }
    }
    let said = match how.as_str() {
        "Leak" => Some(message(0, format!("it is {REAL}.").as_bytes())),
        "Flagged" => Some(message(1, b"packed")),
        _ => None,
    };
    if let Some(said) = said {
        // In two frames of HTTP, cut within the credential.
        let cut = said.len() / 2;
        for part in [said.slice(..cut), said.slice(cut..)] {
            let _ = out.send(Frame::data(part)).await;
        }
    }
    let status = if how == "Late" { "7" } else { "0" };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    trailers.insert("x-note", REAL.parse().unwrap());
    let _ = out.send(Frame::trailers(trailers)).await;
}
