//! What an undo would do, or did: for people, for the journal, for scripts.

use serde::{Deserialize, Serialize};

/// The whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Each table that the images are about.
    pub(crate) tables: Vec<TableSummary>,
    /// The first conflicts of each table, row by row.
    pub(crate) conflicts: Vec<Conflict>,
    /// The triggers that were switched off while it was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) triggers_off: Vec<String>,
    /// How long it took to find out, ms.
    pub(crate) millis: u64,
}

/// One table, in rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableSummary {
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// Rows that are gone and come back.
    pub(crate) back: u64,
    /// Rows that were added and go.
    pub(crate) remove: u64,
    /// Rows that get their old content again.
    pub(crate) revert: u64,
    /// Rows that are as they were already.
    pub(crate) already: u64,
    /// Rows that are not as the transaction left them.
    pub(crate) conflicts: u64,
}

/// A row that is not as the transaction left it. Rows are shown up to 2,000 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Conflict {
    /// The table's schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) table: String,
    /// The row's key as a PostgreSQL record; none where the table has no key.
    pub(crate) key: Option<String>,
    /// What the transaction left, as a record; none when no row.
    pub(crate) expected: Option<String>,
    /// What is there; none when no row.
    pub(crate) there: Option<String>,
    /// What is wrong, one sentence.
    pub(crate) why: String,
}

impl Summary {
    /// How many rows conflict, listed or not.
    pub(crate) fn conflicts_in_all(&self) -> u64 {
        self.tables.iter().map(|t| t.conflicts).sum()
    }
}
