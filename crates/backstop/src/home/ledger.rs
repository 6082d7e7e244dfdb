//! The control log as the store sees it, over the journal.

use std::sync::Arc;

use backstop_core::canonical;
use backstop_core::digest::Digest;
use backstop_core::entry::Control;
use backstop_journal::{
    Journal, JournalError, Options, SealedText, SigningKey, TextDigest, TextState,
};
use backstop_store::{Ledger, LedgerError, LedgerFuture};

use super::Home;
use crate::failure::{Code, Failure, Outcome};

/// Opens one of the two logs for writing.
///
/// # Errors
/// When another process has it open, it cannot be read, or its integrity is broken.
pub fn open_journal(home: &Home, log: &str, key: SigningKey) -> Outcome<Arc<Journal>> {
    let origin = key.name().to_owned();
    Journal::open(&home.journal(log), &origin, key, Options::default())
        .map(Arc::new)
        .map_err(|e| {
            let code = if e.is_integrity() {
                Code::Integrity
            } else {
                Code::Failed
            };
            Failure::new(format!("cannot open the {log} log"))
                .because(e)
                .code(code)
        })
}

/// The control log.
pub struct ControlLedger {
    journal: Arc<Journal>,
}

impl ControlLedger {
    /// The log in `journal`.
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal }
    }

    fn put(&self, entry: &Control, texts: Vec<(Digest, Vec<u8>)>) -> Result<u64, LedgerError> {
        let bytes = canonical::to_bytes(entry).map_err(|e| LedgerError(e.to_string()))?;
        let mut sealed = Vec::with_capacity(texts.len());
        for (name, bytes) in texts {
            let text = SealedText::new(bytes).map_err(told)?;
            if text.digest().0 != name.0 {
                return Err(LedgerError(
                    "a sealed text does not have the name that its entry gives it".into(),
                ));
            }
            sealed.push(text);
        }
        if sealed.len() > 1 {
            return Err(LedgerError("a control entry can have one text only".into()));
        }
        self.journal
            .append(&bytes, sealed.first())
            .map(|t| t.index)
            .map_err(told)
    }
}

impl Ledger for ControlLedger {
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a> {
        Box::pin(async move {
            let index = self.put(entry, texts)?;
            self.journal.durable(index).await.map_err(told)?;
            Ok(index)
        })
    }

    fn size(&self) -> u64 {
        self.journal.size()
    }

    fn read(&self, index: u64) -> Result<Control, LedgerError> {
        let bytes = self.journal.read(index).map_err(told)?;
        serde_json::from_slice(&bytes)
            .map_err(|e| LedgerError(format!("control entry {index} cannot be read: {e}")))
    }

    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError> {
        match self.journal.text(TextDigest(digest.0)).map_err(told)? {
            TextState::Present(bytes) => Ok(Some(bytes)),
            TextState::Erased => Ok(None),
            TextState::Unknown => Err(LedgerError(format!(
                "the text {} is missing",
                digest.short()
            ))),
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn told(error: JournalError) -> LedgerError {
    LedgerError(error.to_string().replace("\nhint: ", "; hint: "))
}
