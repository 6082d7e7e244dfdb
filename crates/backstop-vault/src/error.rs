//! What can go wrong with the vault, in words a person can act on.
//!
//! Messages carry paths, names and sizes; never the bytes of an object or of a key.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

/// Why the vault refused, as it says so over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The vault has no room for this class.
    Full,
    /// The lease has used up what it may store.
    LeaseFull,
    /// What arrived is not what its name says.
    WrongHash,
    /// Something is beyond a limit of the protocol.
    TooLarge,
    /// A message that cannot be read, or is out of its order.
    Malformed,
    /// This connection may not ask for that.
    NotAllowed,
    /// A checkpoint that does not follow from what was cosigned before.
    Inconsistent,
    /// There is no such object, request or log.
    Unknown,
    /// Too many uploads or connections at a time.
    Busy,
    /// The clock is not to be trusted, so nothing is deleted.
    Frozen,
    /// Retention has not ended, or people have not signed.
    TooEarly,
    /// The vault has stopped after a failure of its own.
    Stopped,
}

/// A refusal with its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which kind of refusal.
    pub code: Refusal,
    /// What was refused and why, in a sentence.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// Why something that has to do with the vault was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VaultError {
    /// The operating system refused a file or socket operation.
    #[error("cannot {what} `{path}`: {source}\nhint: {}", io_hint(source))]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// The file, directory or socket concerned.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// What is on disk is not what was written.
    #[error(
        "the vault's integrity is broken in `{file}`: {what}\nhint: leave the directory as it is and run `backstop vault verify`, which lists every finding"
    )]
    Integrity {
        /// The file, relative to the vault's directory.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// The vault said no.
    #[error("the vault refused: {}\nhint: {}", .0.what, .0.hint)]
    Refused(Fault),
    /// There is no connection to the vault.
    #[error(
        "cannot reach the vault at {at}: {what}\nhint: see that `backstop vault serve` runs and that the address and credentials under `[vault]` are its own; nothing is destroyed without it"
    )]
    Unreachable {
        /// Its address.
        at: String,
        /// What happened.
        what: String,
    },
    /// The vault did not answer in time. What was sent may have been stored; asking `has` tells.
    #[error(
        "the vault did not answer within {}\nhint: look at the vault's disk and load; `timeout` under `[vault]` sets how long to wait", seconds(*after)
    )]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// What came over the wire is not this protocol.
    #[error(
        "the vault's protocol was broken: {what}\nhint: gate and vault must be of the same version, and nothing but them on this address"
    )]
    Protocol {
        /// What was wrong.
        what: String,
    },
    /// A key or certificate could not be used.
    #[error("cannot use {what}\nhint: {hint}")]
    Key {
        /// Which, and why.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// The configuration or a directory is not as it must be.
    #[error("{what}\nhint: {hint}")]
    Setup {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: String,
    },
}

/// What a function of the vault returns.
pub type Result<T> = std::result::Result<T, VaultError>;

impl VaultError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            what,
            path: path.into(),
            source: Arc::new(source),
        }
    }

    pub(crate) fn integrity(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Integrity {
            file: file.into(),
            what: what.into(),
        }
    }

    pub(crate) fn refused(code: Refusal, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(Fault {
            code,
            what: what.into(),
            hint: hint.into(),
        })
    }

    pub(crate) fn setup(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Setup {
            what: what.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn key(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Key {
            what: what.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol { what: what.into() }
    }

    pub(crate) fn unreachable(at: impl Into<String>, what: impl ToString) -> Self {
        Self::Unreachable {
            at: at.into(),
            what: what.to_string(),
        }
    }

    /// Whether this says that what is stored is not what was written (exit code 4).
    pub fn is_integrity(&self) -> bool {
        matches!(self, Self::Integrity { .. })
    }

    /// Which kind of refusal it is, if the vault refused.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(fault) => Some(fault.code),
            _ => None,
        }
    }

    /// What is said about it to whoever is connected: refusals whole, the vault's own failures
    /// without its paths.
    pub(crate) fn outside(&self) -> Fault {
        match self {
            Self::Refused(fault) => fault.clone(),
            Self::Protocol { what } => Fault {
                code: Refusal::Malformed,
                what: what.clone(),
                hint: "gate and vault must be of the same version".to_owned(),
            },
            _ => Fault {
                code: Refusal::Stopped,
                what: "the vault failed on its own disk or files".to_owned(),
                hint: "read the vault's log on its machine; nothing is lost that it acknowledged"
                    .to_owned(),
            },
        }
    }
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f32())
}

fn io_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that disk; the vault drops nothing, so until then it refuses"
        }
        io::ErrorKind::PermissionDenied => {
            "the vault's directory belongs to the vault's own user; run as that user"
        }
        io::ErrorKind::NotFound => "make the vault with `backstop vault init`, or check the path",
        _ => "check the disk and the kernel's log",
    }
}
