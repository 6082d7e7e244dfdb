//! Deleting from the vault: what people sign, and when it counts.
//!
//! Pure: no files and no clock. A request names exact objects; each person signs its digest with a
//! passkey, once; then a delay runs. Until it is done, one passkey of anybody enrolled cancels it, and so does the
//! operator.

pub use backstop_core::deletion::{
    CancelChallenge, Cancellation, Challenge, Doomed, Scheduled, Signature, Ticket,
};
use backstop_core::{
    deletion,
    digest::Digest,
    passkey::{Assertion, Expected, verify_assertion},
    person::Person,
};
use serde::{Deserialize, Serialize};

use crate::error::{Refusal, Result, VaultError};

/// How long a ticket may be signed, in milliseconds: people are not always in one place.
pub(crate) const SIGNING_MS: i64 = 24 * 60 * 60 * 1000;

/// A deletion that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: String,
    /// What is to be deleted.
    pub names: Vec<Digest>,
    /// The digest of what people are shown of them.
    pub shown: Digest,
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
    pub(crate) fn new(
        id: &str,
        names: Vec<Digest>,
        shown: Digest,
        reason: &str,
        asked_ms: i64,
    ) -> Self {
        Self {
            id: id.to_owned(),
            names,
            shown,
            reason: reason.to_owned(),
            asked_ms,
            signatures: Vec::new(),
            due_ms: None,
        }
    }

    /// What its signatures bind: the id, the reason, every name, and what people were shown.
    #[must_use]
    pub fn digest(&self) -> Digest {
        deletion::digest(&self.id, &self.reason, &self.names, self.shown)
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
        // Nobody but the vault says how long a signature counts.
        if challenge.expires_ms > now_ms.saturating_add(SIGNING_MS) {
            return Err(refused("it would count for longer than a ticket does"));
        }
        let signed = |s: &Signature| s.challenge.person == challenge.person;
        if self.signatures.iter().any(signed) {
            return Err(refused("that person has signed already, and counts once"));
        }
        let bytes = challenge
            .bytes()
            .map_err(|e| VaultError::protocol(e.to_string()))?;
        is_theirs(
            people,
            origins,
            &challenge.person,
            &bytes,
            &signature.assertion,
        )
    }

    /// Checks that this is one enrolled person's own signature, and cancels exactly this request.
    ///
    /// # Errors
    /// [`VaultError::Refused`].
    pub fn check_cancellation(
        &self,
        vault: &str,
        people: &[Person],
        origins: &[String],
        signed: &Cancellation,
    ) -> Result<()> {
        let challenge = &signed.challenge;
        if *challenge != CancelChallenge::new(vault, &self.id, &challenge.person) {
            return Err(refused("it is of another deletion or another vault"));
        }
        let bytes = challenge
            .bytes()
            .map_err(|e| VaultError::protocol(e.to_string()))?;
        is_theirs(
            people,
            origins,
            &challenge.person,
            &bytes,
            &signed.assertion,
        )
    }
}

/// Whether this is the signature of that person, who is enrolled, under those bytes.
fn is_theirs(
    people: &[Person],
    origins: &[String],
    person: &str,
    bytes: &[u8; 32],
    assertion: &Assertion,
) -> Result<()> {
    let person = people
        .iter()
        .find(|known| known.id == person)
        .ok_or_else(|| refused("the vault does not know that person"))?;
    let passkey = person
        .passkey(&assertion.credential_id)
        .ok_or_else(|| refused("the vault does not know that passkey of theirs"))?;
    let expected = Expected {
        rp_id: &passkey.rp_id,
        origins,
        challenge: bytes,
    };
    // The vault keeps no counter: each signature is under one request and each person counts once,
    // so that there is nothing to replay.
    let uncounted = backstop_core::passkey::Passkey {
        sign_count: 0,
        ..passkey.clone()
    };
    match verify_assertion(&expected, &uncounted, assertion) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(error.to_string())),
    }
}

fn refused(why: impl std::fmt::Display) -> VaultError {
    VaultError::refused(
        Refusal::NotAllowed,
        format!("the signature does not count: {why}"),
        "have the ticket printed again with `backstop vault deletions --ticket`, and sign it with a passkey that is enrolled at the vault",
    )
}
