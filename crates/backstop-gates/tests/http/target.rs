//! Targets: a well-behaved one by hyper, with TLS or without; and one that says whatever bytes it is told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use backstop_testing::tls::Identity;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// What a target counts.
#[derive(Default)]
pub struct Counts {
    pub connections: AtomicUsize,
    pub requests: AtomicUsize,
    /// Bytes of bodies that it sent or took.
    pub bytes: AtomicU64,
    /// Lets the second event go.
    pub go: Notify,
}

/// A running target.
pub struct Server {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
}

/// TLS as that identity, with these protocols.
pub fn tls(identity: &Identity, alpn: &[&[u8]]) -> Arc<rustls::ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Arc::new(config)
}

/// A well-behaved target.
pub async fn serve(tls: Option<Arc<rustls::ServerConfig>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::<Counts>::default();
    let shared = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let counts = Arc::clone(&shared);
            let tls = tls.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let counts = Arc::clone(&counts);
                    async move { Ok::<_, Infallible>(answer(request, &counts).await) }
                });
                let Some(tls) = tls else {
                    let io = TokioIo::new(stream);
                    let http1 = hyper::server::conn::http1::Builder::new();
                    let _ = http1.serve_connection(io, service).with_upgrades().await;
                    return;
                };
                let Ok(stream) = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await else {
                    return;
                };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let io = TokioIo::new(stream);
                    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http2.serve_connection(io, service).await;
                } else {
                    let io = TokioIo::new(stream);
                    let http1 = hyper::server::conn::http1::Builder::new();
                    let _ = http1.serve_connection(io, service).with_upgrades().await;
                }
            });
        }
    });
    Server { address, counts }
}

/// Frames from a channel.
pub struct Frames(pub mpsc::Receiver<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

type Any = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn full(bytes: impl Into<Bytes>) -> Any {
    http_body_util::Full::new(bytes.into()).boxed()
}

/// The last part of the path says what it does.
async fn answer(mut request: Request<Incoming>, counts: &Arc<Counts>) -> Response<Any> {
    counts.requests.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    let head = head_of(&request);
    let mut response = Response::new(full(""));
    match path.rsplit('/').next().unwrap_or_default() {
        "head" => *response.body_mut() = full(head),
        "echo" => {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            *response.body_mut() = full(bytes);
        }
        "204" => *response.status_mut() = StatusCode::NO_CONTENT,
        "304" => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            let headers = response.headers_mut();
            headers.insert("content-length", 1234.into());
            headers.insert("etag", "\"x\"".parse().unwrap());
        }
        "302" => {
            *response.status_mut() = StatusCode::FOUND;
            let headers = response.headers_mut();
            headers.insert("location", "https://elsewhere.example/".parse().unwrap());
        }
        "hello" => {
            if request.method() == Method::HEAD {
                response.headers_mut().insert("content-length", 5.into());
            } else {
                *response.body_mut() = full("hello");
            }
        }
        "take" => {
            let mut body = request.into_body();
            let mut taken = 0;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { break };
                if let Ok(bytes) = frame.into_data() {
                    taken += bytes.len();
                    counts.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                }
            }
            *response.body_mut() = full(taken.to_string());
        }
        // Takes nothing until it is told to.
        "wait-take" => {
            counts.go.notified().await;
            let body = request.into_body().collect().await.unwrap().to_bytes();
            *response.body_mut() = full(body.len().to_string());
        }
        "big" => *response.body_mut() = big(32, Arc::clone(counts)),
        "medium" => *response.body_mut() = big(1, Arc::clone(counts)),
        "events" => *response.body_mut() = events(Arc::clone(counts)),
        "trailers" => {
            let collected = request.body_mut().collect().await.unwrap();
            let sum = collected.trailers().and_then(|t| t.get("x-sum").cloned());
            *response.body_mut() = trailers();
            let headers = response.headers_mut();
            headers.insert("trailer", "x-end".parse().unwrap());
            headers.insert("x-got", sum.unwrap_or_else(|| "none".parse().unwrap()));
        }
        "secret" => *response.body_mut() = secret(),
        "hops" => {
            let headers = response.headers_mut();
            for (name, value) in [
                ("x-mine", "1"),
                ("x-kept", "1"),
                ("keep-alive", "timeout=5"),
                ("alt-svc", "h3=\":443\""),
                ("proxy-authenticate", "Basic"),
            ] {
                headers.insert(name, value.parse().unwrap());
            }
            if request.version() == hyper::Version::HTTP_11 {
                headers.insert("connection", "x-mine".parse().unwrap());
            }
        }
        "change" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                let mut bytes = [0; 64];
                while let Ok(n @ 1..) = stream.read(&mut bytes).await {
                    let _ = stream.write_all(&bytes[..n].to_ascii_uppercase()).await;
                }
            });
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert("connection", "upgrade".parse().unwrap());
            headers.insert("upgrade", "shouting".parse().unwrap());
        }
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

/// Method, target, version and headers, a line each.
fn head_of(request: &Request<Incoming>) -> String {
    let mut text = format!(
        "{} {} {:?}\n",
        request.method(),
        request.uri(),
        request.version()
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

/// So many MiB, counted as they are taken.
fn big(mib: usize, counts: Arc<Counts>) -> Any {
    let (out, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        let piece = Bytes::from(vec![7; 64 * 1024]);
        for _ in 0..mib * 16 {
            if out.send(Frame::data(piece.clone())).await.is_err() {
                return;
            }
            counts.bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    Frames(frames).boxed()
}

fn events(counts: Arc<Counts>) -> Any {
    let (out, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        let _ = out.send(Frame::data("data: one\n\n".into())).await;
        counts.go.notified().await;
        let _ = out.send(Frame::data("data: two\n\n".into())).await;
    });
    Frames(frames).boxed()
}

fn trailers() -> Any {
    let (out, frames) = mpsc::channel(2);
    tokio::spawn(async move {
        let _ = out.send(Frame::data("body".into())).await;
        let trailers = HeaderMap::from_iter([("x-end".parse().unwrap(), "1".parse().unwrap())]);
        let _ = out.send(Frame::trailers(trailers)).await;
    });
    Frames(frames).boxed()
}

/// The secret, cut in two.
fn secret() -> Any {
    let (out, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        let _ = out.send(Frame::data("it is the-rea".into())).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = out.send(Frame::data("l-secret, or the-real".into())).await;
    });
    Frames(frames).boxed()
}

/// A target without TLS that answers each connection's first request with these bytes, and then, for as long as the
/// connection stands, with these again and again. What it read is written down.
pub struct Said {
    pub address: SocketAddr,
    pub read: Arc<std::sync::Mutex<Vec<u8>>>,
}

pub async fn say(first: &'static [u8], again: &'static [u8]) -> Said {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let read = Arc::<std::sync::Mutex<Vec<u8>>>::default();
    let notes = Arc::clone(&read);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let notes = Arc::clone(&notes);
            tokio::spawn(async move {
                let mut piece = [0; 4096];
                let Ok(n @ 1..) = stream.read(&mut piece).await else {
                    return;
                };
                notes.lock().unwrap().extend_from_slice(&piece[..n]);
                let _ = stream.write_all(first).await;
                while !again.is_empty() {
                    if stream.write_all(again).await.is_err() {
                        return;
                    }
                }
                while let Ok(n @ 1..) = stream.read(&mut piece).await {
                    notes.lock().unwrap().extend_from_slice(&piece[..n]);
                }
            });
        }
    });
    Said { address, read }
}
