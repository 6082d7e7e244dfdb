//! A person's signed decision: what the authenticator signs, and what is kept to prove it.

use serde::{Deserialize, Serialize};

use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::passkey::Assertion;

/// What a signature is for. No two purposes share a challenge (invariant 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Approve or deny a hold.
    Decide,
    /// Open a session at the console.
    SignIn,
    /// Register a passkey.
    Enrol,
}

/// What a person says to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Deny,
    /// Nothing: the purpose is not a decision.
    None,
}

/// Everything that is hashed into a WebAuthn challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Format version, 1.
    pub version: u8,
    /// What the signature is for.
    pub purpose: Purpose,
    /// The installation that asked.
    pub installation: String,
    /// Yes or no.
    pub answer: Answer,
    /// The hold, when deciding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// The action's digest, when deciding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Who is to sign; empty when signing in with a discoverable passkey.
    pub person: String,
    /// Digest of the words that go with a no, when deciding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Digest>,
    /// Unix time in milliseconds after which the signature is worthless.
    pub expires_ms: i64,
    /// 16 random bytes or more, in hex.
    pub nonce: String,
}

impl Challenge {
    /// The bytes that the authenticator signs over: SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// Never in practice: every field has a canonical form.
    pub fn bytes(&self) -> Result<[u8; 32], CanonicalError> {
        canonical::digest(self).map(|d| d.0)
    }
}

/// A decision with its proof, as the journal keeps it: enough to verify it without Backstop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was signed.
    pub challenge: Challenge,
    /// The words that go with a no.
    pub reason: String,
    /// The authenticator's answer, byte for byte.
    pub assertion: Assertion,
}
