//! A relation that an action takes, and how it is copied.

use serde::{Deserialize, Serialize};

use super::gone::PG_CLASS;
use crate::points::question::Row;
use crate::points::sql;

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A table with rows of its own.
    Table,
    /// A partitioned table: its rows are its partitions'.
    Partitioned,
    /// A view.
    View,
    /// A materialised view.
    MaterialisedView,
    /// A sequence.
    Sequence,
    /// A foreign table: its rows are another server's and stay there.
    Foreign,
}

/// How much of a relation is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Definition and rows: it goes.
    Whole,
    /// Rows only: it stays and is emptied.
    Rows,
    /// All rows as they were, to be restored beside it under another name: it stays and is changed.
    Beside,
}

/// A relation that an action takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// Its OID.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How it is copied.
    pub way: Way,
    /// Its owner.
    pub owner: String,
    /// How many rows PostgreSQL thinks it has; zero where it does not know.
    pub rows: u64,
    /// How many bytes it takes with its indexes and large values.
    pub bytes: u64,
    /// Its sequence's owning column, as `"schema"."table"."column"`.
    pub owned_by: Option<String>,
    /// Whether it is a materialised view that holds rows.
    pub populated: bool,
    /// Whether it is a partition of a table that stays.
    pub leaves_parent: bool,
}

impl Relation {
    /// `"schema"."name"`.
    pub(crate) fn qualified(&self) -> String {
        sql::qualified(&self.schema, &self.name)
    }

    /// Whether it has rows of its own that a COPY reads.
    pub(crate) fn has_rows(&self) -> bool {
        self.kind == Kind::Table
    }

    /// Whether LOCK TABLE takes it.
    pub(crate) fn lockable(&self) -> bool {
        matches!(self.kind, Kind::Table | Kind::Partitioned)
    }
}

/// The relations among `gone`: those that go or are emptied, and those that lose a column.
pub(super) fn question(with_gone: &str) -> String {
    format!(
        "{with_gone},
        whole(oid) AS (
            SELECT objid FROM gone WHERE classid = {PG_CLASS}::pg_catalog.oid
                AND objsubid = 0
        ),
        changed(oid) AS (
            SELECT objid FROM gone WHERE classid = {PG_CLASS}::pg_catalog.oid
                AND objsubid <> 0
                AND objid NOT IN (SELECT oid FROM whole)
          UNION
            SELECT i.inhrelid FROM changed c
            JOIN pg_catalog.pg_inherits i ON i.inhparent = c.oid
        ),
        taken(oid, goes) AS (
            SELECT oid, true FROM whole
          UNION
            SELECT oid, false FROM changed WHERE oid NOT IN (SELECT oid FROM whole)
        )
        SELECT c.oid, n.nspname, c.relname, c.relkind, r.rolname, t.goes,
            GREATEST(c.reltuples, 0)::pg_catalog.int8,
            CASE WHEN c.relkind IN ('r', 'm', 'S')
                THEN COALESCE(pg_catalog.pg_total_relation_size(c.oid), 0) ELSE 0 END,
            o.owner, c.relispopulated,
            c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid
                AND i.inhparent NOT IN (SELECT oid FROM whole)),
            c.relpersistence
        FROM taken t
        JOIN pg_catalog.pg_class c ON c.oid = t.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
        LEFT JOIN LATERAL (
            SELECT pg_catalog.format('%I.%I.%I', tn.nspname, tc.relname, a.attname) AS owner
            FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_class tc ON tc.oid = d.refobjid
            JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
            JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid
                AND a.attnum = d.refobjsubid
            WHERE d.classid = {PG_CLASS}::pg_catalog.oid
                AND d.objid = c.oid
                AND d.refclassid = {PG_CLASS}::pg_catalog.oid
                AND d.deptype = 'a'
                AND c.relkind = 'S'
            LIMIT 1
        ) o ON true
        WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S')
        ORDER BY c.oid"
    )
}

/// A row of [`question`]; `goes` is what happens to a relation that is named whole.
pub(super) fn read(row: &Row, goes: Way) -> Option<Relation> {
    let kind = match sql::text(row, 3).as_str() {
        "r" => Kind::Table,
        "p" => Kind::Partitioned,
        "v" => Kind::View,
        "m" => Kind::MaterialisedView,
        "S" => Kind::Sequence,
        "f" => Kind::Foreign,
        _ => return None,
    };
    Some(Relation {
        oid: sql::number(row, 0),
        schema: sql::text(row, 1),
        name: sql::text(row, 2),
        kind,
        way: if sql::truth(row, 5) {
            goes
        } else {
            Way::Beside
        },
        owner: sql::text(row, 4),
        rows: sql::number(row, 6),
        bytes: sql::number(row, 7),
        owned_by: row.get(8).cloned().flatten(),
        populated: sql::truth(row, 9),
        leaves_parent: sql::truth(row, 10),
    })
}

/// Whether a row of [`question`] is of a temporary relation.
pub(super) fn is_temporary(row: &Row) -> bool {
    sql::text(row, 11) == "t"
}
