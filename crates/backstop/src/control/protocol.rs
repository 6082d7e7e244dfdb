//! What goes over the control socket: one JSON request on a line, one or more JSON replies, each on a line.

use backstop_core::digest::Digest;
use backstop_core::entry::{AdoptedCredential, Event};
use backstop_core::scope::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Code;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How things stand.
    Status,
    /// The leases, ended ones too if `all`.
    Leases {
        /// Whether ended ones too.
        all: bool,
    },
    /// What a lease holds, its role's roads at the target included: read only.
    LeaseView {
        /// The lease.
        lease: String,
    },
    /// A lease, which a person must approve; replies [`Reply::Held`] first, then the DSN.
    LeaseCreate(LeaseAsk),
    /// A narrower lease than `parent`, at once.
    LeaseChild {
        /// The parent.
        parent: String,
        /// Why the agent gets access.
        task: String,
        /// How long it lives.
        ttl_seconds: u64,
        /// What it may do.
        scopes: Vec<Scope>,
    },
    /// Reads the configuration again, at once.
    Reload,
    /// Writes down that credentials in a file are about to be replaced, or were put back.
    Note(Box<AdoptNote>),
    /// Ends a lease.
    LeaseRevoke {
        /// The lease.
        lease: String,
    },
    /// Takes scopes or time from a lease.
    LeaseNarrow {
        /// The lease.
        lease: String,
        /// The scopes that are left.
        scopes: Option<Vec<Scope>>,
        /// How long it still lives.
        ttl_seconds: Option<u64>,
    },
    /// The holds, closed ones too if `all`.
    Holds {
        /// Whether closed ones too.
        all: bool,
    },
    /// One hold and its page.
    Hold {
        /// The hold.
        hold: String,
    },
    /// The red button.
    Halt {
        /// The lease; none for everything.
        lease: Option<String>,
        /// Why.
        why: String,
    },
    /// Asks for a halt to be lifted.
    Resume {
        /// The lease; none for everything.
        lease: Option<String>,
        /// Whether to wait for a person.
        wait: bool,
    },
    /// Lets only reads pass.
    Freeze {
        /// Why.
        why: String,
    },
    /// Asks for the freeze to be lifted.
    Unfreeze {
        /// Whether to wait for a person.
        wait: bool,
    },
    /// What an undo would do, or doing it.
    Undo {
        /// The images, the newest first.
        images: Vec<UndoImage>,
        /// Whether to do it.
        apply: bool,
        /// Whether rows that were changed since are left as they are.
        leave_conflicts: bool,
        /// Whether triggers that do not let rows come back are switched off.
        #[serde(default)]
        without_triggers: bool,
    },
    /// The report of a drill, as it was signed.
    Drilled {
        /// The signed note.
        report: String,
    },
    /// The people who can decide, with the public halves of their passkeys.
    People,
    /// Entries of a log.
    Entries {
        /// `control` or `traffic`.
        log: String,
        /// The first; the newest `count` if none.
        from: Option<u64>,
        /// At most this many.
        count: u64,
    },
    /// One entry with its text.
    Entry {
        /// `control` or `traffic`.
        log: String,
        /// Which.
        index: u64,
    },
}

/// The opened images of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoImage {
    /// The `images` entry of the traffic log that they must belong to.
    pub entry: u64,
    /// The file that they are in; the gate believes its content only if the journal has its digest.
    pub file: std::path::PathBuf,
}

/// What is written down of a file that is adopted. Names and digests only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AdoptNote {
    /// Credentials are about to be replaced.
    Adopted {
        /// The file.
        file: String,
        /// Salted digest of the file until now.
        original: Digest,
        /// Salted digest of the file from now on.
        written: Digest,
        /// What is replaced.
        credentials: Vec<AdoptedCredential>,
    },
    /// They are about to be put back.
    Undone {
        /// The file.
        file: String,
        /// Whether it will be byte for byte what it was.
        whole: bool,
        /// What is not put back.
        left: Vec<String>,
        /// The leases that end with it.
        leases: Vec<String>,
    },
}

impl From<AdoptNote> for Event {
    fn from(note: AdoptNote) -> Self {
        match note {
            AdoptNote::Adopted {
                file,
                original,
                written,
                credentials,
            } => Self::Adopted {
                file,
                original,
                written,
                credentials,
            },
            AdoptNote::Undone {
                file,
                whole,
                left,
                leases,
            } => Self::AdoptionUndone {
                file,
                whole,
                left,
                leases,
            },
        }
    }
}

/// The lease that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseAsk {
    /// The target.
    pub target: String,
    /// Why the agent gets access.
    pub task: String,
    /// How long it lives.
    pub ttl_seconds: u64,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What it may do at HTTP APIs besides: the API, and one scope there.
    #[serde(default)]
    pub also: Vec<(String, Scope)>,
    /// Whether to wait for a person.
    pub wait: bool,
    /// Whether it stands in for a credential that a program has for good, and may live longer than an agent's task.
    #[serde(default)]
    pub standing: bool,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Reply {
    /// A person must decide; another reply follows unless the request said not to wait.
    Held(Held),
    /// What was asked for.
    Done {
        /// The answer.
        value: Value,
    },
    /// It was not done.
    Failed {
        /// What failed.
        what: String,
        /// Why.
        causes: Vec<String>,
        /// What to do next.
        hint: Option<String>,
        /// The exit code.
        exit: Code,
    },
}

/// A hold that the request became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hold.
    pub hold: String,
    /// One sentence.
    pub summary: String,
    /// Its page.
    pub link: String,
    /// When it expires: Unix time in milliseconds.
    pub decide_by_ms: i64,
    /// How many people are enrolled, and could decide it.
    pub enrolled: usize,
}

/// An entry whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryWithText {
    /// The entry.
    pub row: crate::entries::Row,
    /// Its text, opened; null where it has none.
    pub text: Value,
}

/// What a granted lease gives, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The lease.
    pub lease: String,
    /// The target.
    pub target: String,
    /// When it ends: Unix time in milliseconds.
    pub expires_ms: i64,
    /// What the agent connects with; empty where the target is no database. The secret in it is stored nowhere.
    pub dsn: String,
    /// What the agent puts into its environment for HTTP APIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<(String, String)>,
}

impl Reply {
    /// An answer.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn done<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::Done {
            value: serde_json::to_value(value)?,
        })
    }

    /// A failure.
    pub fn failed(failure: &crate::failure::Failure) -> Self {
        Self::Failed {
            what: failure.what.clone(),
            causes: failure.causes.clone(),
            hint: failure.hint.clone(),
            exit: failure.code,
        }
    }
}
