//! The way to a server: address, credential, and how the server proves itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Error, said};

/// How long connecting and authenticating may take.
const CONNECT: Duration = Duration::from_secs(15);

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A name or address.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// How the server proves itself.
#[derive(Debug, Clone)]
pub enum Trust {
    /// It does not: for Unix sockets and networks that are the operator's alone.
    Nothing,
    /// By a certificate for its name from one of these authorities.
    Authorities(Arc<RootCertStore>),
    /// By exactly this certificate: SHA-256 of its DER.
    Pinned([u8; 32]),
}

impl Trust {
    /// By a certificate for its name from an authority in the system's own file, whatever the environment says: who can
    /// write an environment would else be shown passwords.
    #[must_use]
    pub fn system() -> Self {
        Self::Authorities(Arc::new(backstop_https::Trust::system_roots()))
    }
}

/// A way to a database as a role.
#[derive(Debug, Clone)]
pub struct Way {
    /// Where.
    pub place: Place,
    /// The TCP port, or the number in the socket's name.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// Its password; none for peer and trust.
    pub password: Option<Secret<String>>,
    /// How the server proves itself.
    pub trust: Trust,
    /// Whether nothing but SCRAM bound to the server's certificate will do.
    pub require_binding: bool,
}

impl Way {
    /// Connects. The connection ends when the client is dropped.
    ///
    /// # Errors
    /// When the server cannot be reached, is not trusted or does not let the role in.
    pub async fn connect(&self) -> Result<Client, Error> {
        let mut config = Config::new();
        match &self.place {
            Place::Tcp(host) => config.host(host),
            Place::Unix(directory) => config.host_path(directory),
        };
        config
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .application_name("backstop scopes")
            .ssl_negotiation(SslNegotiation::Postgres)
            .connect_timeout(CONNECT);
        if let Some(password) = &self.password {
            config.password(password.reveal());
        }
        if self.require_binding {
            config.channel_binding(ChannelBinding::Require);
        }
        tokio::time::timeout(CONNECT, self.open(config))
            .await
            .map_err(|_| Error::Connect(format!("no answer within {} s", CONNECT.as_secs())))?
    }

    async fn open(&self, mut config: Config) -> Result<Client, Error> {
        let refused = |e: tokio_postgres::Error| Error::Connect(said(&e));
        let Some(tls) = self.tls()? else {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
            // How it ends is told to whoever asks it something.
            tokio::spawn(async { drop(connection.await) });
            return Ok(client);
        };
        config.ssl_mode(SslMode::Require);
        let tls = MakeRustlsConnect::new(tls);
        let (client, connection) = config.connect(tls).await.map_err(refused)?;
        tokio::spawn(async { drop(connection.await) });
        Ok(client)
    }

    fn tls(&self) -> Result<Option<ClientConfig>, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::Tls(e.to_string()))?;
        let config = match &self.trust {
            Trust::Nothing => return Ok(None),
            Trust::Authorities(roots) => builder
                .with_root_certificates(Arc::clone(roots))
                .with_no_client_auth(),
            Trust::Pinned(hash) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned {
                    hash: Digest(*hash),
                    provider,
                }))
                .with_no_client_auth(),
        };
        Ok(Some(config))
    }
}

/// Trusts exactly one certificate.
#[derive(Debug)]
struct Pinned {
    hash: Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Digest::of(end_entity) == self.hash {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(
            "it is not the pinned certificate".into(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
