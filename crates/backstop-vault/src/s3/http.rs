//! One request over HTTP/1.1, with the system's certificate authorities. Follows no redirects, and reads no more
//! of an answer than a little.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{
    Request,
    body::{Frame, SizeHint},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::client::Stream;

/// How long an answer may take after all was sent; sending itself may take longer.
const PATIENCE: Duration = Duration::from_secs(600);
/// How much of an answer is read, in bytes.
const ANSWER: usize = 256 * 1024;
/// How much of a file is read at a time, in bytes.
const PIECE: usize = 128 * 1024;

/// Where the service is.
#[derive(Clone)]
pub(crate) struct Endpoint {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

impl Endpoint {
    pub(crate) fn new(url: &Url) -> Result<Self, String> {
        let host = url.host_str().ok_or("it names no host")?.to_owned();
        let here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let tls = match url.scheme() {
            "https" => Some(connector()?),
            "http" if here => None,
            "http" => return Err("it is not protected by TLS".to_owned()),
            _ => return Err("it is neither http nor https".to_owned()),
        };
        let port = url.port_or_known_default().ok_or("it names no port")?;
        Ok(Self { host, port, tls })
    }

    /// Sends a request and takes the answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Body,
    ) -> Result<Response, String> {
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", authority)
            .header("connection", "close");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|e| e.to_string())?;
        tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err("no answer in ten minutes".to_owned()))
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response, String> {
        let stream = self.connect().await.map_err(|e| e.to_string())?;
        let failed = |e: hyper::Error| e.to_string();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Ends with the answer: the connection is not kept.
        let pump = tokio::spawn(connection);
        let answer = async {
            let answer = sender.send_request(request).await.map_err(failed)?;
            let (parts, mut rest) = answer.into_parts();
            let mut body = BytesMut::new();
            while let Some(frame) = rest.frame().await {
                if let Ok(data) = frame.map_err(failed)?.into_data() {
                    body.extend_from_slice(&data);
                }
                if body.len() > ANSWER {
                    return Err("an answer that is too long".to_owned());
                }
            }
            Ok(Response {
                status: parts.status.as_u16(),
                headers: parts.headers,
                body: body.freeze(),
            })
        };
        let answer = answer.await;
        pump.abort();
        answer
    }

    async fn connect(&self) -> std::io::Result<Stream> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((host, self.port)).await?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        Ok(Box::new(tls.connect(name, tcp).await?))
    }
}

fn connector() -> Result<TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this machine has no certificate authorities; install ca-certificates".to_owned(),
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Response {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the service understood and said no. Some say `AccessDenied` with another status than 403.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.status == 403 || self.code() == "AccessDenied"
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// S3's own word for what went wrong, such as `AccessDenied`.
    pub(crate) fn code(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map_or("", |(code, _)| code);
        code.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(60)
            .collect()
    }
}

/// What is sent: some bytes, or a file as it is read.
pub(crate) enum Body {
    Bytes(Option<Bytes>),
    File(File, u64),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::Bytes(None)
    }

    pub(crate) fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes.into()))
    }

    /// A file of that many bytes.
    pub(crate) fn file(file: std::fs::File, bytes: u64) -> Self {
        Self::File(File::from_std(file), bytes)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File(_, 0) => Poll::Ready(None),
            Self::File(file, left) => {
                let want = PIECE.min(usize::try_from(*left).unwrap_or(PIECE));
                let mut piece = vec![0; want];
                let mut buffer = ReadBuf::new(&mut piece);
                match Pin::new(file).poll_read(context, &mut buffer) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
                    Poll::Ready(Ok(())) => {
                        let read = buffer.filled().len();
                        if read == 0 {
                            return Poll::Ready(Some(
                                Err(std::io::ErrorKind::UnexpectedEof.into()),
                            ));
                        }
                        piece.truncate(read);
                        *left -= read as u64;
                        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
                    }
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, Bytes::len) as u64,
            Self::File(_, left) => *left,
        })
    }
}
