//! A certificate authority for tests, and certificates of 127.0.0.1 from it.
//!
//! It must not serve anything but tests: its private keys are handed out as text.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// The names that a test server is reached by.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A private certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS #8 PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key, which a failed test would print.
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, new_key()?)
            .context("signing the authority's certificate")?;
        Ok(Self { issuer })
    }

    /// Its certificate, PEM: what clients are told to trust.
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server certificate for localhost, 127.0.0.1 and ::1.
    pub fn loopback(&self) -> Result<Identity> {
        self.server(&LOOPBACK_NAMES)
    }

    /// A client certificate whose common name is that.
    pub fn client(&self, name: &str) -> Result<Identity> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("signing a client certificate")?;
        Ok(identity(&certificate, &key))
    }

    /// A server certificate for names and addresses.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        let key = new_key()?;
        let params = server_params(names)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("signing a server certificate")?;
        Ok(identity(&certificate, &key))
    }
}

impl Identity {
    /// A certificate for localhost, 127.0.0.1 and ::1 that no authority signed.
    pub fn self_signed() -> Result<Self> {
        let key = new_key()?;
        let certificate = server_params(&LOOPBACK_NAMES)?
            .self_signed(&key)
            .context("self-signing a server certificate")?;
        Ok(identity(&certificate, &key))
    }
}

fn server_params(names: &[&str]) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).context("reading the certificate's names")?;
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn new_key() -> Result<KeyPair> {
    KeyPair::generate().context("making a key")
}

fn identity(certificate: &Certificate, key: &KeyPair) -> Identity {
    Identity {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    }
}
