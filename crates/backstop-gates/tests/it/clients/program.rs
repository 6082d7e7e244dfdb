//! What a client written in Rust is run with: how it logs in, and where its transcript goes.

use std::fmt::{Debug, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use backstop_testing::postgres::Connection;
use tokio_postgres::NoTls;

/// How to log in.
#[derive(Debug, Clone)]
pub struct Login {
    pub connection: Connection,
    /// The authority that the certificate must come from; without one, no TLS.
    pub authority: Option<PathBuf>,
    /// The owner, straight at the server: for what somebody else does meanwhile.
    pub owner: Connection,
}

impl Login {
    /// As libpq reads it.
    pub fn dsn(&self) -> String {
        let dsn = self.connection.dsn();
        match &self.authority {
            Some(file) => format!("{dsn} sslmode=verify-full sslrootcert={}", file.display()),
            None => format!("{dsn} sslmode=disable"),
        }
    }

    /// Somebody else notifies.
    pub async fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        let (owner, connection) = tokio_postgres::connect(&self.owner.dsn(), NoTls)
            .await
            .context("connecting as the owner")?;
        tokio::spawn(connection);
        owner
            .execute("SELECT pg_notify($1, $2)", &[&channel, &payload])
            .await?;
        Ok(())
    }
}

/// What the client saw. It holds no process id, time, role name or port.
#[derive(Default)]
pub struct Transcript(String);

impl Transcript {
    pub fn step(&mut self, title: &str) {
        let _ = writeln!(self.0, "== {title}");
    }

    pub fn show(&mut self, label: &str, value: impl Debug) {
        let _ = writeln!(self.0, "{label}: {value:?}");
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

/// Statements that are wrong, each in its own way: what is said of them must not differ by a letter.
pub const WRONG: &[&str] = &[
    "SELEKT 1",
    "SELECT count(*) FROM notes GROUP BY",
    "SELECT nope FROM customers",
    "SELECT c.nope FROM customers c",
    "SELECT * FROM nowhere",
    "SELECT no_such_function(1)",
    "SELECT 1 / 0",
    "SELECT 'abc'::int",
    "SELECT 1 + 'a'::text",
    "SELECT id FROM notes ORDER BY 7",
    "SELECT city, count(*) FROM customers",
    "SELECT id FROM customers a JOIN reservations b ON a.id = b.customer_id",
    "SELECT * FROM vehicles WHERE id = 'x'",
    "INSERT INTO notes (id, body) VALUES (1, 'again')",
    "INSERT INTO notes (id, body) VALUES (NULL, 'none')",
    "INSERT INTO notes (id, nope) VALUES (1, 'none')",
    "INSERT INTO notes VALUES (1, 'too', 'many', 'values')",
    "UPDATE notes SET n = 'x' WHERE id = 1",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "FETCH 1 FROM no_such_cursor",
    "CLOSE no_such_cursor",
    "EXECUTE no_such_statement",
    "DEALLOCATE no_such_statement",
    "SET work_mem = 'much'",
    "SHOW no_such_setting",
    "COPY nowhere TO STDOUT",
    "",
];
