//! Counts and digests of a database's tables, as one snapshot has them, and how two of them differ.
//!
//! No code of the database's own runs: rows become text by their types' output functions, not by casts,
//! which anybody who owns a table may define.

use super::manifest::{Manifest, Table};
use crate::points::progress::Progress;
use crate::points::question::{Question, Row};
use crate::points::{PointError, Session, sql};

const TABLES: &str = "
    SELECT n.nspname, c.relname,
        COALESCE(pg_catalog.pg_total_relation_size(c.oid), 0),
        COALESCE(pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
            + pg_catalog.pg_stat_get_tuples_deleted(c.oid), 0)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
        AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 1259 AND d.objid = c.oid
            AND d.deptype = 'e')
    ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

/// Counts and digests every table that `session`'s transaction sees. Each is read once, from end to end.
///
/// # Errors
/// When the server refuses; a table whose rows its role may not all see is one.
pub async fn measure(
    session: &mut Session,
    progress: &dyn Progress,
) -> Result<Vec<Table>, PointError> {
    let found = session.ask(TABLES).await?;
    let mut tables = Vec::with_capacity(found.len());
    for (done, row) in (0..).zip(&found) {
        let name = sql::qualified(&sql::text(row, 0), &sql::text(row, 1));
        progress.at(
            "counting and digesting tables",
            done,
            Some(found.len() as u64),
        );
        let (rows, digest) = of(&name, session).await?;
        tables.push(Table {
            name,
            rows,
            digest,
            bytes: sql::number(row, 2),
            changes: sql::number(row, 3),
        });
    }
    Ok(tables)
}

async fn of(name: &str, session: &mut Session) -> Result<(u64, String), PointError> {
    let rows = session.ask(&question(name)).await?;
    Ok(read(&rows.first().cloned().unwrap_or_default()))
}

/// Asks for what [`read`] reads. In sessions whose settings are those of [`Session`], equal rows have equal answers.
pub(crate) fn question(name: &str) -> String {
    let hash = |seed: u32| {
        format!(
            "COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(
                pg_catalog.textin(pg_catalog.record_out(x.*)), {seed})::pg_catalog.numeric), 0)"
        )
    };
    format!(
        "SELECT pg_catalog.count(*), {}, {} FROM ONLY {name} AS x",
        hash(0),
        hash(20_251_125)
    )
}

/// How many rows a table has, and their digest.
pub(crate) fn read(row: &Row) -> (u64, String) {
    let digest = format!("{}:{}", sql::text(row, 1), sql::text(row, 2));
    (sql::number(row, 0), digest)
}

/// What `tables` lack or have otherwise than the manifest says; empty if nothing.
#[must_use]
pub fn differences(manifest: &Manifest, tables: &[Table]) -> Vec<String> {
    let mut differences = Vec::new();
    for was in &manifest.tables {
        match tables.iter().find(|table| table.name == was.name) {
            None => differences.push(format!("{} is missing", was.name)),
            Some(is) if is.rows != was.rows => differences.push(format!(
                "{} has {} rows instead of {}",
                was.name, is.rows, was.rows
            )),
            Some(is) if is.digest != was.digest => {
                differences.push(format!("{} has other rows, though as many", was.name));
            }
            Some(_) => {}
        }
    }
    for is in tables {
        if !manifest.tables.iter().any(|was| was.name == is.name) {
            differences.push(format!("{} was not there", is.name));
        }
    }
    differences
}
