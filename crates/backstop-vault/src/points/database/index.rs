//! Names the objects that a recovery point consists of.

use serde::{Deserialize, Serialize};

/// An object in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name there: the hex SHA-256 of its encrypted bytes.
    pub object: String,
    /// The hex SHA-256 of its content.
    pub sha256: String,
    /// The bytes of its content.
    pub bytes: u64,
}

/// A recovery point of a database, as an object of its own: canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The format of this object; 1.
    pub version: u32,
    /// The target that it is of.
    pub target: String,
    /// When its snapshot was taken by the server's clock, in milliseconds since 1970.
    pub taken_at_ms: i64,
    /// What `pg_dump --format=custom` wrote.
    pub archive: Part,
    /// What `pg_dumpall --roles-only --no-role-passwords` wrote.
    pub roles: Part,
    /// The manifest.
    pub manifest: Part,
}
