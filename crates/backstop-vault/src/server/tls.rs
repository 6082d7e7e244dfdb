//! Mutual TLS: a caller without a certificate of the vault's own authority gets no further.

use std::{sync::Arc, time::Duration};

use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    client::{certificates, private_key},
    error::{Result, VaultError},
};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What the vault proves itself with, and whom it lets in.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<rustls::ServerConfig>,
}

impl ServerTls {
    /// From PEM: the vault's certificate with its key, and the authority that gates' certificates must be
    /// from. That authority should have no other purpose.
    ///
    /// # Errors
    /// [`VaultError::Key`]; the message does not repeat a key.
    pub fn new(certificate: &[u8], key: &[u8], authority: &[u8]) -> Result<Self> {
        let bad = |what: &str, why: &dyn std::fmt::Display| {
            VaultError::key(
                format!("{what}: {why}"),
                "give PEM files as `backstop vault init` wrote them",
            )
        };
        let mut roots = rustls::RootCertStore::empty();
        for one in certificates(authority, "the gates' authority")? {
            roots
                .add(one)
                .map_err(|e| bad("the gates' authority", &e))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .map_err(|e| bad("the gates' authority", &e))?;
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| bad("TLS 1.3", &e))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                certificates(certificate, "the vault's certificate")?,
                private_key(key)?,
            )
            .map_err(|e| bad("the vault's certificate with its key", &e))?;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.config.clone());
        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}
