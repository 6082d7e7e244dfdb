//! The local CA: agents trust it by file, and it vouches for this machine's gate alone.
//!
//! The gate's certificate is made anew at each start and its key is never written.

use std::path::Path;
use std::sync::Arc;

use backstop_core::digest::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use super::{Home, write_private};
use crate::failure::{Context, Failure, Outcome};

const CA_YEARS: i64 = 10;
/// Clients that hold on to old habits refuse server certificates that live longer.
const SERVER_DAYS: i64 = 397;

/// What a TLS server shows.
pub struct Identity {
    /// Certificate and key, ready to serve.
    pub tls: Arc<rustls::ServerConfig>,
    /// The certificate itself (DER), which SCRAM binds to.
    pub certificate: Vec<u8>,
}

/// The local CA.
pub struct Authority {
    key: KeyPair,
    params: CertificateParams,
    pem: String,
}

impl Authority {
    /// Makes it, if there is none yet. Says whether it was made.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn make(home: &Home) -> Outcome<bool> {
        let (key_path, certificate) = (home.keys().join("ca-key.pem"), home.keys().join("ca.pem"));
        if key_path.exists() && certificate.exists() {
            return Ok(false);
        }
        let key = KeyPair::generate().doing("cannot make the local CA's key")?;
        let pem = params(&key)
            .self_signed(&key)
            .doing("cannot make the local CA")?
            .pem();
        if !key_path.exists() {
            write_private(&key_path, key.serialize_pem().as_bytes())?;
            write_private(&certificate, pem.as_bytes())?;
            return Ok(true);
        }
        let known = KeyPair::from_pem(&read(&key_path)?).doing("cannot use the local CA's key")?;
        let pem = params(&known)
            .self_signed(&known)
            .doing("cannot make the local CA")?
            .pem();
        write_private(&certificate, pem.as_bytes())?;
        Ok(true)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is missing or not a CA's.
    pub fn load(home: &Home) -> Outcome<Self> {
        let key = KeyPair::from_pem(&read(&home.keys().join("ca-key.pem"))?)
            .doing("cannot use the local CA's key")?;
        Ok(Self {
            params: params(&key),
            key,
            pem: read(&home.keys().join("ca.pem"))?,
        })
    }

    /// Its certificate, for agents.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A TLS configuration for the gate under these names besides this machine's own.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn server(&self, names: &[String]) -> Outcome<Identity> {
        let key = KeyPair::generate().doing("cannot make the gate's key")?;
        let mut params = CertificateParams::new(all_names(names))
            .doing("cannot name the gate in a certificate")?;
        params.distinguished_name = named("Backstop gate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        live(&mut params, Duration::days(SERVER_DAYS));
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params
            .signed_by(&key, &issuer)
            .doing("cannot make the gate's certificate")?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        tls(vec![certificate.der().clone()], private)
    }
}

impl Identity {
    /// From PEM files of the operator's own.
    ///
    /// # Errors
    /// When a file cannot be read or the key does not fit.
    pub fn from_files(certificate: &Path, key: &Path) -> Outcome<Self> {
        let what = |p: &Path| format!("cannot use `{}`", p.display());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .doing(what(certificate))?
            .collect::<Result<_, _>>()
            .doing(what(certificate))?;
        let key = PrivateKeyDer::from_pem_file(key).doing(what(key))?;
        tls(chain, key)
    }
}

fn tls(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Outcome<Identity> {
    let Some(first) = chain.first().map(|c| c.to_vec()) else {
        return Err(Failure::usage("there is no certificate in the file")
            .hint("name a PEM file with the certificate and its chain"));
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key))
        .doing("the certificate and its key cannot be used")?;
    Ok(Identity {
        tls: Arc::new(config),
        certificate: first,
    })
}

fn params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let print = Digest::of(key.public_key_raw()).short();
    params.distinguished_name = named(&format!("Backstop local CA {print}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    live(&mut params, Duration::days(365 * CA_YEARS));
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn live(params: &mut CertificateParams, long: Duration) {
    let now = OffsetDateTime::now_utc();
    // An hour back, for clients whose clock is a little behind.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + long;
}

fn all_names(more: &[String]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    names.extend(std::iter::once(host).filter(|h| is_name(h)));
    names.extend(more.iter().cloned());
    names.dedup();
    names
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).doing(format!("cannot read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_is_made_once_and_vouches_for_the_gate() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("data"));
        home.make().unwrap();
        assert!(Authority::make(&home).unwrap());
        let first = Authority::load(&home).unwrap();
        assert!(!Authority::make(&home).unwrap());
        assert_eq!(Authority::load(&home).unwrap().pem(), first.pem());
        std::fs::remove_file(home.keys().join("ca.pem")).unwrap();
        assert!(Authority::make(&home).unwrap());
        first
            .server(&["gate.internal".to_owned(), "10.0.0.7".to_owned()])
            .unwrap();
    }
}
