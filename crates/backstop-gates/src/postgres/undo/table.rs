//! A table as the undo knows it, with its temporary tables.

use crate::postgres::images::{Column, Relation};
use crate::postgres::question::ident;

/// Columns that the temporary tables have besides the table's own.
pub(super) const SEQ: &str = "\"backstop seq\"";
pub(super) const SIDE: &str = "\"backstop side\"";
pub(super) const WANTED: &str = "\"backstop wanted\"";

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Its number among this undo's tables, from 1.
    pub(super) number: usize,
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Empty where nothing but the content tells its rows apart.
    pub(super) key: Vec<String>,
    /// Columns beyond the key whose values must be unique, and that may be NULL.
    pub(super) unique: Vec<String>,
}

impl Table {
    pub(super) fn of(relation: &Relation, number: usize) -> Self {
        Self {
            number,
            oid: relation.oid,
            schema: relation.schema.clone(),
            name: relation.name.clone(),
            columns: relation.columns.clone(),
            key: relation.key.clone(),
            unique: vec![],
        }
    }

    /// Whether its rows are told apart by a key.
    pub(super) fn keyed(&self) -> bool {
        !self.key.is_empty()
    }

    /// The table itself.
    pub(super) fn real(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }

    /// A temporary table of its: `s`taged images, `k`eys, `j`udgement, `d`esired rows, `r`ows of a round.
    pub(super) fn temporary(&self, letter: char) -> String {
        format!("pg_temp.backstop_{letter}{}", self.number)
    }

    /// All columns, each with `prefix`.
    pub(super) fn all(&self, prefix: &str) -> String {
        join(self.columns.iter().map(|c| &c.name), prefix)
    }

    /// The columns that can be inserted.
    pub(super) fn insertable(&self, prefix: &str) -> String {
        let some = self.columns.iter().filter(|c| c.generated.is_empty());
        join(some.map(|c| &c.name), prefix)
    }

    /// The columns that can be updated: a row keeps its key, and an identity column that is always generated keeps
    /// what it has.
    pub(super) fn updatable(&self) -> Vec<String> {
        self.columns
            .iter()
            .filter(|c| c.generated.is_empty() && c.identity != "a" && !self.key.contains(&c.name))
            .map(|c| ident(&c.name))
            .collect()
    }

    /// The key's columns, each with `prefix`.
    pub(super) fn keys(&self, prefix: &str) -> String {
        join(self.key.iter(), prefix)
    }

    /// That two rows have the same key.
    pub(super) fn same_key(&self, one: &str, other: &str) -> String {
        self.key
            .iter()
            .map(|k| {
                let k = ident(k);
                format!("{one}.{k} operator(pg_catalog.=) {other}.{k}")
            })
            .collect::<Vec<_>>()
            .join(" and ")
    }

    /// A row's whole content as text, by the types' own output and nobody's cast: equal to the bit or not equal.
    pub(super) fn content(&self, of: &str) -> String {
        record(&self.all(&format!("{of}.")))
    }

    /// A row's key as text.
    pub(super) fn key_text(&self, of: &str) -> String {
        record(&self.keys(&format!("{of}.")))
    }
}

fn record(columns: &str) -> String {
    format!("(pg_catalog.textin(pg_catalog.record_out(row({columns}))) collate pg_catalog.\"C\")")
}

fn join<'a>(names: impl Iterator<Item = &'a String>, prefix: &str) -> String {
    names
        .map(|name| format!("{prefix}{}", ident(name)))
        .collect::<Vec<_>>()
        .join(", ")
}
