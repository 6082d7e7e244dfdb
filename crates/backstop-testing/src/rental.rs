//! A rental company's database: the demo's data, and what tests and conformance
//! programs work on.
//!
//! Every row comes from the seed, none from chance or the clock, so that two loads
//! are equal to the byte and a lost row is seen. It must not need a superuser.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::postgres::{Connection, Server};

/// Tables, keys, triggers, partitions, views.
pub const SCHEMA: &str = include_str!("rental/schema.sql");

/// The rows; reads the psql variable `seed`.
const DATA: &str = include_str!("rental/data.sql");

/// What slows a load down: foreign keys' indexes, triggers, the materialised view.
const FINISH: &str = include_str!("rental/finish.sql");

/// The seed of [`load`].
pub const SEED: u64 = 20_260_425;

/// The tables whose rows are counted, partitions summed up in `payments`.
pub const TABLES: [&str; 7] = [
    "customers",
    "notes",
    "payments",
    "rental_audit",
    "reservations",
    "vehicle_classes",
    "vehicles",
];

/// How many rows [`load`] makes, over all tables.
pub const ROWS: u64 = 212_416;

/// Rows per table.
pub type Counts = BTreeMap<String, u64>;

/// Loads schema and rows into the owner's database `app`.
///
/// # Errors
/// When a statement fails, for instance because it was loaded before.
pub fn load(server: &Server) -> Result<()> {
    load_seed(server, SEED)
}

/// As [`load`], with other rows.
///
/// # Errors
/// As [`load`].
pub fn load_seed(server: &Server, seed: u64) -> Result<()> {
    let script = format!("BEGIN;\n{SCHEMA}\n{DATA}\n{FINISH}\nCOMMIT;\nANALYZE;\n");
    server
        .psql_with(&server.owner(), &[("seed", &seed.to_string())], &script)
        .context("loading the rental company's data")?;
    Ok(())
}

/// Counts the rows of each table of [`TABLES`]; a table that is gone counts none.
///
/// # Errors
/// When the server does not answer.
pub fn counts(server: &Server) -> Result<Counts> {
    per_table(server, "count(*)")?
        .into_iter()
        .map(|(table, count)| Ok((table, count.parse()?)))
        .collect()
}

/// All rows of all tables.
///
/// # Errors
/// As [`counts`].
pub fn total(server: &Server) -> Result<u64> {
    Ok(counts(server)?.values().sum())
}

/// A fingerprint of each table's rows, whatever their order: equal counts are not equal rows.
///
/// # Errors
/// As [`counts`].
pub fn fingerprints(server: &Server) -> Result<BTreeMap<String, String>> {
    per_table(
        server,
        "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)",
    )
}

/// Makes a login role that reads everything and writes `public.notes` alone: what a
/// conformance program connects as.
///
/// # Errors
/// When the role exists already.
pub fn make_client(server: &Server, name: &str, password: &str) -> Result<Connection> {
    server.psql_with(
        &server.owner(),
        &[("name", name), ("password", password)],
        "CREATE ROLE :\"name\" LOGIN PASSWORD :'password';
         GRANT USAGE ON SCHEMA public TO :\"name\";
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO :\"name\";
         GRANT INSERT, UPDATE, DELETE ON public.notes TO :\"name\";",
    )?;
    Ok(server.owner().as_role(name, password))
}

fn per_table(server: &Server, aggregate: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let existing = server.psql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")?;
    for table in TABLES {
        let value = if existing.lines().any(|name| name == table) {
            server.psql(&format!("SELECT {aggregate} FROM public.{table} AS t"))?
        } else {
            "0".to_owned()
        };
        found.insert(table.to_owned(), value);
    }
    Ok(found)
}
