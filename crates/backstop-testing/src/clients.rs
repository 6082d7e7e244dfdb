//! Runs the conformance programs of `scripts/clients`: unmodified clients whose
//! transcripts are compared, straight and through the gate.
//!
//! It must not compare or forgive anything itself: it hands back what was printed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The programs, by the names that `scripts/clients/run` knows.
pub const NAMES: [&str; 7] = [
    "psql",
    "psycopg",
    "asyncpg",
    "sqlalchemy",
    "django",
    "node-postgres",
    "sequelize",
];

/// Runs a program against a libpq connection string and gives back its transcript.
///
/// # Errors
/// When it exits with anything but 0; the error carries its standard error and the
/// transcript so far.
pub fn transcript(name: &str, dsn: &str) -> Result<String> {
    let run = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/clients/run");
    let output = Command::new(&run)
        .arg(name)
        .env("DSN", dsn)
        .output()
        .with_context(|| format!("starting {}", run.display()))?;
    let transcript = String::from_utf8(output.stdout).context("reading the transcript")?;
    if !output.status.success() {
        bail!(
            "{name}: {}\n{transcript}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(transcript)
}
