//! Records: what the vault writes into its index, one line each, chained by hashes.
//!
//! A line is the SHA-256 of its JSON in hex, a space, the JSON, and a line feed. The JSON names the
//! hash of the line before, so that every byte is covered and no line can go missing but the last ones.
//! `grep` and `sha256sum` read it.

use backstop_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, VaultError},
    label::{Label, Stored},
    seal::sha256,
};

/// Length of the hash and the space in front of a line's JSON.
const LEAD: usize = 65;

/// One thing that happened in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub sequence: u64,
    /// When, by the vault's clock: Unix time in milliseconds. Never less than in the record before.
    pub at_ms: i64,
    /// The hash of the record before; zeros in the first.
    pub prev: Digest,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An object was created.
    Stored(Object),
    /// Objects are to be kept longer.
    Extended {
        /// Which.
        names: Vec<Digest>,
        /// Until when at least: Unix time in milliseconds.
        until_ms: i64,
    },
    /// A person asked for objects to be deleted. Nothing happens yet.
    DeletionAsked {
        /// The request's id.
        request: String,
        /// Which.
        names: Vec<Digest>,
        /// The digest of what people are shown of them before they sign.
        shown: Digest,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A person signed it with a passkey.
    DeletionSigned {
        /// The request's id.
        request: String,
        /// The signature and what it is over: enough to verify it without Backstop.
        signature: Box<crate::deletion::Signature>,
    },
    /// Enough people have signed: the delay begins.
    DeletionDue {
        /// The request's id.
        request: String,
        /// When it may be done: Unix time in milliseconds.
        due_ms: i64,
    },
    /// It will not be done.
    DeletionCancelled {
        /// The request's id.
        request: String,
        /// Why.
        reason: String,
        /// The person's signature, if it was not the operator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Box<crate::deletion::Cancellation>>,
    },
    /// Objects are gone; this is written before they go.
    Deleted {
        /// The request's id.
        request: String,
        /// Which.
        names: Vec<Digest>,
    },
    /// Time jumped; nothing is deleted until a person lifts that.
    Frozen {
        /// How it jumped.
        why: String,
    },
    /// The operator has looked at the clock and trusts it again.
    Lifted {
        /// Why, in the operator's words.
        reason: String,
    },
    /// A log's key was kept, at its first checkpoint.
    LogKept {
        /// The log's origin.
        origin: String,
        /// Its verifier key.
        key: String,
    },
}

/// An object as it was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// SHA-256 of the stored bytes.
    pub name: Digest,
    /// SHA-256 of the plaintext, as the client told it.
    pub plain: Digest,
    /// How many bytes are stored.
    pub bytes: u64,
    /// Why, as the client told it.
    pub label: Label,
    /// Until when it cannot be deleted: Unix time in milliseconds.
    pub until_ms: i64,
    /// SHA-256 of the file in `sums/` that has the hash of each MiB, for objects of more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sums: Option<Digest>,
}

impl Record {
    /// What the client is told about the object.
    pub(crate) fn stored(&self) -> Option<Stored> {
        let Event::Stored(object) = &self.event else {
            return None;
        };
        Some(Stored {
            name: object.name,
            plain: object.plain,
            bytes: object.bytes,
            sequence: self.sequence,
            at_ms: self.at_ms,
        })
    }

    /// The line for the index, and its hash.
    pub(crate) fn to_line(&self) -> Result<(Vec<u8>, Digest)> {
        let json = serde_json::to_vec(self).map_err(|e| VaultError::protocol(e.to_string()))?;
        let hash = sha256(&json);
        let line = [hash.to_hex().as_bytes(), b" ", &json, b"\n"].concat();
        Ok((line, hash))
    }

    /// Reads a line without its line feed, and checks its hash.
    pub(crate) fn from_line(line: &[u8]) -> Option<(Self, Digest)> {
        let (lead, json) = line.split_at_checked(LEAD)?;
        let hash = sha256(json);
        if lead.strip_suffix(b" ")? != hash.to_hex().as_bytes() {
            return None;
        }
        Some((serde_json::from_slice(json).ok()?, hash))
    }
}

/// The end of a chain of records: what the next one must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last record's number; 0 before the first.
    pub(crate) sequence: u64,
    /// Its hash.
    pub(crate) hash: Digest,
    /// Its time.
    pub(crate) at_ms: i64,
}

impl Head {
    pub(crate) const START: Self = Self {
        sequence: 0,
        hash: Digest([0; 32]),
        at_ms: 0,
    };

    /// Whether `record` is what comes next.
    pub(crate) fn is_followed_by(&self, record: &Record) -> bool {
        record.sequence == self.sequence + 1
            && record.prev == self.hash
            && record.at_ms >= self.at_ms
    }

    pub(crate) fn after(record: &Record, hash: Digest) -> Self {
        Self {
            sequence: record.sequence,
            hash,
            at_ms: record.at_ms,
        }
    }
}
