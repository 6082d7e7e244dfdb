//! The traffic log as the gate writes it: an intent before each act, an outcome after (invariant 2).

use std::sync::Arc;

use backstop_core::digest::Digest;
use backstop_core::entry::{Intent, Outcome, Traffic};
use backstop_journal::{Journal, SealedText};
use backstop_store::SealKey;

use super::error::GateError;

/// Seals texts and writes entries.
pub struct TrafficLog {
    journal: Arc<Journal>,
    key: SealKey,
}

impl TrafficLog {
    /// The log in `journal`, its texts sealed with `key`.
    #[must_use]
    pub const fn new(journal: Arc<Journal>, key: SealKey) -> Self {
        Self { journal, key }
    }

    /// The journal below.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// A salted digest: what a leaf says of parameters.
    pub(crate) fn salted(&self, bytes: &[u8]) -> Digest {
        self.key.salted(bytes)
    }

    /// Seals a statement's text, its credentials taken out already.
    pub(crate) fn seal(&self, text: &str) -> Result<SealedText, GateError> {
        SealedText::new(self.key.seal(b"statement", text.as_bytes())?).map_err(|e| failed(&e))
    }

    /// Appends an intent. It is not durable yet: see [`Self::durable`].
    pub(crate) fn intent(
        &self,
        intent: Intent<'_>,
        text: Option<&SealedText>,
    ) -> Result<u64, GateError> {
        self.append(&Traffic::Intent(intent), text)
    }

    /// Appends an outcome.
    pub(crate) fn outcome(&self, outcome: Outcome<'_>) -> Result<u64, GateError> {
        self.append(&Traffic::Outcome(outcome), None)
    }

    /// Resolves when this entry and all before it are durable: only then may the act be released.
    pub(crate) async fn durable(&self, index: u64) -> Result<(), GateError> {
        self.journal.durable(index).await.map_err(|e| failed(&e))
    }

    /// Appends an entry without a text.
    pub(crate) fn say(&self, entry: &Traffic<'_>) -> Result<u64, GateError> {
        self.append(entry, None)
    }

    fn append(&self, entry: &Traffic<'_>, text: Option<&SealedText>) -> Result<u64, GateError> {
        let bytes = serde_json::to_vec(entry).map_err(|e| GateError::Journal(e.to_string()))?;
        self.journal
            .append(&bytes, text)
            .map(|t| t.index)
            .map_err(|e| failed(&e))
    }
}

fn failed(error: &backstop_journal::JournalError) -> GateError {
    GateError::Journal(error.to_string())
}

/// A time as people and other tools read it.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    let nanos = i128::from(at_ms) * 1_000_000;
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|at| {
            at.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_default()
}

/// The name of a sealed text in a leaf.
pub(crate) fn name_of(text: &SealedText) -> Digest {
    Digest(text.digest().0)
}
