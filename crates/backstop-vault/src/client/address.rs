//! Where a vault is, and how to get to it: a unix socket, or TCP with certificates on both sides.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use crate::error::{Result, VaultError};

/// Where a vault is.
#[derive(Clone)]
pub enum Address {
    /// A unix socket; the vault knows the gate by its user.
    Unix(PathBuf),
    /// TCP with mutual TLS; the vault knows the gate by its certificate.
    Tcp {
        /// `host:port`. The vault's certificate must be for this host.
        at: String,
        /// The certificates.
        tls: Tls,
    },
}

/// What the gate proves itself with, and whom it believes.
#[derive(Clone)]
pub struct Tls {
    config: Arc<rustls::ClientConfig>,
}

impl Tls {
    /// From PEM: the authority that the vault's certificate must be from, and the gate's own certificate
    /// with its key.
    ///
    /// # Errors
    /// [`VaultError::Key`]; the message does not repeat a key.
    pub fn new(authority: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for one in certificates(authority, "the vault's authority")? {
            roots
                .add(one)
                .map_err(|e| bad("the vault's authority", &e))?;
        }
        let chain = certificates(certificate, "the gate's certificate")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| bad("TLS 1.3", &e))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, private_key(key)?)
            .map_err(|e| bad("the gate's certificate with its key", &e))?;
        Ok(Self {
            config: Arc::new(config),
        })
    }
}

pub(crate) fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad(what, &"there is no certificate in it")),
        Err(error) => Err(bad(what, &error)),
    }
}

pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|e| bad("the private key", &e))
}

fn bad(what: &str, why: &dyn fmt::Display) -> VaultError {
    VaultError::key(
        format!("{what}: {why}"),
        "give PEM files as `backstop vault init` wrote them",
    )
}

/// A stream to or from a vault.
pub(crate) type Stream = Box<dyn Both>;

/// Both directions of a stream.
pub(crate) trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

impl Address {
    pub(crate) async fn connect(&self) -> Result<Stream> {
        let lost = |e: std::io::Error| VaultError::unreachable(self.to_string(), e);
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(lost)?)),
            Self::Tcp { at, tls } => {
                let tcp = TcpStream::connect(at).await.map_err(lost)?;
                tcp.set_nodelay(true).map_err(lost)?;
                let host = at.rsplit_once(':').map_or(at.as_str(), |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|e| VaultError::unreachable(self.to_string(), e))?;
                let connector = TlsConnector::from(tls.config.clone());
                Ok(Box::new(connector.connect(name, tcp).await.map_err(lost)?))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "`{}`", path.display()),
            Self::Tcp { at, .. } => write!(f, "`{at}`"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
