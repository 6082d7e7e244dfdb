//! What a held action did when it was first run on a drill's copy. It is to be read and decides nothing: whoever holds
//! the copy could say anything, and the copy is as old as its recovery point.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The most tables, locks or objects that are told of.
const MOST: usize = 50;
/// The longest name, in characters.
const NAME: usize = 200;

/// A rehearsal: figures, names of the database's objects, and nothing of its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearsal {
    /// The recovery point that the copy was restored from; none where nothing was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Digest>,
    /// How it went.
    pub end: Ended,
    /// How long the action itself took there, in milliseconds.
    pub milliseconds: u64,
    /// The locks it held at its end that reads do not take, the strongest of each relation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<Lock>,
    /// What it did to the rows of which table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<Rows>,
    /// Objects that were gone, as PostgreSQL describes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// How many more objects were gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gone_more: u64,
    /// Bringing back what was lost.
    pub undo: Undo,
}

/// How a rehearsal went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how", deny_unknown_fields)]
pub enum Ended {
    /// It ran to its end, and was rolled back.
    Ran,
    /// The server refused it.
    Failed {
        /// The SQLSTATE, five letters or digits.
        sqlstate: String,
    },
    /// It was cut off.
    CutOff {
        /// At which bound.
        at: Bound,
    },
    /// It was not run.
    Not {
        /// Why.
        why: Why,
    },
}

/// What a rehearsal is bounded by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// It took too long.
    Time,
    /// It answered too much.
    Answer,
    /// It took too much room on disk.
    Room,
}

/// Why an action was not rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// No copy answers.
    NoCopy,
    /// The copy is of a point that the gate does not know.
    UnknownPoint,
    /// It cannot run inside a transaction, so it could not be taken back.
    NoTransaction,
    /// It stands inside a transaction of the agent's that texts alone do not tell: parameters or data came with it, or
    /// more statements than are kept.
    InsideTransaction,
    /// Its parameters cannot be passed on: their types are the database's own.
    Parameters,
    /// The copy has no role to run it as.
    NoRole,
    /// It is too long.
    TooLong,
    /// Others wait, or this lease has had its share.
    Busy,
    /// The copy was lost while it ran.
    Lost,
    /// It ended the transaction it ran in; the copy is thrown away.
    Escaped,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The relation, as PostgreSQL prints it.
    pub relation: String,
    /// Its mode, as `pg_locks` has it: `RowExclusiveLock`.
    pub mode: String,
}

/// What was done to the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// The table, as PostgreSQL prints it.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted, one by one or with the whole table.
    pub deleted: u64,
}

/// Bringing back what was lost, there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how", deny_unknown_fields)]
pub enum Undo {
    /// Nothing was lost.
    Nothing,
    /// All of it was brought back, and compared with what had been there.
    Took {
        /// How long it took, in milliseconds.
        milliseconds: u64,
    },
    /// It was not measured.
    Not {
        /// Why.
        why: NotMeasured,
    },
}

/// Why an undo was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotMeasured {
    /// The action did not run to its end.
    NotRun,
    /// A table that was changed has no key to find its rows by.
    NoKey,
    /// It cannot be brought back in a way that is rehearsed.
    Unsuited,
    /// It took too long.
    Time,
    /// Bringing it back failed there.
    Failed,
    /// What came back was not all that had been there.
    Otherwise,
}

impl Rehearsal {
    /// One that was not run.
    #[must_use]
    pub const fn not(why: Why) -> Self {
        Self::without_figures(Ended::Not { why })
    }

    /// One without figures.
    #[must_use]
    pub const fn without_figures(end: Ended) -> Self {
        Self {
            point: None,
            end,
            milliseconds: 0,
            locks: vec![],
            tables: vec![],
            gone: vec![],
            gone_more: 0,
            undo: Undo::Not {
                why: NotMeasured::NotRun,
            },
        }
    }

    /// The same within bounds, in one line a name: what is too much is left out. Whoever holds the copy may lie.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        if let Ended::Failed { sqlstate } = &mut self.end
            && !(sqlstate.len() == 5 && sqlstate.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            "XX000".clone_into(sqlstate);
        }
        self.locks.truncate(MOST);
        self.tables.truncate(MOST);
        let surplus = self.gone.len().saturating_sub(MOST);
        self.gone_more = self
            .gone_more
            .saturating_add(u64::try_from(surplus).unwrap_or(u64::MAX));
        self.gone.truncate(MOST);
        for lock in &mut self.locks {
            lock.relation = short(&lock.relation);
            lock.mode = short(&lock.mode);
        }
        for rows in &mut self.tables {
            rows.table = short(&rows.table);
        }
        for name in &mut self.gone {
            *name = short(name);
        }
        self
    }

    /// How it went, in one sentence without names.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.end {
            Ended::Ran => format!("it ran in {}, and was rolled back", span(self.milliseconds)),
            Ended::Failed { sqlstate } => {
                format!("it failed there: {} ({sqlstate})", class(sqlstate))
            }
            Ended::CutOff { at } => format!(
                "it was cut off there after {}: {}",
                span(self.milliseconds),
                match at {
                    Bound::Time => "it took too long",
                    Bound::Answer => "it answered too much",
                    Bound::Room => "it took too much room",
                }
            ),
            Ended::Not { why } => format!("not rehearsed: {}", why.sentence()),
        }
    }

    /// Rows that were changed or deleted.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let of = |rows: &Rows| rows.updated.saturating_add(rows.deleted);
        self.tables.iter().map(of).fold(0, u64::saturating_add)
    }
}

