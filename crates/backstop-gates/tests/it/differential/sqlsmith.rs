//! The same with statements that nobody would write: Debian's `sqlsmith` makes them from the schema.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use backstop_testing::postgres::{Connection, Major};

use super::random::Random;
use super::{Tally, ample, schema, seed, undo_since};
use crate::kinds::DIGESTS;
use crate::world::{Agent, World};

/// So many writing statements are sent before they are undone together.
const AT_ONCE: usize = 5;
/// How long one of them may run.
const LONGEST: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn what_sqlsmith_writes_is_undone_exactly() -> Result<()> {
    let majors = Major::available()?;
    let ends = [majors.first(), majors.last()];
    for major in ends.into_iter().flatten() {
        let tally = run(*major, seed(7), 1, 1_000).await?;
        eprintln!("{major}: {tally:?}");
        ensure!(
            tally.committed > 0 && tally.undone > 0,
            "{major}: {tally:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak: thousands of sqlsmith's statements through the gate"]
async fn thousands_of_what_sqlsmith_writes_are_undone_exactly() -> Result<()> {
    let percent: u32 = match std::env::var("BACKSTOP_SOAK_PERCENT") {
        Ok(percent) => percent.parse()?,
        Err(_) => 100,
    };
    for major in Major::available()? {
        let first = seed(u64::from(std::process::id()) << 20);
        let tally = run(major, first, percent.div_ceil(4), 2_000).await?;
        println!("{major}: {tally:?}");
        ensure!(tally.undone > 0, "{major}: {tally:?}");
    }
    Ok(())
}

async fn run(major: Major, seed: u64, schemas: u32, queries: u32) -> Result<Tally> {
    let world = ample(major).await?;
    let mut tally = Tally::default();
    for n in 0..schemas {
        let seed = seed.wrapping_add(u64::from(n) * 1_000);
        one_schema(&world, seed, queries, &mut tally)
            .await
            .with_context(|| format!("BACKSTOP_SEED={seed} repeats it on PostgreSQL {major}"))?;
    }
    Ok(tally)
}

async fn one_schema(world: &World, seed: u64, queries: u32, tally: &mut Tally) -> Result<()> {
    let schema = schema::random(&mut Random(seed));
    let owner = world.server.owner();
    world.direct("drop schema public cascade; create schema public");
    let made = format!("set client_min_messages = error; {}", schema.sql);
    world.server.psql_as(&owner, &made)?;
    tally.schemas += 1;
    let agent = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let writes = writes(&owner, seed, queries)?;
    ensure!(!writes.is_empty(), "sqlsmith wrote nothing");
    for some in writes.chunks(AT_ONCE) {
        let before = world.superuser(DIGESTS);
        let from = world.traffic.size();
        for sql in some {
            tally.transactions += 1;
            let passed = send(world, &agent, sql).await?;
            tally.refused += u32::from(!passed);
        }
        undo_since(world, from, tally)
            .await
            .with_context(|| some.join(";\n"))?;
        let now = world.superuser(DIGESTS);
        ensure!(now == before, "{before}\n{now}\n{}", some.join(";\n"));
    }
    Ok(())
}

/// Whether it passed. A session of its own each time: the statement may be one that the session does not survive.
async fn send(world: &World, agent: &Agent, sql: &str) -> Result<bool> {
    let client = world.client(agent).await?;
    let cancel = client.cancel_token();
    match tokio::time::timeout(LONGEST, client.batch_execute(sql)).await {
        Ok(result) => Ok(result.is_ok()),
        Err(_) => {
            // Its end must be known before anything is compared: the gate answers, or the session ends.
            cancel.cancel_query(tokio_postgres::NoTls).await?;
            let over = client.batch_execute("select");
            tokio::time::timeout(Duration::from_secs(30), over)
                .await
                .context("it does not end")?
                .ok();
            Ok(false)
        }
    }
}

/// The statements that write, of as many as were asked for.
fn writes(owner: &Connection, seed: u64, queries: u32) -> Result<Vec<String>> {
    let output = Command::new("sqlsmith")
        .arg(format!("--target={}", owner.dsn()))
        .args(["--dry-run", "--exclude-catalog"])
        .arg(format!("--max-queries={queries}"))
        .arg(format!("--seed={}", seed & 0x7fff_ffff))
        .stdin(Stdio::null())
        .output()
        .context("sqlsmith does not start; hint: scripts/setup.sh postgres")?;
    let text = String::from_utf8(output.stdout)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!text.is_empty(), "sqlsmith: {said}");
    let writing = |sql: &&str| {
        let first = sql.split_whitespace().next().unwrap_or_default();
        ["insert", "update", "delete", "merge"].contains(&first.to_ascii_lowercase().as_str())
    };
    let all = text.split(";\n").map(str::trim);
    Ok(all.filter(writing).map(str::to_owned).collect())
}
