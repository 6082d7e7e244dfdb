//! The seam to the journal: where control entries go before they count.

use std::future::Future;
use std::pin::Pin;

use backstop_core::digest::Digest;
use backstop_core::entry::Control;

/// A journal that does not take or give an entry.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// What an append resolves to: the entry's index, once it is durable.
pub type LedgerFuture<'a> = Pin<Box<dyn Future<Output = Result<u64, LedgerError>> + Send + 'a>>;

/// The control log.
pub trait Ledger: Send + Sync {
    /// Appends `entry` with sealed texts beside it, and resolves when all of it is durable (invariant 2).
    fn append<'a>(&'a self, entry: &'a Control, texts: Vec<(Digest, Vec<u8>)>) -> LedgerFuture<'a>;

    /// How many entries there are.
    fn size(&self) -> u64;

    /// The entry at `index`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, index: u64) -> Result<Control, LedgerError>;

    /// The sealed text with this digest, if it was not erased.
    ///
    /// # Errors
    /// When it cannot be read.
    fn text(&self, digest: Digest) -> Result<Option<Vec<u8>>, LedgerError>;
}
