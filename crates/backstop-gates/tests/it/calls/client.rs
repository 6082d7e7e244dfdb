//! A client of calls by hyper, over HTTP/2 in a tunnel of the gate's.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::front::Granted;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

type Any = UnsyncBoxBody<Bytes, Infallible>;

const PATIENCE: Duration = Duration::from_secs(10);

type Framed = Frame<Bytes>;
type Frames = mpsc::Receiver<Framed>;

/// The next frame from a channel, and the channel.
pub async fn next(mut frames: Frames) -> Option<(Result<Framed, Infallible>, Frames)> {
    let frame = frames.recv().await?;
    Some((Ok(frame), frames))
}

/// A connection for calls.
pub struct Client {
    sender: http2::SendRequest<Any>,
    port: u16,
}

/// A call under way.
pub struct Call {
    words: Option<mpsc::Sender<Frame<Bytes>>>,
    answer: Option<JoinHandle<hyper::Result<Response<Incoming>>>>,
}

/// Its answer.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
}

/// What comes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Bytes(Bytes),
    Trailers(HeaderMap),
    End,
}

impl Client {
    pub async fn connect(granted: &Granted, port: u16, ca: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(granted.address()).await?;
        let ask = format!(
            "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nproxy-authorization: {}\r\n\r\n",
            granted.authorization()
        );
        stream.write_all(ask.as_bytes()).await?;
        let mut said = vec![];
        while !said.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            anyhow::ensure!(stream.read(&mut byte).await? == 1, "the proxy hung up");
            said.push(byte[0]);
        }
        anyhow::ensure!(said.starts_with(b"HTTP/1.1 200"));
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("127.0.0.1")?;
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = tls.connect(name, stream).await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, port })
    }

    pub fn call(&mut self, path: &str, media_type: &str, headers: &[(&str, &str)]) -> Result<Call> {
        let (words, frames) = mpsc::channel(8);
        let stream = futures_util::stream::unfold(frames, next);
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("https://127.0.0.1:{}{path}", self.port))
            .header("content-type", media_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(StreamBody::new(stream).boxed_unsync())?;
        let mut sender = self.sender.clone();
        let answer = tokio::spawn(async move { sender.send_request(request).await });
        Ok(Call {
            words: Some(words),
            answer: Some(answer),
        })
    }
}

impl Call {
    pub async fn say(&mut self, bytes: Bytes) -> Result<()> {
        let words = self.words.as_ref().context("it is over")?;
        words.send(Frame::data(bytes)).await?;
        Ok(())
    }

    pub fn end(&mut self) {
        self.words = None;
    }

    /// The beginning of its answer.
    pub async fn answer(&mut self) -> Result<Answer> {
        let answer = self.answer.take().context("it was asked before")?;
        let answer = timeout(PATIENCE, answer)
            .await
            .context("no answer came")???;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }
}

impl Answer {
    pub async fn next(&mut self) -> Result<Heard> {
        let next = timeout(PATIENCE, self.body.frame())
            .await
            .context("nothing came")?;
        Ok(match next.transpose()? {
            None => Heard::End,
            Some(frame) => match frame.into_data() {
                Ok(bytes) => Heard::Bytes(bytes),
                Err(frame) => Heard::Trailers(frame.into_trailers().unwrap_or_default()),
            },
        })
    }

    /// What it ends with.
    pub async fn trailers(&mut self) -> Result<HeaderMap> {
        loop {
            match self.next().await? {
                Heard::Bytes(_) => {}
                Heard::Trailers(trailers) => return Ok(trailers),
                Heard::End => anyhow::bail!("it ended without trailers"),
            }
        }
    }

    /// Until it is over, or broken off.
    pub async fn over(&mut self) {
        while !matches!(self.next().await, Err(_) | Ok(Heard::End)) {}
    }
}
