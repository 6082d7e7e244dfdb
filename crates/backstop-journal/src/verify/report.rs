//! What verification found, as data: for people, for `--json`, and for the exit code.

use serde::Serialize;

use crate::{error::JournalError, hash::Hash};

/// Findings beyond this many are counted, not kept.
const KEPT: usize = 1000;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The checkpoint, or another signed note, is not one of this log's key.
    Checkpoint,
    /// The tree over the entries is not the signed one.
    Root,
    /// The journal is older than it once was, or another history.
    Rollback,
    /// A hash tile is not that of the entries.
    Tile,
    /// An entry bundle does not hold the entries of the tree.
    Bundle,
    /// A segment does not hold what was written.
    Segment,
    /// A text is not the one that was written, or not where it belongs.
    Text,
    /// A file that must be there is not.
    Missing,
    /// A file that does not belong there.
    Unknown,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// The file, relative to the journal's directory.
    pub file: String,
    /// The entry concerned, where one can be named.
    pub entry: Option<u64>,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// The signed root over them.
    pub root: Option<Hash>,
    /// How many entries are there, those that are not yet signed included.
    pub entries: u64,
    /// The oldest entry that retention keeps.
    pub minimum: u64,
    /// How many texts are there, and how many were erased.
    pub texts: u64,
    /// How many of the texts were erased.
    pub erased: u64,
    /// How many files were looked at.
    pub files: u64,
    /// Whether a writer had the journal open.
    pub live: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many more findings there are than are kept here.
    pub more_findings: u64,
    /// What is unusual and not wrong.
    pub notes: Vec<String>,
}

impl Report {
    pub(super) fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            size: 0,
            root: None,
            entries: 0,
            minimum: 0,
            texts: 0,
            erased: 0,
            files: 0,
            live: false,
            findings: Vec::new(),
            more_findings: 0,
            notes: Vec::new(),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn find(
        &mut self,
        kind: FindingKind,
        file: impl Into<String>,
        entry: Option<u64>,
        what: impl Into<String>,
    ) {
        if self.findings.len() >= KEPT {
            self.more_findings += 1;
            return;
        }
        let (file, what) = (file.into(), what.into());
        self.findings.push(Finding {
            kind,
            file,
            entry,
            what,
        });
    }

    pub(super) fn find_error(&mut self, kind: FindingKind, file: &str, error: &JournalError) {
        if let JournalError::Integrity { file, entry, what } = error {
            self.find(kind, file.clone(), *entry, what.clone());
        } else {
            let said = error.to_string();
            self.find(kind, file, None, said.lines().next().unwrap_or_default());
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}
