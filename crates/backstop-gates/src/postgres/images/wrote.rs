//! What goes into capturing, and what comes out.

use std::sync::Arc;

use backstop_core::digest::Digest;

use super::about::Sight;
use super::hint::Hint;
use super::sight;
use super::touched::Touched;
use crate::postgres::error::GateError;
use crate::postgres::question::Row;
use crate::postgres::upstream::ServerConnection;

/// What the transaction did to one relation, by the server's counters.
#[derive(Debug, Clone)]
pub(crate) struct Wrote {
    /// Its OID.
    pub(crate) relation: u32,
    /// Rows inserted, with those of rolled-back subtransactions.
    pub(crate) inserted: u64,
    /// Rows updated, likewise: each time that a row was.
    pub(crate) updated: u64,
    /// Rows deleted, likewise.
    pub(crate) deleted: u64,
    /// Conditions of rows that it may have changed; maybe of too few, maybe of too many.
    pub(crate) hints: Vec<Arc<Hint>>,
}

impl From<&Touched> for Wrote {
    fn from(touched: &Touched) -> Self {
        Self {
            relation: touched.relation,
            inserted: touched.inserted,
            updated: touched.updated,
            deleted: touched.deleted,
            hints: vec![],
        }
    }
}

/// What images may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Bytes written to the sink.
    pub(crate) bytes: u64,
    /// Milliseconds in all.
    pub(crate) millis: u64,
}

/// The agent's own open transaction.
pub(crate) trait Writer {
    /// Runs one simple query of the gate's in it, and gives back all rows of all its statements.
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError>;

    /// The same; an answer of more than `most` bytes is [`GateError::Oversized`]. Whoever can should drop what is too
    /// much while it comes, so that an agent's rows do not fill the gate's memory.
    async fn ask_within(&mut self, sql: &str, most: u64) -> Result<Vec<Row>, GateError> {
        let rows = self.ask(sql).await?;
        if sight::size(&rows) > most {
            return Err(GateError::Oversized(most));
        }
        Ok(rows)
    }
}

impl Writer for ServerConnection {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError> {
        Self::ask(self, sql).await
    }

    async fn ask_within(&mut self, sql: &str, most: u64) -> Result<Vec<Row>, GateError> {
        Self::ask_within(self, sql, most).await
    }
}

/// What was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Each relation whose rows were changed.
    pub(crate) relations: Vec<Counted>,
    /// Bytes written.
    pub(crate) bytes: u64,
    /// SHA-256 of them.
    pub(crate) digest: Digest,
}

/// One relation's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Its OID.
    pub(crate) oid: u32,
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// Old rows.
    pub(crate) old: u64,
    /// New rows.
    pub(crate) new: u64,
    /// What could be seen of it.
    pub(crate) sight: Sight,
}
