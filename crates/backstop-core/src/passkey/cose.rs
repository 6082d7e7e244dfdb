//! COSE keys: the two kinds accepted, with exactly the parameters that they must have (section 5.8.5).
//!
//! Verifies signatures as the specification says: ES256 in strict DER, S not normalised (authenticators send
//! both halves); Ed25519 by the strict rules, so that what passes here passes everywhere.

use ciborium::Value;
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key};
use p256::pkcs8::EncodePublicKey as _;

use super::{Algorithm, PasskeyError, cbor};

/// The DER before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410, section 4).
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A public key that verified signatures can be checked with.
#[derive(Debug)]
pub(super) enum PublicKey {
    /// ES256.
    P256(P256Key),
    /// `EdDSA`.
    Ed25519(Ed25519Key),
}

impl PublicKey {
    /// Reads the CBOR of a COSE key, nothing before or behind it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, PasskeyError> {
        Self::from_value(&cbor::only(bytes, "public key")?)
    }

    /// Reads a COSE key. Parameters beyond the required ones are refused: nobody knows what they mean.
    pub(super) fn from_value(value: &Value) -> Result<Self, PasskeyError> {
        let entries = value.as_map().ok_or(PasskeyError::Cbor("public key"))?;
        match (
            integer(entries, 1),
            integer(entries, 3),
            integer(entries, -1),
        ) {
            (Some(2), Some(-7), Some(1)) if entries.len() == 5 => p256(entries),
            (Some(1), Some(-8), Some(6)) if entries.len() == 4 => ed25519(entries),
            (Some(2), Some(-7), Some(1)) | (Some(1), Some(-8), Some(6)) => {
                Err(PasskeyError::Key("it has parameters too many or too few"))
            }
            _ => Err(PasskeyError::Key(
                "its type, algorithm and curve are no accepted combination",
            )),
        }
    }

    /// What it signs with.
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::P256(_) => Algorithm::ES256,
            Self::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    /// The key as a DER `SubjectPublicKeyInfo`.
    pub(super) fn spki(&self) -> Result<Vec<u8>, PasskeyError> {
        match self {
            Self::P256(key) => key
                .to_public_key_der()
                .map(|der| der.as_bytes().to_vec())
                .map_err(|_| PasskeyError::Key("it cannot be written as DER")),
            Self::Ed25519(key) => Ok([ED25519_SPKI.as_slice(), key.as_bytes()].concat()),
        }
    }

    /// Checks `signature` over `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), PasskeyError> {
        match self {
            Self::P256(key) => P256Signature::from_der(signature)
                .and_then(|signature| key.verify(message, &signature)),
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .and_then(|signature| key.verify_strict(message, &signature)),
        }
        .map_err(|_| PasskeyError::Signature)
    }
}

fn p256(entries: &[(Value, Value)]) -> Result<PublicKey, PasskeyError> {
    let (x, y) = (coordinate(entries, -2)?, coordinate(entries, -3)?);
    let point = [[4].as_slice(), x, y].concat();
    P256Key::from_sec1_bytes(&point)
        .map(PublicKey::P256)
        .map_err(|_| PasskeyError::Key("it is not a point of P-256"))
}

fn ed25519(entries: &[(Value, Value)]) -> Result<PublicKey, PasskeyError> {
    let key = Ed25519Key::from_bytes(coordinate(entries, -2)?)
        .map_err(|_| PasskeyError::Key("it is not a point of Ed25519"))?;
    if key.is_weak() {
        return Err(PasskeyError::Key("anybody can sign for it"));
    }
    Ok(PublicKey::Ed25519(key))
}

fn integer(entries: &[(Value, Value)], label: i64) -> Option<i64> {
    lookup(entries, label)?.as_integer()?.try_into().ok()
}

fn coordinate(entries: &[(Value, Value)], label: i64) -> Result<&[u8; 32], PasskeyError> {
    lookup(entries, label)
        .and_then(Value::as_bytes)
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(PasskeyError::Key(
            "a coordinate is missing or not 32 bytes long",
        ))
}

fn lookup(entries: &[(Value, Value)], label: i64) -> Option<&Value> {
    let label = Value::from(label);
    entries
        .iter()
        .find(|(key, _)| *key == label)
        .map(|(_, value)| value)
}
