//! What an object is called and why it is there: labels, classes, and what the vault says it stored.

use backstop_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::error::{Refusal, Result, VaultError};

/// Longest target or lease in a label, in bytes.
const MAX_WORD: usize = 256;
/// Longest note in a label, in bytes.
const MAX_NOTE: usize = 1024;

/// What kind of thing an object is; each has its own retention and its own part of the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Old row images of a write that passed.
    Images,
    /// Copies of objects that an approved action destroys.
    Objects,
    /// A recovery point of a whole database.
    Point,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Images, Self::Objects, Self::Point];

    /// Its word, as in labels and configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Objects => "objects",
            Self::Point => "point",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What the gate says about an object. The vault keeps it and believes none of it but the class, which
/// decides what space the object may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// What kind of thing it is.
    pub class: Class,
    /// The target it was copied from.
    pub target: String,
    /// The lease on whose account it is stored, if one is; its quota counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// A word for people, such as the journal entry or the tables.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Label {
    /// Refuses labels that are too long or that could drive a terminal.
    pub(crate) fn check(&self) -> Result<()> {
        let lease = self.lease.as_deref().unwrap_or_default();
        let long =
            self.target.len() > MAX_WORD || lease.len() > MAX_WORD || self.note.len() > MAX_NOTE;
        let odd = [self.target.as_str(), lease, &self.note]
            .iter()
            .any(|text| text.contains(char::is_control));
        if long || odd {
            return Err(VaultError::refused(
                Refusal::Malformed,
                "a label is too long or has control characters",
                "a target or lease has at most 256 bytes, a note 1024, all of it text",
            ));
        }
        Ok(())
    }
}

/// What the vault says about an object that it has: durable, and re-read by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its name: SHA-256 of the bytes stored, which are encrypted.
    pub name: Digest,
    /// SHA-256 of the plaintext, as the client told it.
    pub plain: Digest,
    /// How many bytes are stored.
    pub bytes: u64,
    /// Its place in the vault's index, counted by the vault from 1.
    pub sequence: u64,
    /// When the vault stored it: Unix time in milliseconds, by the vault's clock.
    pub at_ms: i64,
}
