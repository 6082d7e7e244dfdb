//! What a file of images says of itself: the header before the rows, the trailer behind them.

use serde::{Deserialize, Serialize};

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// Whose transaction it is; from the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    /// The target's name.
    pub(crate) target: String,
    /// The lease's id.
    pub(crate) lease: String,
    /// The role that the transaction runs as at the server.
    pub(crate) role: String,
    /// The gate's own id for the transaction.
    pub(crate) transaction: String,
    /// When, RFC 3339.
    pub(crate) at: String,
}

/// What stands before the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// Whose transaction.
    pub(crate) about: About,
    /// `server_version_num`.
    pub(crate) server: u32,
    /// `lc_monetary`, which values of type `money` are written by.
    pub(crate) lc_monetary: String,
    /// The transaction's own id at the server, 64 bits; none when it wrote nothing.
    pub(crate) xid: Option<u64>,
    /// Every relation whose rows it changed, by OID. Its sections follow in this order, old rows first.
    pub(crate) relations: Vec<Relation>,
}

/// A table, or a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relation {
    /// Its OID at the server.
    pub(crate) oid: u32,
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// Its columns, in the order of the values in each row.
    pub(crate) columns: Vec<Column>,
    /// The columns of the unique key that tells its rows apart, in the key's order; empty where there is none.
    pub(crate) key: Vec<String>,
    /// What could be seen of it.
    pub(crate) sight: Sight,
    /// The server's counters: rows inserted, updated and deleted, with what was rolled back to a savepoint.
    pub(crate) counters: [u64; 3],
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type with its modifier, qualified where it is not PostgreSQL's own.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `attgenerated`: empty, `s`tored or `v`irtual.
    pub(crate) generated: String,
    /// `attidentity`: empty, `a`lways or by `d`efault.
    pub(crate) identity: String,
}

/// What could be seen of a relation's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sight {
    /// Old and new rows, exactly.
    Whole,
    /// The old rows exactly; the new ones not, since the lease may not read them.
    Old,
    /// Of the old rows at least all that were changed, perhaps some that were only locked; no new ones.
    AtLeastOld,
}

/// What stands behind the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trailer {
    /// For each relation of the header: its OID, how many old rows and how many new.
    pub(crate) rows: Vec<[u64; 3]>,
    /// The ids, 64 bits, that the transaction's row versions carry, as far as they were seen.
    pub(crate) xids: Vec<u64>,
}
