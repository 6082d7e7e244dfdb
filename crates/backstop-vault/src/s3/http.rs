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
/// How long the next piece of a download may take.
const STALLED: Duration = Duration::from_secs(60);
/// How much of an answer is read, in bytes: a page of versions has about half of that.
const ANSWER: usize = 2 << 20;
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
        let request = self.request(method, url, headers, body)?;
        let whole = async { self.begin(request).await?.rest().await };
        tokio::time::timeout(PATIENCE, whole)
            .await
            .unwrap_or_else(|_| Err("no answer in ten minutes".to_owned()))
    }

    /// Sends a GET and hands a good answer's body on as it comes; another answer is given whole.
    pub(crate) async fn download(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        sink: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
    ) -> Result<Response, String> {
        let request = self.request("GET", url, headers, Body::empty())?;
        let mut answer = tokio::time::timeout(PATIENCE, self.begin(request))
            .await
            .unwrap_or_else(|_| Err("no answer in ten minutes".to_owned()))?;
        if !answer.head.is_success() {
            return answer.rest().await;
        }
        loop {
            let piece = tokio::time::timeout(STALLED, answer.piece());
            match piece.await {
                Ok(Ok(Some(piece))) => sink(&piece).map_err(|e| e.to_string())?,
                Ok(Ok(None)) => return Ok(answer.head),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err("nothing came for a minute".to_owned()),
            }
        }
    }

    fn request(
        &self,
        method: &str,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Body,
    ) -> Result<Request<Body>, String> {
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
        request.body(body).map_err(|e| e.to_string())
    }

    async fn begin(&self, request: Request<Body>) -> Result<Answer, String> {
        let stream = self.connect().await.map_err(|e| e.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        // Ends with the answer: the connection is not kept.
        let pump = Pump(tokio::spawn(connection));
        let answer = sender.send_request(request).await;
        let (parts, body) = answer.map_err(|e| e.to_string())?.into_parts();
        let head = Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Bytes::new(),
        };
        Ok(Answer {
            head,
            body,
            _pump: pump,
        })
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

/// What moves a connection on; ends with it.
struct Pump(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still to come.
struct Answer {
    head: Response,
    body: hyper::body::Incoming,
    _pump: Pump,
}

impl Answer {
    async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(|e| e.to_string())?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    async fn rest(mut self) -> Result<Response, String> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
            if body.len() > ANSWER {
                return Err("an answer that is too long".to_owned());
            }
        }
        self.head.body = body.freeze();
        Ok(self.head)
    }
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
