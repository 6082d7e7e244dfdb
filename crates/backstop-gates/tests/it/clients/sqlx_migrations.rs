//! sqlx's migrator, in a schema that is the agent's own: its table, its lock, its transactions, and back again.

use anyhow::{Context as _, Result};
use backstop_testing::postgres::{Connection, Server};
use sqlx_core::connection::ConnectOptions as _;
use sqlx_core::migrate::Migrator;
use sqlx_core::query_as::query_as;
use sqlx_core::query_scalar::query_scalar;
use sqlx_postgres::PgConnection;

use super::program::{Login, Transcript};
use super::with_sqlx::options;

/// The schema of the migrations, which the role may create in.
const SCHEMA: &str = "lab";

const MIGRATIONS: [(&str, &str); 5] = [
    (
        "1_samples.up.sql",
        "CREATE TABLE samples (id bigint PRIMARY KEY, label text NOT NULL, taken timestamptz);
         CREATE INDEX samples_label ON samples (label);",
    ),
    ("1_samples.down.sql", "DROP TABLE samples;"),
    (
        "2_values.up.sql",
        "-- a column, and rows
         ALTER TABLE samples ADD COLUMN value numeric(10, 2);
         INSERT INTO samples (id, label, value) VALUES (1, 'one', 1.5), (2, 'two', NULL);",
    ),
    (
        "2_values.down.sql",
        "DELETE FROM samples; ALTER TABLE samples DROP COLUMN value;",
    ),
    (
        "3_broken.up.sql",
        "CREATE TABLE rest (id int); SELECT 1 / 0;",
    ),
];

/// Makes the schema, and lets `direct` create in it as a lease may.
pub fn prepare(server: &Server, direct: &Connection) -> Result<()> {
    let sql = format!(
        "CREATE SCHEMA {SCHEMA}; GRANT CREATE, USAGE ON SCHEMA {SCHEMA} TO {}",
        direct.user
    );
    server.psql_as(&server.owner(), &sql).map(drop)
}

pub async fn run(login: Login) -> Result<String> {
    let mut out = Transcript::default();
    let folder = tempfile::tempdir()?;
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    for (to, files) in [(&whole, &MIGRATIONS[..4]), (&broken, &MIGRATIONS[..])] {
        std::fs::create_dir(to)?;
        for (name, sql) in files {
            std::fs::write(to.join(name), sql)?;
        }
    }
    let (whole, broken) = (
        Migrator::new(whole.as_path()).await?,
        Migrator::new(broken.as_path()).await?,
    );
    let mut connection = options(&login)
        .options([("search_path", SCHEMA)])
        .connect()
        .await?;
    out.step("forwards, and again");
    for _ in 0..2 {
        whole.run(&mut connection).await?;
        state(&mut connection, &mut out).await?;
    }
    let rows: Vec<(i64, String)> = query_as("SELECT id, label FROM samples ORDER BY id")
        .fetch_all(&mut connection)
        .await?;
    out.show("rows", rows);
    out.step("one that breaks");
    let failed = broken.run(&mut connection).await;
    out.show("failed", failed.err().context("an error")?.to_string());
    state(&mut connection, &mut out).await?;
    out.step("backwards");
    whole.undo(&mut connection, 1).await?;
    state(&mut connection, &mut out).await?;
    whole.undo(&mut connection, 0).await?;
    state(&mut connection, &mut out).await?;
    Ok(out.into_text())
}

/// What the migrator noted, and what there is.
async fn state(connection: &mut PgConnection, out: &mut Transcript) -> Result<()> {
    let noted: Vec<(i64, String, bool)> =
        query_as("SELECT version, description, success FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&mut *connection)
            .await?;
    out.show("noted", noted);
    let columns: Vec<String> = query_scalar(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = $1 ORDER BY table_name, ordinal_position",
    )
    .bind(SCHEMA)
    .fetch_all(connection)
    .await?;
    out.show("columns", columns);
    Ok(())
}
