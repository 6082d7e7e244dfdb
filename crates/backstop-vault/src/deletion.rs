//! Deleting from the vault: what people sign, and when it counts.
//!
//! Pure: no files and no clock. A request names exact objects; each person signs its digest with a
//! passkey, once; then a delay runs in which anybody at the operator's socket can cancel it.

use backstop_core::{
    canonical,
    digest::Digest,
    passkey::{Assertion, Expected, verify_assertion},
    person::Person,
};
use serde::{Deserialize, Serialize};

use crate::error::{Refusal, Result, VaultError};

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
    /// The digest of the request: names and reason.
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
    pub fn bytes(&self) -> Result<[u8; 32]> {
        canonical::digest(self)
            .map(|digest| digest.0)
            .map_err(|e| VaultError::protocol(e.to_string()))
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

/// A deletion that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// What is to be deleted.
    pub names: Vec<Digest>,
    /// Why, in the operator's words.
    pub reason: String,
    /// When it was asked: Unix time in milliseconds.
    pub asked_ms: i64,
    /// Who has signed.
    pub signatures: Vec<Signature>,
    /// When it may be done, once enough people have signed.
    pub due_ms: Option<i64>,
}

impl Request {
    pub(crate) fn new(id: &str, names: Vec<Digest>, reason: &str, asked_ms: i64) -> Self {
        Self {
            id: id.to_owned(),
            names,
            reason: reason.to_owned(),
            asked_ms,
            signatures: Vec::new(),
            due_ms: None,
        }
    }

    /// What its signatures bind: the id, the reason and every name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut parts = vec![self.id.as_bytes(), self.reason.as_bytes()];
        parts.extend(self.names.iter().map(|name| name.0.as_slice()));
        Digest::of_parts(&parts)
    }

    /// What `person` is to sign.
    #[must_use]
    pub fn challenge(&self, vault: &str, person: &str, expires_ms: i64) -> Challenge {
        Challenge {
            version: 1,
            purpose: Challenge::PURPOSE.to_owned(),
            vault: vault.to_owned(),
            request: self.id.clone(),
            digest: self.digest(),
            person: person.to_owned(),
            expires_ms,
        }
    }

    /// Checks that this is one enrolled person's own signature under exactly this request, in time, and
    /// the first of theirs.
    ///
    /// # Errors
    /// [`VaultError::Refused`].
    pub fn check(
        &self,
        vault: &str,
        people: &[Person],
        origins: &[String],
        signature: &Signature,
        now_ms: i64,
    ) -> Result<()> {
        let challenge = &signature.challenge;
        if *challenge != self.challenge(vault, &challenge.person, challenge.expires_ms) {
            return Err(refused("it is of another deletion or another vault"));
        }
        if challenge.expires_ms < now_ms {
            return Err(refused("it has expired"));
        }
        let signed = |s: &Signature| s.challenge.person == challenge.person;
        if self.signatures.iter().any(signed) {
            return Err(refused("that person has signed already, and counts once"));
        }
        let person = people
            .iter()
            .find(|person| person.id == challenge.person)
            .ok_or_else(|| refused("the vault does not know that person"))?;
        let passkey = person
            .passkey(&signature.assertion.credential_id)
            .ok_or_else(|| refused("the vault does not know that passkey of theirs"))?;
        let bytes = challenge.bytes()?;
        let expected = Expected {
            rp_id: &passkey.rp_id,
            origins,
            challenge: &bytes,
        };
        // The vault keeps no counter: each signature is under one request and each person counts once,
        // so that there is nothing to replay.
        let uncounted = backstop_core::passkey::Passkey {
            sign_count: 0,
            ..passkey.clone()
        };
        match verify_assertion(&expected, &uncounted, &signature.assertion) {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(error.to_string())),
        }
    }
}

fn refused(why: impl std::fmt::Display) -> VaultError {
    VaultError::refused(
        Refusal::NotAllowed,
        format!("the signature does not count: {why}"),
        "ask for a new challenge, and sign it with a passkey that is enrolled at the vault",
    )
}
