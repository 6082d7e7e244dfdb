//! TLS towards servers: verified by authority, or pinned to one certificate.

use std::sync::{Arc, Mutex, PoisonError};

use backstop_core::digest::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::error::GateError;

/// Trusts certificates for the server's name from these authorities.
pub(crate) fn verifying(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, GateError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|e| GateError::Tls(e.to_string()))?;
    let config = builder(provider)?
        .with_webpki_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Trusts exactly one certificate, by the SHA-256 of its DER.
pub(crate) fn pinning(hash: [u8; 32]) -> Result<Arc<ClientConfig>, GateError> {
    custom(Check::Pinned(Digest(hash)))
}

/// Remembers the certificate and trusts nothing.
pub(crate) fn looking(
    seen: Arc<Mutex<Option<CertificateDer<'static>>>>,
) -> Result<Arc<ClientConfig>, GateError> {
    custom(Check::Look(seen))
}

fn custom(check: Check) -> Result<Arc<ClientConfig>, GateError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier {
        check,
        provider: Arc::clone(&provider),
    });
    let config = builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, GateError> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| GateError::Tls(e.to_string()))
}

#[derive(Debug)]
enum Check {
    Pinned(Digest),
    Look(Arc<Mutex<Option<CertificateDer<'static>>>>),
}

#[derive(Debug)]
struct Verifier {
    check: Check,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.check {
            Check::Pinned(hash) if Digest::of(end_entity) == *hash => {
                Ok(ServerCertVerified::assertion())
            }
            Check::Pinned(_) => Err(Error::General("it is not the pinned certificate".into())),
            Check::Look(seen) => {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(end_entity.clone().into_owned());
                Err(Error::General("only looking".into()))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// What SCRAM-SHA-256-PLUS binds to: the hash of the certificate by its own signature's hash (RFC 5929,
/// section 4.1), SHA-256 where that is MD5 or SHA-1. `None` where the signature has no such hash (Ed25519):
/// then there is no channel binding, as with libpq.
pub(crate) fn server_end_point(certificate: &CertificateDer<'static>) -> Option<Vec<u8>> {
    let algorithm = match signature_algorithm(certificate)? {
        // sha1WithRSA, sha256WithRSA, ecdsa-with-SHA1, ecdsa-with-SHA256, md5WithRSA
        [42, 134, 72, 134, 247, 13, 1, 1, 4 | 5 | 11]
        | [42, 134, 72, 206, 61, 4, 1]
        | [42, 134, 72, 206, 61, 4, 3, 2] => &::ring::digest::SHA256,
        [42, 134, 72, 134, 247, 13, 1, 1, 12] | [42, 134, 72, 206, 61, 4, 3, 3] => {
            &::ring::digest::SHA384
        }
        [42, 134, 72, 134, 247, 13, 1, 1, 13] | [42, 134, 72, 206, 61, 4, 3, 4] => {
            &::ring::digest::SHA512
        }
        _ => return None,
    };
    Some(
        ::ring::digest::digest(algorithm, certificate)
            .as_ref()
            .to_vec(),
    )
}

/// The OID in `Certificate.signatureAlgorithm` (RFC 5280, section 4.1.1.2): the second member of the outer
/// sequence.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (outer, _) = der(certificate, 0x30)?;
    let (_, after_tbs) = der(outer, 0x30)?;
    let (algorithm, _) = der(after_tbs, 0x30)?;
    der(algorithm, 0x06).map(|(oid, _)| oid)
}

/// One DER element of this type: its contents, and what follows it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest
            .split_at_checked(usize::from(first & 0x7f))
            .filter(|(d, _)| d.len() <= 4)?;
        (
            digits.iter().fold(0, |n, d| (n << 8) | usize::from(*d)),
            rest,
        )
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}
