//! A credential that should not have been presented, written down, and its presenter halted where it is known.

use backstop_core::entry::Event;
use backstop_store::Store;

/// Writes it down. `presenter` is the lease that presented it, where that is proved: nobody can freeze others.
pub(crate) async fn note(store: &Store, presenter: Option<&str>, source: &str, what: &str) {
    let event = Event::Mismatch {
        lease: presenter.map(str::to_owned),
        source: source.to_owned(),
        what: what.to_owned(),
    };
    if let Err(error) = store.note(event).await {
        tracing::error!(%error, "a mismatch was not journaled");
    }
}

/// Halts a lease. With `reads` it may still read.
pub(crate) async fn halt(store: &Store, lease: &str, why: &str, reads: bool) {
    if let Err(error) = store.halt(Some(lease), why, reads).await {
        tracing::error!(%error, lease, "a lease was not halted");
    }
}
