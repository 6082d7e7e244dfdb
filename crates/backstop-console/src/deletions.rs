//! The seam to the vault, as far as the console has to do with it: which deletions are scheduled, and cancelling one.
//! Whoever gives the console this checks nothing; the vault checks every signature itself.

use std::future::Future;
use std::pin::Pin;

use backstop_core::deletion::{Cancellation, Scheduled};

/// What is answered, or why not, in words for people.
pub type DeletionsFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Deletions from the vault.
pub trait Deletions: Send + Sync {
    /// The vault's name, and the deletions that are asked for and not done.
    fn scheduled(&self) -> DeletionsFuture<'_, (String, Vec<Scheduled>)>;

    /// Hands on one person's word that a deletion is not to be done.
    fn cancel(&self, signed: Cancellation) -> DeletionsFuture<'_, ()>;
}
