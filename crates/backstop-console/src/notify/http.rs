//! One POST over HTTP/1.1, with the system's certificate authorities. Follows no redirects and reads no more
//! of the answer than its status.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::NotifyError;
use super::config::{ConfigError, is_local};

/// Where to post.
pub(super) struct Address {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    path: String,
}

impl Address {
    /// Reads `https://host[:port]/path`; plain HTTP only to this machine.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let bad = |what: String| ConfigError {
            field: "webhook.url",
            what,
            hint: "write https://host/path, or http://localhost:port/path for a relay on this machine",
        };
        let uri: Uri = url
            .parse()
            .map_err(|_| bad("it is not an address".to_owned()))?;
        let authority = uri
            .authority()
            .ok_or_else(|| bad("it names no host".to_owned()))?;
        if authority.as_str().contains('@') {
            return Err(bad(
                "it contains a password; put a token into `token_file`".to_owned()
            ));
        }
        let (tls, default) = match uri.scheme_str() {
            Some("https") => (Some(connector().map_err(&bad)?), 443),
            Some("http") if is_local(authority.host()) => (None, 80),
            Some("http") => return Err(bad("it is not protected by TLS".to_owned())),
            _ => return Err(bad("it is neither http nor https".to_owned())),
        };
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(default),
            tls,
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    /// Posts, and is content with any status from 200 to 299.
    pub(super) async fn post(
        &self,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<(), NotifyError> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port))
            .await
            .map_err(|error| {
                NotifyError(format!(
                    "no connection to {}:{}: {error}",
                    self.host, self.port
                ))
            })?;
        let request = self.request(headers, body)?;
        let status = match &self.tls {
            None => exchange(stream, request).await?,
            Some(connector) => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|_| NotifyError(format!("`{host}` is no name for TLS")))?;
                let stream = connector
                    .connect(name, stream)
                    .await
                    .map_err(|error| NotifyError(format!("no TLS with {}: {error}", self.host)))?;
                exchange(stream, request).await?
            }
        };
        if status.is_success() {
            Ok(())
        } else {
            Err(NotifyError(format!("{} answered {status}", self.host)))
        }
    }

    fn request(
        &self,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, NotifyError> {
        let mut request = Request::post(&self.path)
            .header("host", format!("{}:{}", self.host, self.port))
            .header("user-agent", "backstop")
            .header("connection", "close");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| NotifyError(error.to_string()))
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<hyper::StatusCode, NotifyError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| NotifyError(format!("the exchange failed: {error}"));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Ends with the answer: the connection is not kept.
    let pump = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(failed);
    pump.abort();
    Ok(response?.status())
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
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        assert!(Address::parse("http://localhost:8080/x").is_ok());
        assert!(Address::parse("http://[::1]:8080/x").is_ok());
        for (url, part) in [
            ("http://ntfy.example/x", "not protected"),
            ("ftp://ntfy.example/x", "neither"),
            ("/x", "names no host"),
            ("http://user:secret@localhost/x", "contains a password"),
        ] {
            let error = Address::parse(url).err().unwrap().to_string();
            assert!(
                error.contains(part) && error.contains("hint: ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
