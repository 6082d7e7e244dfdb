//! The journal: what was meant and what came of it, append-only and provable.
//!
//! One directory is one log in the C2SP formats tlog-tiles, tlog-checkpoint and signed-note, so that
//! others' tools can check it. Entries are opaque here. This is floor 2: it must not know gates, and
//! nothing in it may report an entry as durable before the disk has it.
//!
//! What lies where:
//!
//! - `segments/`: entries and texts as group commits wrote them, one fdatasync each; kept until full
//!   bundles hold the entries and text files the texts.
//! - `tile/`, `checkpoint`: the published log.
//! - `texts/`: sealed texts by their digest; erasable.
//! - `minimum-index`: a signed note, once retention has pruned old bundles.
//! - `lock`, `tmp/`: the writer's.

mod bundle;
mod checkpoint;
mod commit;
mod disk;
mod durable;
mod error;
mod frame;
mod hash;
mod journal;
mod key;
mod layout;
mod proofs;
mod publish;
mod recover;
mod retire;
mod segment;
mod shared;
mod store;
mod text;
mod text_file;
mod texts;
mod tree;
mod verify;
mod view;

pub use bundle::MAX_ENTRY;
pub use checkpoint::Checkpoint;
pub use disk::{Appender, Disk, RealDisk};
pub use durable::Durable;
pub use error::{JournalError, Result};
pub use hash::{Hash, leaf_hash, node_hash};
pub use journal::{Journal, Options, Ticket};
pub use key::{SigningKey, VerifierKey};
pub use proofs::{check_consistency, check_inclusion};
pub use recover::Recovery;
pub use text::{MAX_TEXT, MIN_TEXT, SealedText, TextDigest, TextState};
pub use verify::{Finding, FindingKind, Report, TextOf, VerifyOptions, verify};
