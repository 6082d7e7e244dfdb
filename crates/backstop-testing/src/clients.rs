//! Runs the conformance programs of `scripts/clients`: unmodified clients whose
//! transcripts are compared, straight and through the gate; and the tools of incidents.
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

/// Those that speak HTTP.
pub const HTTP_NAMES: [&str; 5] = ["curl-http1", "curl-http2", "requests", "httpx", "fetch"];

/// Those that speak WebSocket or gRPC.
pub const SOCKET_NAMES: [&str; 3] = ["websockets", "websocket", "grpcio"];

/// Runs a program against a libpq connection string and gives back its transcript.
///
/// # Errors
/// When it exits with anything but 0; the error carries its standard error and the
/// transcript so far.
pub fn transcript(name: &str, dsn: &str) -> Result<String> {
    let mut command = Command::new(runner());
    command.arg(name).env("DSN", dsn);
    printed(name, command)
}

/// Runs a program that speaks HTTP, WebSocket or gRPC, in one of its modes and with nothing in its environment but this: a proxy of the
/// machine's own would be asked in place of the gate.
///
/// # Errors
/// As [`transcript`].
pub fn over_http(name: &str, mode: &str, environment: &[(String, String)]) -> Result<String> {
    let mut command = Command::new(runner());
    command.args([name, mode]).env_clear();
    for kept in ["PATH", "BACKSTOP_TEST_CACHE", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    printed(name, command)
}

fn runner() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/clients/run")
}

fn printed(name: &str, mut command: Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("starting {}", runner().display()))?;
    let transcript = String::from_utf8(output.stdout).context("reading the transcript")?;
    if !output.status.success() {
        bail!(
            "{name}: {}\n{transcript}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(transcript)
}

/// What a tool of an incident did.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Whether it says that it did what it was to do.
    pub done: bool,
    /// What it printed, standard output and error.
    pub said: String,
}

/// Runs a tool of an incident, by the name that `scripts/clients/tool` knows, against the database at `url`.
///
/// # Errors
/// When it cannot be run: it is not installed, or there is no tool of that name.
pub fn tool(name: &str, url: &str) -> Result<Tried> {
    let run = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/clients/tool");
    let output = Command::new(&run)
        .arg(name)
        .env("URL", url)
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("starting {}", run.display()))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if said.contains("scripts/setup.sh clients") {
        bail!("{name}: {said}");
    }
    Ok(Tried {
        done: output.status.success(),
        said,
    })
}
