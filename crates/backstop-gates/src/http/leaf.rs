//! Certificates of the gate's own for the hosts that clients ask for: short-lived, made when needed, kept for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};

use super::authority::{Authority, AuthorityError, BACKDATED};

/// How long a certificate is good.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long before its end it is made anew.
const RENEWED: Duration = Duration::from_secs(24 * 3600);

/// How many hosts' certificates are kept.
const KEPT: usize = 1024;

/// What clients are offered within TLS.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificates for hosts. All share one key, which never leaves this process and lives no longer than it.
pub struct Leaves {
    authority: Authority,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    base: ServerConfig,
    nobody: Arc<ServerConfig>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    uses: u64,
    by_host: HashMap<String, Leaf>,
}

struct Leaf {
    config: Arc<ServerConfig>,
    until: SystemTime,
    used: u64,
}

impl Leaves {
    /// Certificates signed by `authority`.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn new(authority: Authority) -> Result<Self, AuthorityError> {
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(AuthorityError::signing)?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = ring::sign::any_ecdsa_type(&der).map_err(AuthorityError::signing)?;
        let mut base = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(AuthorityError::signing)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Nobody));
        base.alpn_protocols = ALPN.iter().map(|p| p.to_vec()).collect();
        // Tickets keep sessions at the client; they bind the name, and nothing is kept here for anybody.
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.ticketer = ring::Ticketer::new().map_err(AuthorityError::signing)?;
        base.send_tls13_tickets = 1;
        Ok(Self {
            authority,
            key,
            signer,
            nobody: Arc::new(base.clone()),
            base,
            kept: Mutex::default(),
        })
    }

    /// The authority that signs.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// TLS as `host`, which is a name or an address.
    ///
    /// # Errors
    /// If the host cannot stand in a certificate.
    pub fn of(&self, host: &str, now: SystemTime) -> Result<Arc<ServerConfig>, AuthorityError> {
        if let Some(config) = self.kept().find(host, now) {
            return Ok(config);
        }
        let until = now + LIFE;
        let key = Arc::new(self.mint(host, now, until)?);
        let mut config = self.base.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
        let config = Arc::new(config);
        self.kept().keep(host, &config, until);
        Ok(config)
    }

    /// TLS that ends with an alert, for a client that asks for another host than it said before.
    pub(super) fn of_nobody(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.nobody)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint(
        &self,
        host: &str,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<CertifiedKey, AuthorityError> {
        let bad = |_| AuthorityError::Host(host.to_owned());
        let name = match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into().map_err(bad)?),
        };
        let mut params = CertificateParams::default();
        params.not_before = (now - BACKDATED).into();
        params.not_after = until.into();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // X.520 allows no longer ones; clients look at the other name anyway.
        let common_name = if host.len() <= 64 { host } else { "Backstop" };
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.subject_alt_names = vec![name];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&self.key, self.authority.issuer())
            .map_err(AuthorityError::signing)?;
        let chain = vec![certificate.der().clone()];
        Ok(CertifiedKey::new(chain, Arc::clone(&self.signer)))
    }
}

impl Kept {
    fn find(&mut self, host: &str, now: SystemTime) -> Option<Arc<ServerConfig>> {
        self.uses += 1;
        let leaf = self.by_host.get_mut(host)?;
        if leaf.until < now + RENEWED {
            return None;
        }
        leaf.used = self.uses;
        Some(Arc::clone(&leaf.config))
    }

    /// Keeps one, at the cost of the one that was not used for longest.
    fn keep(&mut self, host: &str, config: &Arc<ServerConfig>, until: SystemTime) {
        if self.by_host.len() >= KEPT && !self.by_host.contains_key(host) {
            let oldest = self.by_host.iter().min_by_key(|(_, leaf)| leaf.used);
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                self.by_host.remove(&oldest);
            }
        }
        let leaf = Leaf {
            config: Arc::clone(config),
            until,
            used: self.uses,
        };
        self.by_host.insert(host.to_owned(), leaf);
    }
}