impl Lock {
    /// What it means for everybody else, in words.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match self.mode.as_str() {
            "AccessExclusiveLock" => "nobody else reads or writes it meanwhile",
            "ExclusiveLock" | "ShareRowExclusiveLock" | "ShareLock" => {
                "nobody else writes it meanwhile"
            }
            _ => "others go on reading and writing it",
        }
    }
}

impl Why {
    /// In words.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoCopy => "no copy of the database answers",
            Self::UnknownPoint => "the copy is of no recovery point that the gate knows",
            Self::NoTransaction => "it cannot run inside a transaction",
            Self::InsideTransaction => {
                "it stands inside a transaction that the copy cannot be given: parameters or data came with it"
            }
            Self::Parameters => "its parameters are of the database's own types",
            Self::NoRole => "the copy has no such role",
            Self::TooLong => "it is too long",
            Self::Busy => "too many others are rehearsed",
            Self::Lost => "the copy was lost while it ran",
            Self::Escaped => "it ended its transaction itself, and the copy was thrown away",
        }
    }
}

impl Undo {
    /// In words.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Nothing => "it lost nothing".to_owned(),
            Self::Took { milliseconds } => format!(
                "all that it lost was brought back there in {}",
                span(*milliseconds)
            ),
            Self::Not { why } => format!(
                "how long an undo takes was not measured: {}",
                match why {
                    NotMeasured::NotRun => "it did not run to its end",
                    NotMeasured::NoKey => "a table has no key to find its rows by",
                    NotMeasured::Unsuited => "it is neither rows nor whole objects alone",
                    NotMeasured::Time => "it took too long",
                    NotMeasured::Failed => "bringing it back failed there",
                    NotMeasured::Otherwise => "not all came back as it had been",
                }
            ),
        }
    }
}

/// What a SQLSTATE says, by its class: the server's own words can hold rows.
fn class(sqlstate: &str) -> &'static str {
    match (sqlstate, sqlstate.get(..2).unwrap_or_default()) {
        ("57014", _) => "it was cancelled",
        ("55P03", _) => "a lock could not be had",
        (_, "08") => "the connection was lost",
        (_, "22") => "a value does not fit",
        (_, "23") => "a constraint forbids it",
        (_, "25") => "the transaction does not allow it",
        (_, "2B") => "other objects depend on it",
        (_, "40") => "the transaction was rolled back",
        ("42501", _) => "the role may not do that",
        (_, "42") => "the copy has no such object, or the statement is wrong",
        (_, "53") => "the copy had no room for it",
        (_, "54") => "it goes past a limit of the server",
        (_, "P0") => "code of the database's raised an error",
        _ => "the server refused it",
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn short(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(NAME)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(NAME).is_some() {
        line.push('…');
    }
    line
}

/// Rounded down to its two largest units.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..10 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_liar_says_is_bounded() {
        let name = || "x\n".repeat(10_000);
        let lie = Rehearsal {
            locks: vec![
                Lock {
                    relation: name(),
                    mode: name(),
                };
                1_000
            ],
            tables: vec![
                Rows {
                    table: name(),
                    inserted: u64::MAX,
                    updated: u64::MAX,
                    deleted: u64::MAX,
                };
                1_000
            ],
            gone: vec![name(); 1_000],
            gone_more: u64::MAX,
            ..Rehearsal::without_figures(Ended::Failed {
                sqlstate: "<script>".to_owned(),
            })
        }
        .bounded();
        assert!(serde_json::to_vec(&lie).unwrap().len() < 100_000);
        assert!(!lie.gone.iter().any(|name| name.contains('\n')));
        assert_eq!((lie.gone.len(), lie.gone_more), (MOST, u64::MAX));
        assert_eq!(lie.lost(), u64::MAX);
        assert!(lie.sentence().ends_with("(XX000)"), "{}", lie.sentence());
    }

    #[test]
    fn an_error_is_told_by_its_class_alone() {
        let failed = |sqlstate: &str| {
            Rehearsal::without_figures(Ended::Failed {
                sqlstate: sqlstate.to_owned(),
            })
            .sentence()
        };
        assert_eq!(
            failed("23503"),
            "it failed there: a constraint forbids it (23503)"
        );
        assert_eq!(
            failed("2BP01"),
            "it failed there: other objects depend on it (2BP01)"
        );
    }
}
