//! What verification found, as data: for people, for `--json`, and for the exit code.

use backstop_core::digest::Digest;
use serde::Serialize;

use crate::error::VaultError;

/// Findings beyond this many are counted, not kept.
const KEPT: usize = 1000;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Bytes that are not those that were written.
    Changed,
    /// Something that must be there is not.
    Missing,
    /// Something shorter or longer than it was.
    Length,
    /// Something that does not belong there.
    Surplus,
    /// A link, a pipe, or anything else that is no plain file.
    Kind,
    /// Something that others may write to.
    Open,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// The file, relative to the vault's directory.
    pub file: String,
    /// The object concerned, where one can be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Digest>,
    /// The bytes of the file between which the damage lies: first, and first after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<(u64, u64)>,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The newest record's number.
    pub sequence: u64,
    /// The newest record's hash: a later vault must still have this record.
    pub head: Option<Digest>,
    /// How many objects there are.
    pub objects: u64,
    /// How many bytes of objects were read and hashed.
    pub bytes: u64,
    /// How many files were looked at.
    pub files: u64,
    /// Whether the vault was being served.
    pub live: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many more findings there are than are kept here.
    pub more_findings: u64,
    /// What is unusual and not wrong.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() >= KEPT {
            self.more_findings += 1;
            return;
        }
        self.findings.push(finding);
    }

    /// A finding about a file as a whole.
    pub(crate) fn file(
        &mut self,
        kind: FindingKind,
        file: impl Into<String>,
        what: impl Into<String>,
    ) {
        self.find(Finding {
            kind,
            file: file.into(),
            object: None,
            bytes: None,
            what: what.into(),
        });
    }

    /// A finding about a stretch of a file.
    pub(crate) fn stretch(&mut self, file: &str, from: u64, to: u64, what: impl Into<String>) {
        self.find(Finding {
            kind: FindingKind::Changed,
            file: file.to_owned(),
            object: None,
            bytes: Some((from, to)),
            what: what.into(),
        });
    }

    /// A finding about an object.
    pub(crate) fn object(
        &mut self,
        kind: FindingKind,
        name: Digest,
        bytes: Option<(u64, u64)>,
        what: impl Into<String>,
    ) {
        self.find(Finding {
            kind,
            file: object_file(&name),
            object: Some(name),
            bytes,
            what: what.into(),
        });
    }

    pub(crate) fn error(&mut self, file: &str, error: &VaultError) {
        let (file, what) = match error {
            VaultError::Integrity { file, what } => (file.clone(), what.clone()),
            other => {
                let text = other.to_string();
                (
                    file.to_owned(),
                    text.lines().next().unwrap_or_default().to_owned(),
                )
            }
        };
        self.file(FindingKind::Changed, file, what);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// Where an object's file lies, relative to the vault's directory.
pub(crate) fn object_file(name: &Digest) -> String {
    let hex = name.to_hex();
    format!("objects/{}/{hex}", hex.get(..2).unwrap_or_default())
}
