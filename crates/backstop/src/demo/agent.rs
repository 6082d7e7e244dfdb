//! The agent: an unmodified `psql`, with nothing but a connection string.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::{Context, Failure, Outcome};

/// A client with a connection string.
pub(super) struct Agent {
    psql: PathBuf,
    dsn: String,
    home: PathBuf,
}

/// A statement on its way.
pub(super) struct Underway(Child);

/// What came of it.
pub(super) struct Came {
    /// Whether it was done.
    pub(super) done: bool,
    /// What the client printed.
    pub(super) out: String,
    /// Notices and errors.
    pub(super) err: String,
}

impl Came {
    /// What a terminal would show.
    pub(super) fn shown(&self) -> String {
        format!("{}\n{}", self.out.trim(), self.err.trim())
            .trim()
            .to_owned()
    }
}

impl Agent {
    pub(super) fn new(psql: PathBuf, dsn: &str, home: &Path) -> Self {
        Self {
            psql,
            dsn: dsn.to_owned(),
            home: home.to_owned(),
        }
    }

    /// Sends `sql` and does not wait.
    pub(super) fn send(&self, sql: &str) -> Outcome<Underway> {
        let child = Command::new(&self.psql)
            .args([
                "--no-psqlrc",
                "--no-align",
                "--tuples-only",
                "--set",
                "ON_ERROR_STOP=1",
                "--command",
                sql,
                &self.dsn,
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.home)
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .doing("cannot start psql")?;
        Ok(Underway(child))
    }

    /// Sends `sql` and waits for what comes of it.
    pub(super) fn run(&self, sql: &str) -> Outcome<Came> {
        self.send(sql)?.finish()
    }

    /// The same client with another connection string.
    pub(super) fn with(&self, dsn: &str) -> Self {
        Self::new(self.psql.clone(), dsn, &self.home)
    }

    /// The connection string.
    pub(super) fn dsn(&self) -> &str {
        &self.dsn
    }
}

impl Underway {
    /// Waits for what comes of it.
    pub(super) fn finish(self) -> Outcome<Came> {
        let output = self.0.wait_with_output().doing("cannot hear psql")?;
        Ok(Came {
            done: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// The client program of the throwaway server.
pub(super) fn psql(server: &backstop_testing::postgres::Server) -> Outcome<PathBuf> {
    server
        .installation()
        .client("psql")
        .map_err(|e| Failure::new("there is no psql").because(e))
}