/// Has no certificate for anybody.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaves")
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn leaves(hosts: &[&str]) -> Leaves {
        let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
        Leaves::new(Authority::generate("test", &hosts, SystemTime::now()).unwrap()).unwrap()
    }

    /// What a client that trusts the authority says about a fresh certificate for `host`, shown for `name`.
    fn checked(leaves: &Leaves, host: &str, name: &str, at: SystemTime) -> Result<(), String> {
        let now = SystemTime::now();
        let key = leaves.mint(host, now, now + LIFE).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(leaves.authority().certificate().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
        let end = key.end_entity_cert().unwrap();
        let result = verifier.verify_server_cert(end, &[], &name, &[], at);
        result.map(drop).map_err(|e| e.to_string())
    }

    #[test]
    fn a_leaf_is_good_for_its_host_and_its_days() {
        let leaves = leaves(&[]);
        let now = SystemTime::now();
        for host in ["api.example", "127.0.0.1", "::1"] {
            assert_eq!(checked(&leaves, host, host, now), Ok(()), "{host}");
        }
        assert!(checked(&leaves, "api.example", "other.example", now).is_err());
        assert!(checked(&leaves, "127.0.0.1", "127.0.0.2", now).is_err());
        let name = "api.example";
        assert!(checked(&leaves, name, name, now - BACKDATED / 2).is_ok());
        assert!(checked(&leaves, name, name, now - 2 * BACKDATED).is_err());
        assert!(checked(&leaves, name, name, now + 6 * DAY).is_ok());
        assert!(checked(&leaves, name, name, now + 8 * DAY).is_err());
    }

    #[test]
    fn a_constrained_authority_vouches_for_nobody_else() {
        let now = SystemTime::now();
        let named = leaves(&["api.example", "*.wild.example"]);
        for host in [
            "api.example",
            "v1.api.example",
            "a.wild.example",
            "wild.example",
        ] {
            assert_eq!(checked(&named, host, host, now), Ok(()), "{host}");
        }
        for host in [
            "example",
            "other.example",
            "myapi.example",
            "127.0.0.1",
            "::1",
        ] {
            assert!(checked(&named, host, host, now).is_err(), "{host}");
        }
        let addressed = leaves(&["127.0.0.1"]);
        assert_eq!(checked(&addressed, "127.0.0.1", "127.0.0.1", now), Ok(()));
        for host in ["127.0.0.2", "::1", "api.example"] {
            assert!(checked(&addressed, host, host, now).is_err(), "{host}");
        }
    }

    #[test]
    fn a_leaf_is_kept_until_shortly_before_its_end() {
        let leaves = leaves(&[]);
        let now = SystemTime::now();
        let first = leaves.of("a.example", now).unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &leaves.of("a.example", now + 5 * DAY).unwrap()
        ));
        assert!(!Arc::ptr_eq(
            &first,
            &leaves.of("a.example", now + 6 * DAY + BACKDATED).unwrap()
        ));
        assert!(!Arc::ptr_eq(&first, &leaves.of("b.example", now).unwrap()));
    }

    #[test]
    fn the_one_unused_for_longest_makes_room() {
        let leaves = leaves(&[]);
        let now = SystemTime::now();
        let first = leaves.of("0.example", now).unwrap();
        let second = leaves.of("1.example", now).unwrap();
        for n in 2..KEPT {
            leaves.of(&format!("{n}.example"), now).unwrap();
        }
        assert!(Arc::ptr_eq(&first, &leaves.of("0.example", now).unwrap()));
        leaves.of("one-more.example", now).unwrap();
        assert_eq!(leaves.kept().by_host.len(), KEPT);
        assert!(Arc::ptr_eq(&first, &leaves.of("0.example", now).unwrap()));
        assert!(!Arc::ptr_eq(&second, &leaves.of("1.example", now).unwrap()));
    }
}
