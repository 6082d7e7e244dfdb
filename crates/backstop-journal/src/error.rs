//! What can go wrong with a journal, in words a person can act on.
//!
//! Messages carry paths, sizes and indexes; never the bytes of an entry, a text or a key.

use std::{io, path::PathBuf, sync::Arc};

/// Why the journal did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused a file operation.
    #[error("cannot {what} `{path}`: {source}\nhint: {}", io_hint(source))]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// What is on disk is not what was written.
    #[error(
        "journal integrity is broken in `{file}`{}: {what}\nhint: keep the directory as it is and compare it with a backup; `backstop journal verify` lists every finding",
        at_entry(*entry)
    )]
    Integrity {
        /// The file, relative to the journal's directory.
        file: String,
        /// The entry concerned, where one can be named.
        entry: Option<u64>,
        /// What is wrong.
        what: String,
    },
    /// Another process has the journal open for writing.
    #[error(
        "the journal `{path}` is already open in another process\nhint: one directory has one writer; stop the other one first"
    )]
    Locked {
        /// The journal's directory.
        path: PathBuf,
    },
    /// An earlier write failed; nothing is accepted until the journal is opened again.
    #[error(
        "the journal has stopped after a failure: {why}\nhint: mend the cause, then restart; nothing acts while the journal cannot record it"
    )]
    Failed {
        /// The first failure.
        why: Arc<str>,
    },
    /// The journal has been closed.
    #[error("the journal is closed\nhint: open it again before appending")]
    Closed,
    /// An entry or text is beyond the format's limit.
    #[error(
        "{what} of {size} bytes is larger than the limit of {limit}\nhint: put long content into a text, and its digest into the entry"
    )]
    TooLarge {
        /// Which of the two.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The largest size in bytes.
        limit: usize,
    },
    /// A sealed text is too short to be one.
    #[error(
        "a sealed text of {size} bytes is shorter than {least}\nhint: seal texts with an authenticated cipher before handing them over"
    )]
    TextTooShort {
        /// Its size in bytes.
        size: usize,
        /// The smallest size in bytes.
        least: usize,
    },
    /// No such entry.
    #[error("the journal has no entry {index}; it holds {size}\nhint: the first entry is 0")]
    NoEntry {
        /// The index asked for.
        index: u64,
        /// How many entries there are.
        size: u64,
    },
    /// The entry has passed its retention.
    #[error(
        "entry {index} was pruned; the oldest one kept is {minimum}\nhint: its hash remains, so proofs about it still hold"
    )]
    Pruned {
        /// The index asked for.
        index: u64,
        /// The oldest index kept.
        minimum: u64,
    },
    /// A proof was asked for sizes that do not go together.
    #[error("cannot prove that: {what}\nhint: sizes count entries; the smaller comes first")]
    NoProof {
        /// Why not.
        what: String,
    },
    /// A key's text could not be used.
    #[error("cannot use the journal key: {what}\nhint: {hint}")]
    Key {
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A checkpoint's text could not be used.
    #[error(
        "cannot accept the checkpoint: {what}\nhint: a checkpoint is a signed note (c2sp.org/tlog-checkpoint); give the file whole, and the key of this journal"
    )]
    Checkpoint {
        /// What is wrong with it.
        what: String,
    },
}

/// What a journal function returns.
pub type Result<T> = std::result::Result<T, JournalError>;

impl JournalError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.into(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn integrity(
        file: impl Into<String>,
        entry: Option<u64>,
        what: impl Into<String>,
    ) -> Self {
        Self::Integrity {
            file: file.into(),
            entry,
            what: what.into(),
        }
    }

    /// Whether this says that the journal's integrity is broken (exit code 4).
    pub fn is_integrity(&self) -> bool {
        matches!(self, Self::Integrity { .. })
    }
}

fn at_entry(entry: Option<u64>) -> String {
    entry
        .map(|index| format!(" at entry {index}"))
        .unwrap_or_default()
}

fn io_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that disk; until then actions are refused"
        }
        io::ErrorKind::PermissionDenied => {
            "the journal belongs to Backstop's own user; run as that user"
        }
        io::ErrorKind::NotFound => "check the journal's directory in the configuration",
        _ => "check the disk and the kernel's log",
    }
}
