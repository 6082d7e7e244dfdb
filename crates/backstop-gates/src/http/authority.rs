//! The installation's own certificate authority, by which clients let the gate read their requests.
//!
//! It belongs to one installation. Where it is told the hosts it is for, its certificate says so (name constraints),
//! and whoever steals its key can pose as nobody else. It does not keep its key: the caller seals it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use backstop_core::secret::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// How long the authority lives.
const LIFE: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// How far back a certificate begins, for clocks that lag behind.
pub(super) const BACKDATED: Duration = Duration::from_secs(3600);

/// A certificate authority.
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Why there is no authority or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate is not PEM, or not one of an authority.
    #[error("the authority's certificate cannot be read; hint: make a new authority")]
    Certificate,
    /// The key is not the certificate's.
    #[error("the authority's key is not the one of its certificate; hint: make a new authority")]
    Key,
    /// A host cannot stand in a certificate.
    #[error("`{0}` cannot stand in a certificate")]
    Host(String),
    /// Signing failed.
    #[error("a certificate could not be signed: {0}")]
    Signing(String),
}

impl AuthorityError {
    #[allow(clippy::needless_pass_by_value)] // as `map_err` hands it over
    pub(super) fn signing(error: impl std::fmt::Display) -> Self {
        Self::Signing(error.to_string())
    }
}

impl Authority {
    /// Makes an authority that lives for two years. `hosts` are the names (with everything below them) and addresses
    /// that it may vouch for; all if there are none.
    ///
    /// # Errors
    /// If a host cannot stand in a certificate, or the system gives no random bytes.
    pub fn generate(
        installation: &str,
        hosts: &[String],
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::signing)?;
        let mut params = subject(installation);
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + LIFE).into();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        params.name_constraints = constraints(hosts)?;
        let certificate = params.self_signed(&key).map_err(AuthorityError::signing)?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Opens one that was made before, by the same installation's name.
    ///
    /// # Errors
    /// If the certificate cannot be read, or is another's than the installation's and the key's.
    pub fn open(
        installation: &str,
        certificate_pem: &str,
        key: &Secret<Vec<u8>>,
    ) -> Result<Self, AuthorityError> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| AuthorityError::Certificate)?;
        let pkcs8 = PrivatePkcs8KeyDer::from(key.reveal().as_slice());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| AuthorityError::Key)?;
        let mut roots = RootCertStore::empty();
        roots
            .add(certificate.clone())
            .map_err(|_| AuthorityError::Certificate)?;
        let anchor = roots.roots.first().ok_or(AuthorityError::Certificate)?;
        // The last thing in each is the text and the key's point.
        if !anchor
            .subject
            .ends_with(common_name(installation).as_bytes())
        {
            return Err(AuthorityError::Certificate);
        }
        if !anchor
            .subject_public_key_info
            .ends_with(key.public_key_raw())
        {
            return Err(AuthorityError::Key);
        }
        Ok(Self {
            pem: certificate_pem.to_owned(),
            certificate: certificate.into_owned(),
            issuer: Issuer::new(subject(installation), key),
        })
    }

    /// Its certificate, for clients to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The same in DER.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its private key, PKCS #8 in DER, to be sealed.
    #[must_use]
    pub fn key(&self) -> Secret<Vec<u8>> {
        Secret::new(self.issuer.key().serialize_der())
    }

    pub(super) const fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

fn common_name(installation: &str) -> String {
    format!("Backstop {installation} CA")
}

fn subject(installation: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name(installation));
    params
}

/// RFC 5280, section 4.2.1.10. What constrains names only leaves addresses free, so these are named too.
fn constraints(hosts: &[String]) -> Result<Option<NameConstraints>, AuthorityError> {
    if hosts.is_empty() {
        return Ok(None);
    }
    let mut permitted_subtrees = vec![];
    for host in hosts {
        permitted_subtrees.push(match host.parse() {
            Ok(address @ IpAddr::V4(_)) => address_subtree(address, 32),
            Ok(address @ IpAddr::V6(_)) => address_subtree(address, 128),
            Err(_) => GeneralSubtree::DnsName(dns_name(host)?),
        });
    }
    let named = |p: fn(&GeneralSubtree) -> bool| permitted_subtrees.iter().any(p);
    let mut excluded_subtrees = vec![];
    if !named(|s| matches!(s, GeneralSubtree::IpAddress(_))) {
        excluded_subtrees.push(address_subtree(Ipv4Addr::UNSPECIFIED.into(), 0));
        excluded_subtrees.push(address_subtree(Ipv6Addr::UNSPECIFIED.into(), 0));
    }
    if !named(|s| matches!(s, GeneralSubtree::DnsName(_))) {
        // The empty name is above all others.
        excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
    }
    Ok(Some(NameConstraints {
        permitted_subtrees,
        excluded_subtrees,
    }))
}

fn address_subtree(address: IpAddr, prefix: u8) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix))
}

/// `*.example.org` is meant as what a constraint says anyway: the name and everything below it.
fn dns_name(host: &str) -> Result<String, AuthorityError> {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let site = super::site::Site::parse(name, Some(443))
        .map_err(|_| AuthorityError::Host(host.to_owned()))?;
    Ok(site.host().to_owned())
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_again_with_its_own_key_only() {
        let now = SystemTime::now();
        let one = Authority::generate("one", &[], now).unwrap();
        let other = Authority::generate("one", &[], now).unwrap();
        assert!(Authority::open("one", one.certificate_pem(), &one.key()).is_ok());
        assert!(matches!(
            Authority::open("one", one.certificate_pem(), &other.key()),
            Err(AuthorityError::Key)
        ));
        assert!(matches!(
            Authority::open("two", one.certificate_pem(), &one.key()),
            Err(AuthorityError::Certificate)
        ));
        assert!(matches!(
            Authority::open("one", "no certificate", &one.key()),
            Err(AuthorityError::Certificate)
        ));
        let bytes = Secret::new(vec![1, 2, 3]);
        assert!(matches!(
            Authority::open("one", one.certificate_pem(), &bytes),
            Err(AuthorityError::Key)
        ));
    }

    #[test]
    fn the_key_is_not_shown() {
        let authority = Authority::generate("one", &[], SystemTime::now()).unwrap();
        assert_eq!(
            format!("{authority:?} {:?}", authority.key()),
            "Authority [secret]"
        );
        assert!(!authority.certificate_pem().contains("PRIVATE"));
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for host in ["", "a b", "*", "2130706433", "*.*.example"] {
            let made = Authority::generate("one", &[host.to_owned()], SystemTime::now());
            assert!(matches!(made, Err(AuthorityError::Host(_))), "{host}");
        }
    }
}
