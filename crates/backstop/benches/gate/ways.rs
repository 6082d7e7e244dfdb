//! The three ways to one server: directly, through PgBouncer, through the gate.
//!
//! It must not favour one: all are TCP on 127.0.0.1 without TLS, to the same database.

use std::fmt;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use backstop_testing::pgbouncer::{PgBouncer, PoolMode};
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};

use crate::child::Child;
use crate::machine;
use crate::pgbench::Pgbench;

/// pgbench's tables: a branch has 100,000 accounts, and TPC-B's clients wait for each other's branch.
const SCALE: u32 = 10;

/// What pgbench does, table by table, and no more.
pub const SCOPES: [&str; 4] = [
    "read,update:public.pgbench_accounts",
    "read,update:public.pgbench_branches",
    "read,update:public.pgbench_tellers",
    "read,insert:public.pgbench_history",
];

/// A server, and what stands before it.
pub struct Ways {
    /// The server.
    pub server: Server,
    /// The program.
    pub pgbench: Pgbench,
    /// The gate.
    pub gate: Child,
    bouncer: PgBouncer,
    leased: Connection,
}

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server itself.
    Direct,
    /// Debian's PgBouncer in session mode.
    PgBouncer,
    /// Backstop.
    Gate,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Direct, Self::PgBouncer, Self::Gate];
}

impl Ways {
    /// Starts all of it on free ports, with pgbench's tables.
    pub fn open() -> Result<Self> {
        // Debian's own when it is there: its server and its pgbench are what people run.
        let mut plan = PostgresServer::of(Major::any()?).fsync(true);
        // A checkpoint in one cell and not in another would be compared with none.
        for (name, value) in [("max_wal_size", "16GB"), ("checkpoint_timeout", "1h")] {
            plan = plan.setting(name, value);
        }
        let server = plan.run()?;
        let pgbench = Pgbench::of(&server)?;
        pgbench.fill(&server.owner(), SCALE)?;
        server.psql("checkpoint")?;
        let bouncer = PgBouncer::start(&server, PoolMode::Session, &[])?;
        let gate = Child::start(&server)?;
        let leased = gate.lease(&server.owner(), &SCOPES)?;
        Ok(Self {
            server,
            pgbench,
            gate,
            bouncer,
            leased,
        })
    }

    /// How pgbench connects by this way.
    pub fn connection(&self, way: Way) -> Connection {
        let owner = self.server.owner();
        match way {
            Way::Direct => owner,
            Way::PgBouncer => self.bouncer.connection(&owner),
            Way::Gate => self.leased.clone(),
        }
    }

    /// Says how to reach them, and keeps them open until the input ends.
    pub fn wait(&self) -> Result<()> {
        println!("gate's process: {}", self.gate.pid());
        for way in Way::ALL {
            println!("{way:?}: {}", self.connection(way).dsn());
        }
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
        Ok(())
    }

    /// Ends what earlier cells left to vacuum, so that all begin alike.
    pub fn tidy(&self) -> Result<()> {
        let owner = self.server.owner();
        self.server.psql_as(
            &owner,
            "vacuum pgbench_branches; vacuum pgbench_tellers; truncate pgbench_history",
        )?;
        Ok(())
    }
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.server.psql("show server_version").unwrap_or_default();
        writeln!(
            f,
            "- server: PostgreSQL {}, fsync on, scale {SCALE}",
            version.trim()
        )?;
        writeln!(
            f,
            "- pooler: {}, session mode",
            bouncer_version().unwrap_or_default()
        )?;
        writeln!(
            f,
            "- gate: backstop {}, {} threads; every statement parsed, judged and journaled; lease `{}`",
            env!("CARGO_PKG_VERSION"),
            machine::threads(),
            SCOPES.join("` `")
        )?;
        writeln!(f, "- all over TCP on 127.0.0.1 without TLS")
    }
}

fn bouncer_version() -> Result<String> {
    let output = Command::new("/usr/sbin/pgbouncer")
        .arg("--version")
        .output()?;
    ensure!(output.status.success(), "pgbouncer --version failed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().next().map(str::to_owned).context("a version")
}
