//! What a database held at the moment of its recovery point, in numbers and digests.

use std::collections::BTreeMap;

use backstop_core::canonical;
use serde::{Deserialize, Serialize};

use crate::points::PointError;

/// What must be there again after a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this object; 1.
    pub version: u32,
    /// The server's version as a number: 150018.
    pub server_version: u32,
    /// The database's name.
    pub database: String,
    /// Its owner.
    pub owner: String,
    /// Its encoding.
    pub encoding: String,
    /// Its `LC_COLLATE`.
    pub collate: String,
    /// Its `LC_CTYPE`.
    pub ctype: String,
    /// When its snapshot was taken by the server's clock, in milliseconds since 1970.
    pub taken_at_ms: i64,
    /// The write-ahead log's position then; empty where the server does not tell.
    pub position: String,
    /// The database's size on disk, in bytes.
    pub bytes: u64,
    /// Large objects, which no table counts.
    pub large_objects: u64,
    /// Every table that holds rows of its own. Materialised views are filled anew by a restore.
    pub tables: Vec<Table>,
    /// Installed extensions.
    pub extensions: Vec<Extension>,
    /// What the database and its roles in it set, as `name=value`, by role (empty: the database itself).
    pub settings: BTreeMap<String, Vec<String>>,
    /// The superuser that made the cluster: its name stands in grants.
    pub bootstrap: String,
    /// All roles but PostgreSQL's own.
    pub roles: Vec<Role>,
}

/// A table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// `"schema"."name"`.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// A digest of all rows, whatever their order: two sums of 64-bit hashes of each row's text.
    pub digest: String,
    /// Its size on disk with indexes and large values, in bytes.
    pub bytes: u64,
    /// Rows inserted, updated and deleted since the server's statistics began.
    pub changes: u64,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The schema of its objects.
    pub schema: String,
}

/// A role, without its password.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it may: `SUPERUSER`, `LOGIN`, `CREATEDB`, … in the words of CREATE ROLE, sorted.
    pub may: Vec<String>,
    /// How many connections; -1 is any number.
    pub connection_limit: i32,
    /// Until when its password holds, as the server prints it.
    pub valid_until: Option<String>,
    /// The roles that it is a member of; `role (admin)` where it may grant them.
    pub member_of: Vec<String>,
    /// What it sets in every database.
    pub settings: Vec<String>,
}

impl Manifest {
    /// As canonical JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PointError> {
        canonical::to_bytes(self).map_err(|why| PointError::Refused(why.to_string()))
    }

    /// Reads what [`Manifest::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`PointError::Broken`] when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PointError> {
        serde_json::from_slice(bytes)
            .map_err(|why| PointError::Broken(format!("its manifest cannot be read: {why}")))
    }

    /// The server's major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }

    /// All rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}
