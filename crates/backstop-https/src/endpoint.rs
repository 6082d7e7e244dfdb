//! Where a request goes, and sending it.

use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use crate::answer::{Answer, Pump};
use crate::{Body, HttpsError, Response, Trust};

/// How long to wait, and how much to read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a whole exchange may take, sending included.
    pub patience: Duration,
    /// How long the next piece of a download may take.
    pub stalled: Duration,
    /// How much of an answer is read, in bytes.
    pub answer: usize,
}

/// A host that requests go to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    tls: Option<Trust>,
    limits: Limits,
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}
type Stream = Box<dyn Both>;

impl Endpoint {
    /// The host of `url`, which `trust` is asked about only if TLS is used. Plain HTTP goes to this machine only.
    ///
    /// # Errors
    /// If `url` names no host, is not protected, or there are no authorities.
    pub fn new(
        url: &Url,
        limits: Limits,
        trust: impl FnOnce() -> Result<Trust, crate::TrustError>,
    ) -> Result<Self, HttpsError> {
        let bad = |what: &str| HttpsError(what.to_owned());
        let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
        let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let tls = match url.scheme() {
            "https" => Some(trust().map_err(HttpsError::of)?),
            "http" if here => None,
            "http" => return Err(bad("it is not protected by TLS")),
            _ => return Err(bad("it is neither http nor https")),
        };
        let port = url
            .port_or_known_default()
            .ok_or_else(|| bad("it names no port"))?;
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
            limits,
        })
    }

    /// The host and, where it is not the usual one, the port.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.tls.is_some() { 443 } else { 80 };
        if self.port == usual {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Sends a request and takes the answer. `target` is path and query as they are sent.
    ///
    /// # Errors
    /// If there is none in time, or it is too long.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<Response, HttpsError> {
        let request = self.request(method, target, headers, body)?;
        let whole = async { self.begin(request).await?.rest(self.limits.answer).await };
        tokio::time::timeout(self.limits.patience, whole)
            .await
            .unwrap_or_else(|_| Err(self.late()))
    }

    /// Sends a request and takes the status, whatever comes after it.
    ///
    /// # Errors
    /// If there is none in time.
    pub async fn status(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<u16, HttpsError> {
        let request = self.request(method, target, headers, body)?;
        tokio::time::timeout(self.limits.patience, self.begin(request))
            .await
            .unwrap_or_else(|_| Err(self.late()))
            .map(|answer| answer.head.status)
    }

    /// Sends a GET and hands a good answer's body on as it comes; another answer is given whole.
    ///
    /// # Errors
    /// If it breaks off, nothing comes for too long, or `sink` fails.
    pub async fn download(
        &self,
        target: &str,
        headers: &[(&str, String)],
        sink: &mut (dyn FnMut(&[u8]) -> std::io::Result<()> + Send),
    ) -> Result<Response, HttpsError> {
        let request = self.request("GET", target, headers, Body::empty())?;
        let mut answer = tokio::time::timeout(self.limits.patience, self.begin(request))
            .await
            .unwrap_or_else(|_| Err(self.late()))?;
        if !answer.head.is_success() {
            return answer.rest(self.limits.answer).await;
        }
        loop {
            match tokio::time::timeout(self.limits.stalled, answer.piece()).await {
                Ok(Ok(Some(piece))) => sink(&piece).map_err(HttpsError::of)?,
                Ok(Ok(None)) => return Ok(answer.head),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return Err(HttpsError(format!(
                        "nothing came for {} seconds",
                        self.limits.stalled.as_secs()
                    )));
                }
            }
        }
    }

    fn late(&self) -> HttpsError {
        HttpsError(format!(
            "no whole answer in {} seconds",
            self.limits.patience.as_secs()
        ))
    }

    fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<Request<Body>, HttpsError> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", self.authority())
            .header("connection", "close");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.body(body).map_err(HttpsError::of)
    }

    async fn begin(&self, request: Request<Body>) -> Result<Answer, HttpsError> {
        let stream = self.connect().await.map_err(|error| {
            HttpsError(format!("no connection to {}: {error}", self.authority()))
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(HttpsError::of)?;
        // Ends with the answer: the connection is not kept.
        let pump = Pump(tokio::spawn(connection));
        let answer = sender.send_request(request).await;
        let (parts, body) = answer.map_err(HttpsError::of)?.into_parts();
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
        Ok(Box::new(tls.connector().connect(name, tcp).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        patience: Duration::from_secs(5),
        stalled: Duration::from_secs(5),
        answer: 64,
    };

    fn to(url: &str) -> Result<Endpoint, HttpsError> {
        Endpoint::new(&url.parse().unwrap(), LIMITS, || {
            Err(crate::TrustError::NoAuthorities)
        })
    }

    #[test]
    fn plain_text_goes_to_this_machine_only() {
        assert_eq!(to("http://127.0.0.1:80/").unwrap().authority(), "127.0.0.1");
        assert!(to("http://[::1]:8080/x").is_ok());
        for (url, why) in [
            ("http://example.org", "not protected"),
            ("http://127.0.0.1.example.org", "not protected"),
            ("ftp://127.0.0.1", "neither"),
            ("https://example.org", "certificate authorities"),
        ] {
            assert!(to(url).unwrap_err().to_string().contains(why), "{url}");
        }
    }

    /// An answer of exactly the limit is read, one byte more is not.
    #[tokio::test]
    async fn an_answer_has_an_end() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for length in [64, 65] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
                    "x".repeat(length)
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let endpoint = to(&url).unwrap();
        let ask = || endpoint.send("GET", "/", &[], Body::empty());
        assert_eq!(ask().await.unwrap().body.len(), 64);
        assert!(ask().await.unwrap_err().to_string().contains("too long"));
    }
}
