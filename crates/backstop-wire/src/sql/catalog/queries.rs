//! The questions that the gate asks a target about its catalogue. Every name and operator in them is qualified:
//! they mean the same under any `search_path`, whatever the target's own functions are called.

/// One question; its rows are all text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogQuery {
    /// What it asks for; [`super::Catalog::load`] wants it back with the rows.
    pub name: &'static str,
    /// The statement.
    pub sql: &'static str,
    /// How many columns a row has.
    pub columns: usize,
}

macro_rules! query {
    ($name:literal, $columns:literal) => {
        CatalogQuery {
            name: $name,
            sql: include_str!(concat!("../../../data/queries/", $name, ".sql")),
            columns: $columns,
        }
    };
}

/// In the order in which they load: what others point at comes first.
pub(super) const ALL: &[CatalogQuery] = &[
    query!("schemas", 2),
    query!("relations", 8),
    query!("views", 2),
    query!("keys", 2),
    query!("foreign_keys", 7),
    query!("inheritance", 2),
    query!("triggers", 6),
    query!("rules", 5),
    query!("expressions", 5),
    query!("functions", 14),
    query!("operators", 4),
    query!("types", 8),
    query!("casts", 5),
    query!("column_types", 3),
    query!("event_triggers", 3),
    query!("dependents", 2),
];

/// One cheap question (under 10 ms on a small database) whose single text changes whenever an answer to any of the
/// others would.
#[must_use]
pub const fn fingerprint_query() -> &'static str {
    include_str!("../../../data/queries/fingerprint.sql")
}
