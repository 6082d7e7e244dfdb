//! Runs SQL through `psql`, for set-up and checks in tests that are not asynchronous.
//!
//! It must not be used to test the gate: there psql is the client under test.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use super::Connection;

/// Runs a script and gives back its output, unaligned, without headers or the last newline.
pub(super) fn run(
    psql: &Path,
    connection: &Connection,
    variables: &[(&str, &str)],
    script: &str,
) -> Result<String> {
    let mut command = Command::new(psql);
    command.args([
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--set",
        "ON_ERROR_STOP=1",
    ]);
    for (name, value) in variables {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    let mut child = command
        .args(["--file", "-"])
        .env_clear()
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("PGHOST", &connection.host),
            ("PGPORT", &connection.port.to_string()),
            ("PGUSER", &connection.user),
            ("PGPASSWORD", &connection.password),
            ("PGDATABASE", &connection.database),
            ("PGCLIENTENCODING", "UTF8"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", psql.display()))?;
    let stdin = child.stdin.take();
    let script = script.to_owned();
    // psql answers while it reads: one thread would fill both pipes and wait for ever.
    let writer = thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(script.as_bytes())));
    let output = child.wait_with_output().context("waiting for psql")?;
    let _ = writer.join(); // psql stopped reading at an error; that error is told below
    if !output.status.success() {
        bail!(
            "psql as {connection:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8(output.stdout).context("reading psql's output")?;
    Ok(text.trim_end_matches('\n').to_owned())
}
