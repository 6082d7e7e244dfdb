//! A web server behind the gate: TLS, HTTP/1.1 and HTTP/2, and a note of every request that came.
//!
//! What it answers is its maker's; it must not forgive a client anything.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use backstop_testing::tls::Authority;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What is answered.
pub type Reply = Response<BoxBody<Bytes, Infallible>>;
type Replying = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Handler = Arc<dyn Fn(Parts, Bytes) -> Replying + Send + Sync>;

/// The server; it ends with the test.
pub struct Web {
    pub port: u16,
    pub authority_pem: String,
    noted: Arc<Mutex<Vec<Noted>>>,
    connections: Arc<AtomicUsize>,
}

/// A request that came whole.
#[derive(Debug, Clone)]
pub struct Noted {
    pub line: String,
    /// Of `Authorization`.
    pub presented: Option<String>,
}

impl Web {
    /// Answers as any of these names. `answer` gets the port that it answers at.
    pub async fn start<R>(
        names: &[&str],
        answer: impl Fn(u16, Parts, Bytes) -> R + Send + Sync + 'static,
    ) -> Result<Self>
    where
        R: Future<Output = Reply> + Send + 'static,
    {
        let authority = Authority::new("theirs")?;
        let acceptor = TlsAcceptor::from(Arc::new(tls(&authority, names)?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (noted, connections) = (
            Arc::<Mutex<Vec<Noted>>>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let handler: Handler = Arc::new(move |parts: Parts, body: Bytes| -> Replying {
            Box::pin(answer(port, parts, body))
        });
        let (notes, opened) = (Arc::clone(&noted), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                let serving = serve(
                    stream,
                    acceptor.clone(),
                    Arc::clone(&handler),
                    Arc::clone(&notes),
                );
                // A client that breaks off is a test's own business.
                tokio::spawn(async move {
                    let _ = serving.await;
                });
            }
        });
        Ok(Self {
            port,
            authority_pem: authority.certificate_pem(),
            noted,
            connections,
        })
    }

    /// What came so far.
    pub fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap().clone()
    }

    /// How many requests of that line came, whatever they ask for besides: `GET /items`.
    pub fn count(&self, line: &str) -> usize {
        let is = |one: &&Noted| one.line.split('?').next() == Some(line);
        self.noted().iter().filter(is).count()
    }

    /// How many connections were opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn tls(authority: &Authority, names: &[&str]) -> Result<rustls::ServerConfig> {
    let identity = authority.server(names)?;
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    handler: Handler,
    notes: Arc<Mutex<Vec<Noted>>>,
) -> Result<()> {
    let stream = acceptor.accept(stream).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: Request<Incoming>| {
        let (handler, notes) = (Arc::clone(&handler), Arc::clone(&notes));
        async move {
            let (parts, body) = request.into_parts();
            // A body that breaks off breaks the connection off.
            let body = body
                .collect()
                .await
                .context("the body broke off")?
                .to_bytes();
            let presented = parts.headers.get("authorization");
            notes.lock().unwrap().push(Noted {
                line: format!("{} {}", parts.method, path(&parts)),
                presented: presented.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()),
            });
            anyhow::Ok(handler(parts, body).await)
        }
    });
    let io = TokioIo::new(stream);
    if http2 {
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2.serve_connection(io, service).await?;
    } else {
        let http1 = hyper::server::conn::http1::Builder::new();
        http1.serve_connection(io, service).await?;
    }
    Ok(())
}

fn path(parts: &Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |p| p.as_str())
}

/// The host that was asked, with its port.
pub fn host(parts: &Parts) -> String {
    let header = parts.headers.get("host").and_then(|v| v.to_str().ok());
    let authority = parts.uri.authority().map(|a| a.as_str());
    authority.or(header).unwrap_or_default().to_owned()
}

/// An answer of a status, headers and a body.
pub fn reply(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()).boxed());
    *reply.status_mut() = status.try_into().unwrap();
    for (name, value) in headers {
        reply.headers_mut().append(*name, value.parse().unwrap());
    }
    reply
}

/// One of JSON.
pub fn json(status: u16, body: &serde_json::Value) -> Reply {
    let kind = [("content-type", "application/json")];
    reply(status, &kind, body.to_string())
}
