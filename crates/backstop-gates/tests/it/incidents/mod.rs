//! Incidents that happened, replayed: first without Backstop, where the loss is counted, then through the gate, where
//! there is none. `docs/incidents.md` says what happened, and what of it each test shows.
//!
//! PocketOS itself stands elsewhere: `the_incident_without_backstop_loses_everything` in `backstop-testing`, and
//! `the_nine_seconds_end_at_the_door` beside this folder.

mod alembic;
mod amazon;
mod datatalks;
mod drizzle;
mod kiro;
mod prisma;
mod replit;
mod sibling;
mod subagent;
mod truncate;

use anyhow::{Context as _, Result};
use backstop_core::measure::Limits;
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};
use backstop_testing::rental;

use crate::world::{Agent, World};

/// Rows for the rental company's tables: enough to count, and quickly there.
const ROWS: &str = "
    insert into vehicle_classes select 'class ' || g, 'a class', 40, 5 from generate_series(1, 5) g;
    insert into customers select g, 'name ' || g, g || '@example.com', null, 'a city', g % 6, '1980-01-01', now()
        from generate_series(1, 400) g;
    insert into vehicles select g, 'plate ' || g, 'class ' || (g % 5 + 1), g, 'available', '{}', '{}', '2020-01-01'
        from generate_series(1, 100) g;
    insert into reservations select g, g % 400 + 1, g % 100 + 1, '2026-03-01', '2026-03-04', 'booked', 120, now()
        from generate_series(1, 1500) g;
    insert into payments select g, g, '2026-03-04', 120, 'card' from generate_series(1, 1500) g;
    insert into notes select g, 'note ' || g, g from generate_series(1, 50) g;
    insert into rental_audit (table_name, verb, row_id) select 'payments', 'insert', g from generate_series(1, 45) g;
    analyze;
";
/// How many rows that is.
const ALL: u64 = 3_600;

/// The company's database behind the gate, and a copy of it that the gate knows nothing of.
struct Scene {
    world: World,
    /// As the owner, in the copy: what the agent had.
    without: Connection,
}

impl Scene {
    async fn new() -> Result<Self> {
        Self::of(&format!("{}\n{ROWS}", rental::SCHEMA), None).await
    }

    /// With a vault, so that what is written is measured.
    async fn measuring() -> Result<Self> {
        Self::of(
            &format!("{}\n{ROWS}", rental::SCHEMA),
            Some(Limits::default()),
        )
        .await
    }

    async fn of(schema: &str, measures: Option<Limits>) -> Result<Self> {
        let server = PostgresServer::start(Major::any()?)?;
        if !schema.is_empty() {
            server.psql_as(&server.owner(), schema)?;
        }
        Self::on(server, measures).await
    }

    /// Of a server whose database is as it should be.
    async fn on(server: Server, measures: Option<Limits>) -> Result<Self> {
        let owner = server.owner();
        let copy = format!(
            "create database without template {} owner {}",
            owner.database, owner.user
        );
        let postgres = server.superuser().in_database("postgres");
        server.psql_as(&postgres, &copy)?;
        let without = owner.in_database("without");
        let world = World::begin(server, |_| {}, measures).await?;
        Ok(Self { world, without })
    }

    /// Runs SQL as the agent did: as the owner, with nobody between.
    fn lose(&self, sql: &str) -> Result<()> {
        self.world.server.psql_as(&self.without, sql)?;
        Ok(())
    }

    /// Rows that are left in the copy, over all tables.
    fn left_without(&self) -> Result<u64> {
        rows(&self.world.server, &self.without)
    }

    /// Rows that are left behind the gate.
    fn left(&self) -> Result<u64> {
        rows(&self.world.server, &self.world.server.owner())
    }
}

/// All rows of all tables in `public`; a table that is gone has none.
fn rows(server: &Server, at: &Connection) -> Result<u64> {
    let tables = server.psql_as(
        at,
        "select format('(select count(*) from %I.%I)', schemaname, tablename) from pg_tables where schemaname = 'public'
             and not exists (select 1 from pg_inherits where inhrelid = format('%I.%I', schemaname, tablename)::regclass)",
    )?;
    let counts: Vec<&str> = tables.lines().filter(|line| !line.is_empty()).collect();
    if counts.is_empty() {
        return Ok(0);
    }
    let sum = server.psql_as(at, &format!("select {}", counts.join(" + ")))?;
    sum.trim().parse().context("a number of rows")
}

/// What the traffic log says of the acts of a lease that were more than reads: effect, verdict, rule, result.
pub fn lines(world: &World, lease: &str) -> Vec<[String; 4]> {
    let entries = world.entries();
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap_or("").to_owned();
    let intents = entries
        .iter()
        .filter(|e| e["entry"] == "intent" && e["lease"] == lease && e["effect"] != "read");
    intents
        .map(|intent| {
            let outcome = entries.iter().rev().find(|e| {
                e["entry"] == "outcome"
                    && e["connection"] == intent["connection"]
                    && e["action"] == intent["action"]
            });
            [
                text(intent, "effect"),
                text(intent, "verdict"),
                text(intent, "rule"),
                outcome.map_or_else(String::new, |outcome| text(outcome, "result")),
            ]
        })
        .collect()
}

/// Every act of the lease that was more than a read met this, and there were so many.
#[track_caller]
fn all_met(world: &World, agent: &Agent, times: usize, expected: [&str; 4]) {
    let lines = lines(world, &agent.lease);
    assert_eq!(lines.len(), times, "{lines:#?}");
    for line in &lines {
        assert_eq!(line, &expected.map(str::to_owned), "{lines:#?}");
    }
}
