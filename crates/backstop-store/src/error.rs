//! What can go wrong in the store.

use backstop_core::hold::NotSpendable;

use crate::ledger::LedgerError;

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The journal did not take the entry; nothing has happened (invariant 2).
    #[error("the journal does not take entries: {0}")]
    Ledger(#[from] LedgerError),
    /// The index file cannot be read or written.
    #[error("the store's index: {0}")]
    Index(#[from] rusqlite::Error),
    /// An entry or record cannot be read back.
    #[error("a record cannot be read: {0}")]
    Format(#[from] serde_json::Error),
    /// The index knows entries that the journal lacks: the journal was set back.
    #[error(
        "the index has seen {index} journal entries but the journal holds only {journal}; hint: the journal directory was replaced by an older copy; restore it, or move the index file away after finding out why"
    )]
    JournalSetBack {
        /// Entries the index has applied.
        index: u64,
        /// Entries the journal holds.
        journal: u64,
    },
    /// There is no such thing.
    #[error("there is no {what} `{id}`")]
    Unknown {
        /// `lease`, `hold`, `person`.
        what: &'static str,
        /// The name asked for.
        id: String,
    },
    /// The hold is not open any more.
    #[error("the hold is {0} and cannot be decided")]
    NotOpen(&'static str),
    /// A lease has too many holds open, or made too many.
    #[error("the lease has {0}; hint: wait until a person has decided some of them")]
    TooManyHolds(String),
    /// The approval cannot be spent.
    #[error(transparent)]
    NotSpendable(#[from] NotSpendable),
    /// The challenge was not made here, was used, or has run out.
    #[error("this request to sign is not known or has run out; hint: load the page again")]
    UnknownChallenge,
    /// The passkey did not prove the person.
    #[error("the passkey was not accepted: {0}")]
    Passkey(String),
    /// The invitation to enrol is not valid.
    #[error("this invitation is not valid or was used; hint: ask for a new one")]
    BadInvitation,
    /// The lease cannot act.
    #[error("the lease is {0}")]
    LeaseNotActive(String),
    /// A change would give a lease more than it has.
    #[error("{0}; hint: ask for a new lease")]
    Widening(String),
    /// Sealing or opening failed.
    #[error(
        "a sealed text cannot be opened: the key is not the one that sealed it, or the text was changed"
    )]
    Seal,
    /// Random bytes could not be had.
    #[error("the system gives no random bytes")]
    Random,
    /// A value has no canonical form.
    #[error(transparent)]
    Canonical(#[from] backstop_core::canonical::CanonicalError),
    /// The person asked for something not allowed now.
    #[error("{0}")]
    Refused(String),
    /// A file beside the index.
    #[error("`{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}
