//! Deleting from a vault: what the vault's operator hands to people, and what they sign.
//!
//! Vault and console share no connection for this. A ticket is carried from the vault to the console, and signatures
//! are carried back; so whoever has taken over the gate can bring nothing of it to the vault.

use serde::{Deserialize, Serialize};

use crate::canonical::{self, CanonicalError};
use crate::digest::Digest;
use crate::passkey::Assertion;

/// An object that is to be deleted, as the vault describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doomed {
    /// Its name in the vault.
    pub name: Digest,
    /// What kind of thing it is: `images`, `objects` or `point`.
    pub class: String,
    /// The target that it was copied from.
    pub target: String,
    /// What the gate noted when it was stored.
    pub note: String,
    /// How many bytes are stored.
    pub bytes: u64,
    /// When it was stored, by the vault's clock: Unix time in milliseconds.
    pub at_ms: i64,
}

/// What people sign by: a deletion that was asked for, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The vault: its cosigning key in text, which no other vault has.
    pub vault: String,
    /// The request's id, with 128 random bits in it.
    pub request: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// What would be deleted.
    pub objects: Vec<Doomed>,
    /// When signatures end to count, by the vault's clock: Unix time in milliseconds.
    pub expires_ms: i64,
}

impl Ticket {
    /// What `person` is to sign: over all that the ticket says.
    ///
    /// # Errors
    /// Never in practice: every field has a canonical form.
    pub fn challenge(&self, person: &str) -> Result<Challenge, CanonicalError> {
        let names: Vec<Digest> = self.objects.iter().map(|one| one.name).collect();
        let shown = shown(&self.objects)?;
        Ok(Challenge {
            version: 1,
            purpose: Challenge::PURPOSE.to_owned(),
            vault: self.vault.clone(),
            request: self.request.clone(),
            digest: digest(&self.request, &self.reason, &names, shown),
            person: person.to_owned(),
            expires_ms: self.expires_ms,
        })
    }
}

/// The digest of what people are shown of the objects.
///
/// # Errors
/// Never in practice: every field has a canonical form.
pub fn shown(objects: &[Doomed]) -> Result<Digest, CanonicalError> {
    canonical::digest(&objects)
}

/// What signatures under a deletion bind: the id, the reason, every name, and what was shown of them.
#[must_use]
pub fn digest(request: &str, reason: &str, names: &[Digest], shown: Digest) -> Digest {
    let mut parts = vec![request.as_bytes(), reason.as_bytes(), shown.0.as_slice()];
    parts.extend(names.iter().map(|name| name.0.as_slice()));
    Digest::of_parts(&parts)
}

/// Everything that is hashed into the challenge of a signature for a deletion. Its purpose is a word
/// that no other challenge of Backstop's has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// Format version, 1.
    pub version: u8,
    /// `vault-delete`.
    pub purpose: String,
    /// The vault: its cosigning key in text, which no other vault has.
    pub vault: String,
    /// The request's id, with 128 random bits in it.
    pub request: String,
    /// What [`digest`] makes of the request.
    pub digest: Digest,
    /// Who is to sign.
    pub person: String,
    /// Unix time in milliseconds, by the vault's clock, after which the signature is worthless.
    pub expires_ms: i64,
}

impl Challenge {
    /// What the challenge says it is for.
    pub const PURPOSE: &'static str = "vault-delete";

    /// The bytes that the authenticator signs over: SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// Never in practice: every field has a canonical form.
    pub fn bytes(&self) -> Result<[u8; 32], CanonicalError> {
        canonical::digest(self).map(|digest| digest.0)
    }
}

/// A person's signature under a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// What was signed.
    pub challenge: Challenge,
    /// The authenticator's answer, byte for byte.
    pub assertion: Assertion,
}

/// A deletion that people asked for and that has not been done, as everybody may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheduled {
    /// The request's id.
    pub request: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// How many objects would be gone.
    pub objects: u64,
    /// When it was asked for, by the vault's clock: Unix time in milliseconds.
    pub asked_ms: i64,
    /// Who has signed it.
    pub signed_by: Vec<String>,
    /// When it is done, once enough people have signed: Unix time in milliseconds.
    pub due_ms: Option<i64>,
}

/// Everything that is hashed into the challenge of a signature that cancels a deletion. It destroys nothing, so that
/// one person's is enough and it need not expire: the request's id is never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelChallenge {
    /// Format version, 1.
    pub version: u8,
    /// `vault-cancel`.
    pub purpose: String,
    /// The vault: its cosigning key in text, which no other vault has.
    pub vault: String,
    /// The request's id, with 128 random bits in it.
    pub request: String,
    /// Who signs.
    pub person: String,
}

impl CancelChallenge {
    /// What the challenge says it is for.
    pub const PURPOSE: &'static str = "vault-cancel";

    /// What `person` signs to cancel this.
    #[must_use]
    pub fn new(vault: &str, request: &str, person: &str) -> Self {
        Self {
            version: 1,
            purpose: Self::PURPOSE.to_owned(),
            vault: vault.to_owned(),
            request: request.to_owned(),
            person: person.to_owned(),
        }
    }

    /// The bytes that the authenticator signs over: SHA-256 of the canonical JSON.
    ///
    /// # Errors
    /// Never in practice: every field has a canonical form.
    pub fn bytes(&self) -> Result<[u8; 32], CanonicalError> {
        canonical::digest(self).map(|digest| digest.0)
    }
}

/// A person's signature that cancels a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// What was signed.
    pub challenge: CancelChallenge,
    /// The authenticator's answer, byte for byte.
    pub assertion: Assertion,
}
