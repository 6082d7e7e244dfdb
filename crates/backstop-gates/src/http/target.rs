//! A target as the gate connects to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::address::Reach;

/// A target: whom to trust there, and where it may be.
#[derive(Clone)]
pub struct Target {
    name: String,
    reach: Reach,
    tls: Arc<ClientConfig>,
    number: u64,
}

/// What a target needs beyond its name.
#[derive(Clone, Default)]
pub struct TargetSetting {
    /// Where it may be.
    pub reach: Reach,
    /// Authorities (PEM) that are trusted beside the machine's.
    pub authorities_pem: Option<String>,
    /// Whether the machine's own authorities are trusted too; else only those above.
    pub only_those: bool,
    /// A client certificate and its key, both PEM.
    pub identity_pem: Option<(String, String)>,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file is not what it should be.
    #[error("{0} of target `{1}` cannot be read as PEM")]
    Unreadable(&'static str, String),
    /// There is nobody to trust.
    #[error("this machine has no certificate authorities; hint: install ca-certificates")]
    NoAuthorities,
    /// TLS does not take it.
    #[error("the certificates of target `{0}` cannot be used: {1}")]
    Refused(String, String),
}

/// The authorities that the machine trusts. Read once and handed to every target.
#[must_use]
pub fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

impl Target {
    /// A target of that name. Certificates are always verified.
    ///
    /// # Errors
    /// If certificates cannot be read, or there is nobody to trust.
    pub fn new(
        name: &str,
        machine: &RootCertStore,
        setting: &TargetSetting,
    ) -> Result<Self, TargetError> {
        let roots = roots(name, machine, setting)?;
        let refused = |e: rustls::Error| TargetError::Refused(name.to_owned(), e.to_string());
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_root_certificates(roots);
        let mut config = match &setting.identity_pem {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let (chain, key) = identity(name, certificate, key)?;
                config.with_client_auth_cert(chain, key).map_err(refused)?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            name: name.to_owned(),
            reach: setting.reach,
            tls: Arc::new(config),
            number: next_number(),
        })
    }

    /// Its name in leases.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn reach(&self) -> Reach {
        self.reach
    }

    /// TLS towards it, offering these protocols.
    pub(crate) const fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    /// Another for each time that a target was configured: what was trusted before a change is not used after it.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

fn next_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

fn roots(
    name: &str,
    machine: &RootCertStore,
    setting: &TargetSetting,
) -> Result<RootCertStore, TargetError> {
    let mut roots = if setting.only_those {
        RootCertStore::empty()
    } else {
        machine.clone()
    };
    if let Some(pem) = &setting.authorities_pem {
        let unreadable = || TargetError::Unreadable("the authorities", name.to_owned());
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let found = found.map_err(|_| unreadable())?;
        if found.is_empty() {
            return Err(unreadable());
        }
        for certificate in found {
            roots.add(certificate).map_err(|_| unreadable())?;
        }
    }
    if roots.is_empty() {
        return Err(TargetError::NoAuthorities);
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(name: &str, certificate: &str, key: &str) -> Result<Identity, TargetError> {
    let unreadable = |what| TargetError::Unreadable(what, name.to_owned());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.map_err(|_| unreadable("the client certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| unreadable("the client certificate's key"))?;
    Ok((chain, key))
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.name)
    }
}
