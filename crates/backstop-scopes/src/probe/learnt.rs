//! What a provider's answers come to: data that the report takes over.

use serde::Serialize;

use crate::kinds::Backups;
use crate::report::Severity;

/// What asking a provider brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Learnt {
    /// How much the credential could destroy.
    #[serde(skip)]
    pub severity: Severity,
    /// The worst it could do, in one sentence.
    #[serde(skip)]
    pub sentence: String,
    /// Whether backups are within its reach.
    #[serde(skip)]
    pub backups: Backups,
    /// What that means.
    #[serde(skip)]
    pub backups_say: String,
    /// What proves the sentence, worst first.
    #[serde(skip)]
    pub evidence: Vec<String>,
    /// How to narrow it, where the answers say more than the table of kinds.
    #[serde(skip)]
    pub narrow: Option<String>,
    /// What was not answered, each with what to look at by hand.
    pub unknown: Vec<String>,
    /// The stores of data that it sees, with their backups.
    pub stores: Vec<Store>,
    /// Every call that was made, in order: name, method, host, path.
    pub asked: Vec<String>,
}

/// Whether something can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Can {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// It was not answered, or depends on conditions that were not known.
    Unknown,
}

/// Something that holds data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Store {
    /// What it is: `database`, `bucket`, `table`, `volume`, `claim`.
    pub sort: &'static str,
    /// Its name.
    pub name: String,
    /// Where it lies: a region, a namespace, an environment.
    pub at: String,
    /// Whether the credential can delete it.
    pub destroyed: Can,
    /// What stands in the way of that, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection: Option<String>,
    /// Where its backups are, with their names and whether the same credential reaches them.
    pub backups: Vec<Copies>,
    /// When anybody last restored one of them, as far as Backstop knows: only its own drills say so.
    pub restored: Option<String>,
}

/// Backups of one sort, of one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copies {
    /// What they are and where: `snapshots in the same account`.
    pub what: String,
    /// How many; none where only their window is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// When the newest was made, RFC 3339.
    pub newest: Option<String>,
    /// Whether the credential can delete them.
    pub destroyed: Can,
    /// Until when a lock holds them, if one does, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
}

impl Store {
    /// In one line, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let can = match self.destroyed {
            Can::Yes => "can be deleted",
            Can::No => "cannot be deleted by it",
            Can::Unknown => "deletion not known",
        };
        let mut out = format!("{} `{}` ({}): {can}", self.sort, self.name, self.at);
        if let Some(protection) = &self.protection {
            out.push_str(&format!(", {protection}"));
        }
        if self.backups.is_empty() {
            out.push_str("; no backup of it is seen");
        }
        for copies in &self.backups {
            let number = copies.count.map(|n| format!("{n} ")).unwrap_or_default();
            out.push_str(&format!("; {number}{}", copies.what));
            if let Some(newest) = &copies.newest {
                out.push_str(&format!(", newest {newest}"));
            }
            out.push_str(match (&copies.locked, copies.destroyed) {
                (Some(_), _) => ", ",
                (None, Can::Yes) => ", within its reach",
                (None, Can::No) => ", out of its reach",
                (None, Can::Unknown) => ", whether within its reach is not known",
            });
            out.push_str(copies.locked.as_deref().unwrap_or_default());
        }
        out.push_str(&match &self.restored {
            Some(when) => format!("; {when}"),
            None => "; whether anybody ever restored one is not known".to_owned(),
        });
        out
    }
}
