//! A person who answers for agents, and the passkeys that prove them.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::passkey::Passkey;

/// A person with their passkeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// `person_…`.
    pub id: String,
    /// The name they are shown under.
    pub name: String,
    /// Unix time in milliseconds.
    pub enrolled_ms: i64,
    /// Their passkeys, oldest first.
    pub passkeys: Vec<Passkey>,
    /// Digest of the recovery code, if one was given out and not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Digest>,
}

impl Person {
    /// The passkey with this credential id.
    #[must_use]
    pub fn passkey(&self, credential_id: &[u8]) -> Option<&Passkey> {
        self.passkeys
            .iter()
            .find(|p| p.credential_id == credential_id)
    }
}
