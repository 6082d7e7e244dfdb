//! Whom to believe that it is the host it says it is.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsConnector;

/// Where Linux distributions keep their certificate authorities. Go's `crypto/x509` looks at the same places.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whose certificates are good, and what is shown of one's own.
#[derive(Clone)]
pub struct Trust(TlsConnector);

/// Why there is no TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No authority is known.
    #[error("this machine has no certificate authorities; install ca-certificates")]
    NoAuthorities,
    /// A certificate or key cannot be read.
    #[error("{0} cannot be read as PEM")]
    Unreadable(&'static str),
    /// TLS does not take them.
    #[error("{0}")]
    Refused(String),
}

impl Trust {
    /// The authorities that this machine trusts, `SSL_CERT_FILE` and `SSL_CERT_DIR` heeded as elsewhere.
    ///
    /// # Errors
    /// If there are none.
    pub fn machine() -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::of(roots, None)
    }

    /// The authorities in the system's own file, whatever the environment says: for secrets that must not go to whoever
    /// can write an environment.
    ///
    /// # Errors
    /// If there are none.
    pub fn system() -> Result<Self, TrustError> {
        Self::of(Self::system_roots(), None)
    }

    /// Those authorities, for TLS that is not HTTP's. Empty if there are none.
    #[must_use]
    pub fn system_roots() -> RootCertStore {
        let mut roots = RootCertStore::empty();
        for path in SYSTEM {
            let Ok(text) = std::fs::read(path) else {
                continue;
            };
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).flatten());
            if !roots.is_empty() {
                break;
            }
        }
        roots
    }

    /// One authority only, and perhaps a certificate of one's own with its key; all PEM.
    ///
    /// # Errors
    /// If one of them cannot be read, or the key is not the certificate's.
    pub fn only(authority: &[u8], own: Option<(&[u8], &[u8])>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authority).flatten());
        if roots.is_empty() {
            return Err(TrustError::Unreadable("the certificate authority"));
        }
        let own = own
            .map(|(certificate, key)| {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(certificate).collect();
                let chain = chain.map_err(|_| TrustError::Unreadable("the client certificate"))?;
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| TrustError::Unreadable("the client certificate's key"))?;
                Ok((chain, key))
            })
            .transpose()?;
        Self::of(roots, own)
    }

    fn of(
        roots: RootCertStore,
        own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, TrustError> {
        if roots.is_empty() {
            return Err(TrustError::NoAuthorities);
        }
        let refused = |e: rustls::Error| TrustError::Refused(e.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(refused)?,
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) fn connector(&self) -> &TlsConnector {
        &self.0
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}
