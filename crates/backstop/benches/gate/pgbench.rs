//! One run of pgbench.
//!
//! It must not accept a run in which a transaction failed: a refusal is fast.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use backstop_testing::postgres::{Connection, Server};

/// The program.
pub struct Pgbench(PathBuf);

/// What a cell runs.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// `-S`, or the TPC-B-like script.
    pub reads: bool,
    /// `-M`.
    pub mode: &'static str,
    /// `-c`.
    pub clients: u32,
    /// `-T`.
    pub seconds: u32,
}

impl Pgbench {
    /// The one that fits the server.
    pub fn of(server: &Server) -> Result<Self> {
        server.installation().client("pgbench").map(Self)
    }

    /// Makes and fills the tables.
    pub fn fill(&self, owner: &Connection, scale: u32) -> Result<()> {
        let scale = scale.to_string();
        let arguments = ["-i", "-q", "-s", &scale].map(str::to_owned);
        self.run(owner, &arguments).map(drop)
    }

    /// Transactions a second, connecting not counted.
    pub fn tps(&self, connection: &Connection, load: Load) -> Result<f64> {
        let mut arguments = vec!["-n".to_owned()];
        if load.reads {
            arguments.push("-S".to_owned());
        }
        let (clients, seconds) = (load.clients.to_string(), load.seconds.to_string());
        arguments.extend(["-M", load.mode, "-c", &clients, "-T", &seconds].map(str::to_owned));
        let said = self.run(connection, &arguments)?;
        let failed = value(&said, "number of failed transactions: ").unwrap_or(0.0);
        ensure!(failed == 0.0, "{failed} transactions failed:\n{said}");
        let tps = value(&said, "tps = ").with_context(|| format!("pgbench said:\n{said}"))?;
        ensure!(tps > 0.0, "nothing was done:\n{said}");
        Ok(tps)
    }

    fn run(&self, connection: &Connection, arguments: &[String]) -> Result<String> {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(&self.0)
            .args(arguments)
            .args(["-h", &connection.host, "-p", &connection.port.to_string()])
            .args(["-U", &connection.user, &connection.database])
            .env("PGPASSWORD", &connection.password)
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable")
            .stdin(Stdio::null())
            .output()
            .context("running pgbench")?;
        let errors = String::from_utf8_lossy(&stderr);
        ensure!(
            status.success(),
            "pgbench {} failed: {errors}",
            arguments.join(" ")
        );
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }
}

/// The number after `name` at the beginning of a line.
fn value(said: &str, name: &str) -> Option<f64> {
    said.lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}
