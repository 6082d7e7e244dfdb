//! A stateless WebAuthn verifier: one set of functions for the console that takes an approval and for the
//! auditor who checks it years later (invariant 5).
//!
//! It must not keep state, read a clock, make random numbers, or accept more than it needs: "none" and self
//! attestation, ES256 and `EdDSA`, user verification always. What it accepts, other people's verifiers accept;
//! what it keeps ([`Passkey`], [`Assertion`]) is all that they need.
//!
//! Section numbers are those of Web Authentication Level 3.

mod assertion;
mod authenticator_data;
mod base64url;
mod cbor;
mod client_data;
mod cose;
mod error;
mod registration;
mod webauthn_json;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use assertion::{AssertionOutcome, verify_assertion};
pub use error::PasskeyError;
pub use registration::verify_registration;

/// What the ceremony must have been about; decided by the server before it began.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The relying party's id: the console's host name.
    pub rp_id: &'a str,
    /// The origins a ceremony may have taken place on, compared to the byte: scheme, host and port.
    pub origins: &'a [String],
    /// The challenge that was handed out: at least 16 bytes, and never handed out for anything else.
    pub challenge: &'a [u8],
}

/// The algorithms that a passkey may sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, COSE -7.
    ES256,
    /// Ed25519, COSE -8.
    EdDSA,
}

impl Algorithm {
    /// Every algorithm accepted, the preferred first.
    pub const ALL: [Self; 2] = [Self::ES256, Self::EdDSA];

    /// Its COSE identifier, as `pubKeyCredParams` names it.
    #[must_use]
    pub const fn cose(self) -> i32 {
        match self {
            Self::ES256 => -7,
            Self::EdDSA => -8,
        }
    }
}

/// A registered passkey: the public half, and what it was registered for.
///
/// The key is kept in both forms that other verifiers read: COSE for FIDO libraries, SPKI for `openssl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// The authenticator's name for the credential.
    #[serde(with = "base64url")]
    pub credential_id: Vec<u8>,
    /// The public key as the authenticator gave it: a `COSE_Key` in CBOR.
    #[serde(with = "base64url")]
    pub cose_key: Vec<u8>,
    /// The same key as a DER `SubjectPublicKeyInfo`.
    #[serde(with = "base64url")]
    pub spki: Vec<u8>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Whether the passkey may be copied to other devices. It never changes for one credential.
    pub backup_eligible: bool,
    /// The last signature counter seen; 0 from authenticators that do not count.
    pub sign_count: u32,
    /// The relying party it was made for.
    pub rp_id: String,
    /// The origin it was made on.
    pub origin: String,
    /// When it was registered: Unix time in milliseconds, by the caller's clock. Not proved by the ceremony.
    #[serde(default)]
    pub created_ms: i64,
    /// The person's name for it. Not proved by the ceremony.
    #[serde(default)]
    pub label: String,
}

/// What a browser hands back from `navigator.credentials.create()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The credential id as the client reports it; the authenticator's own word must agree.
    #[serde(with = "base64url")]
    pub credential_id: Vec<u8>,
    /// The exact bytes of clientDataJSON.
    #[serde(with = "base64url")]
    pub client_data_json: Vec<u8>,
    /// The exact bytes of the attestation object.
    #[serde(with = "base64url")]
    pub attestation_object: Vec<u8>,
}

/// What a browser hands back from `navigator.credentials.get()`, byte for byte: a proof that keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The credential that signed.
    #[serde(with = "base64url")]
    pub credential_id: Vec<u8>,
    /// The exact bytes of clientDataJSON.
    #[serde(with = "base64url")]
    pub client_data_json: Vec<u8>,
    /// The exact bytes of the authenticator data.
    #[serde(with = "base64url")]
    pub authenticator_data: Vec<u8>,
    /// The signature over authenticator data and SHA-256 of clientDataJSON.
    #[serde(with = "base64url")]
    pub signature: Vec<u8>,
    /// The user handle, when the authenticator gave one. Not signed: a hint whose key to try, never a proof.
    #[serde(
        default,
        with = "base64url::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_handle: Option<Vec<u8>>,
}

impl Registration {
    /// Reads the JSON that `PublicKeyCredential.toJSON()` gives after `create()` (section 5.1).
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_webauthn_json(json: &[u8]) -> Result<Self, PasskeyError> {
        webauthn_json::registration(json)
    }
}

impl Assertion {
    /// Reads the JSON that `PublicKeyCredential.toJSON()` gives after `get()` (section 5.1).
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_webauthn_json(json: &[u8]) -> Result<Self, PasskeyError> {
        webauthn_json::assertion(json)
    }

    /// The challenge that the client says was signed, before anything is verified: only good for finding
    /// the ceremony that it may belong to.
    ///
    /// # Errors
    /// When clientDataJSON cannot be read.
    pub fn claimed_challenge(&self) -> Result<Vec<u8>, PasskeyError> {
        client_data::ClientData::parse(&self.client_data_json).map(|data| data.challenge)
    }
}

/// The bytes that an authenticator signs: its own data, then the hash of the client's (section 6.3.3).
fn signed_bytes(authenticator_data: &[u8], client_data_json: &[u8]) -> Vec<u8> {
    let hash = crate::digest::Digest::of(client_data_json);
    [authenticator_data, hash.0.as_slice()].concat()
}
