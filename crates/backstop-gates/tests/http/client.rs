//! Clients: by hyper through a tunnel, and raw bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::world::{NAME, World};

pub type Any = BoxBody<Bytes, Infallible>;

pub fn full(bytes: impl Into<Bytes>) -> Any {
    Full::new(bytes.into()).boxed()
}

pub fn none() -> Any {
    Empty::new().boxed()
}

/// A client within a tunnel.
pub enum Client {
    Http1(http1::SendRequest<Any>),
    Http2(http2::SendRequest<Any>),
}

/// The versions that a client can speak.
pub const BOTH: [&[u8]; 2] = [b"http/1.1", b"h2"];

/// What the proxy says to CONNECT, and the connection.
pub async fn connect(proxy: SocketAddr, site: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let ask = format!("CONNECT {site} HTTP/1.1\r\nhost: {site}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut said = vec![];
    while !said.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            break;
        }
        said.push(byte[0]);
    }
    (String::from_utf8(said).unwrap(), stream)
}

/// TLS in a tunnel, asking for that name.
pub async fn tls(
    stream: TcpStream,
    roots: &RootCertStore,
    name: &str,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// A client in a tunnel to the target, speaking that version.
pub async fn client(world: &World, alpn: &[u8]) -> Client {
    let (said, stream) = connect(world.address, &world.site()).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let stream = tls(stream, &world.authority, NAME, alpn).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    let io = TokioIo::new(stream);
    if alpn == b"h2" {
        let exec = TokioExecutor::new();
        let (sender, connection) = http2::handshake(exec, io).await.unwrap();
        tokio::spawn(connection);
        Client::Http2(sender)
    } else {
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Client::Http1(sender)
    }
}

impl Client {
    pub async fn send(&mut self, request: Request<Any>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => sender.clone().send_request(request).await,
        }
    }

    /// A request for the target, which is not sent yet.
    pub fn request(
        &self,
        world: &World,
        method: &str,
        path: &str,
    ) -> hyper::http::request::Builder {
        let site = world.site();
        let builder = Request::builder().method(method);
        match self {
            Self::Http1(_) => builder.uri(path).header("host", site),
            Self::Http2(_) => builder.uri(format!("https://{site}{path}")),
        }
    }

    pub async fn get(&mut self, world: &World, path: &str) -> Response<Incoming> {
        let request = self.request(world, "GET", path).body(none()).unwrap();
        self.send(request).await.unwrap()
    }

    pub async fn text(&mut self, world: &World, path: &str) -> String {
        text(self.get(world, path).await).await
    }
}

pub async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub async fn json(response: Response<Incoming>) -> serde_json::Value {
    let kind = response.headers()["content-type"].clone();
    assert_eq!(kind, "application/problem+json");
    serde_json::from_str(&text(response).await).unwrap()
}

/// Sends bytes and reads what comes until the end, or until nothing has come for a while.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    until_quiet(&mut stream, Duration::from_millis(400)).await.0
}

/// What comes, and whether the connection ended.
pub async fn until_quiet(stream: &mut TcpStream, quiet: Duration) -> (String, bool) {
    let mut said = vec![];
    let mut piece = [0; 4096];
    loop {
        match tokio::time::timeout(quiet, stream.read(&mut piece)).await {
            Ok(Ok(n @ 1..)) => said.extend_from_slice(&piece[..n]),
            Ok(_) => return (String::from_utf8_lossy(&said).into_owned(), true),
            Err(_) => return (String::from_utf8_lossy(&said).into_owned(), false),
        }
    }
}
