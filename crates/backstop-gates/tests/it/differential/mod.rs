//! Random transactions over random schemas, by a real client through a real gate, among others who write the same
//! tables: whatever is committed is undone to the bit.
//!
//! The gate may hold or refuse what it likes. `BACKSTOP_SEED` repeats a run that failed.

mod random;
mod schema;
mod sqlsmith;
mod work;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use backstop_core::approval::Answer;
use backstop_core::measure::Limits;
use backstop_gates::postgres::{NotUndone, UndoAsk};
use backstop_testing::postgres::{Major, PostgresServer};
use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio_postgres::{Client, NoTls};

use crate::world::{Agent, World, files};
use random::Random;
use schema::{OTHERS, Schema};
use work::Step;

/// How it went.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub schemas: u32,
    pub transactions: u32,
    /// Those that changed something and were committed.
    pub committed: usize,
    pub refused: u32,
    pub undone: u32,
    /// Those of them that only went past triggers.
    pub past_triggers: u32,
    pub others: u64,
}

/// A world in which everything passes that can be kept.
pub async fn ample(major: Major) -> Result<World> {
    let limits = Limits {
        rows: u64::MAX,
        share: u32::MAX,
        few: u64::MAX,
        lease_rows: u64::MAX,
        target_rows: u64::MAX,
        ..Limits::default()
    };
    let server = PostgresServer::start(major)?;
    let tune = |config: &mut backstop_gates::postgres::GateConfig| {
        config.pause = Duration::ZERO;
        config.limits.denials_before_halt = usize::MAX;
    };
    World::begin(server, tune, Some(limits)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn random_transactions_are_undone_exactly_through_the_gate() -> Result<()> {
    let majors = Major::available()?;
    let each = Duration::from_secs(60) / u32::try_from(majors.len())?;
    let mut undone = 0;
    for major in majors {
        let tally = run(major, seed(u64::from(major.number())), 6, 6, each).await?;
        eprintln!("{major}: {tally:?}");
        ensure!(
            tally.undone > 0 && tally.others > 0,
            "{major}: too little was done: {tally:?}"
        );
        undone += tally.undone;
    }
    ensure!(undone >= 12, "too little was done");
    Ok(())
}

/// Where a trigger never lets a row come back, the undo is refused as a whole and says why, until a person lets it go past.
#[tokio::test(flavor = "multi_thread")]
async fn a_stamped_row_that_others_restrict_is_undone_only_past_its_trigger_and_by_a_passkey()
-> Result<()> {
    let world = ample(Major::any()?).await?;
    world.direct(
        "create table parent (id int primary key, n int, stamp timestamptz default clock_timestamp()); \
         create table child (id int primary key, ref int references parent on delete restrict); \
         create type pair as (a int, b text); \
         create table kin (id int primary key, ref int references parent on delete cascade, what pair); \
         create function stamp() returns trigger language plpgsql as \
           $$ begin new.stamp = clock_timestamp(); return new; end $$; \
         create trigger stamps before update on parent for each row execute function stamp(); \
         insert into parent select g, g from generate_series(1, 9) g; insert into child select 1, 1; \
         insert into kin values (1, 2, row(1, 'x')); analyze",
    );
    let agent = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let all =
        "select string_agg(p::text, ' ' order by id) || (select kin::text from kin) from parent p";
    let before = world.direct(all);
    for (id, undoable) in [(2, true), (1, false)] {
        let from = world.traffic.size();
        let said = world
            .psql(&agent, &format!("update parent set n = 0 where id = {id}"))
            .await;
        assert_eq!(said.trim(), "UPDATE 1");
        let after = world.direct(all);
        let ask = UndoAsk {
            images: files(images_since(&world, from)?)?,
            apply: true,
            leave_conflicts: false,
            without_triggers: false,
        };
        let undone = world.gate.undo(ask).await;
        if undoable {
            undone.map_err(|e| anyhow::anyhow!("{e:?}"))?;
            assert_eq!(world.direct(all), before);
        } else {
            let why = undone.map(drop).unwrap_err().to_string();
            assert!(
                why.contains("keep changing rows") && why.contains("--without-triggers"),
                "{why}"
            );
            assert_eq!(world.direct(all), after);
            let modes = "select string_agg(tgname || tgenabled::text, ',') from pg_trigger where not tgisinternal";
            let enabled = world.direct(modes);
            let past = |images| UndoAsk {
                images,
                apply: true,
                leave_conflicts: false,
                without_triggers: true,
            };
            let held = world
                .gate
                .undo(past(files(images_since(&world, from)?)?))
                .await;
            assert!(matches!(held, Err(NotUndone::Held { .. })), "{held:?}");
            assert_eq!(world.direct(all), after);
            let hold = world.decide_next(Answer::Approve, "").await?.hold;
            assert!(
                hold.reason.contains("switches triggers off"),
                "{}",
                hold.reason
            );
            let done = world
                .gate
                .undo(past(files(images_since(&world, from)?)?))
                .await;
            let done = done.map_err(|e| anyhow::anyhow!("{e:?}"))?;
            assert_eq!(
                done.summary["triggers_off"][0],
                "\"stamps\" on \"public\".\"parent\""
            );
            assert_eq!(world.direct(all), before);
            assert_eq!(world.direct(modes), enabled, "every trigger is as it was");
            let again = world
                .gate
                .undo(past(files(images_since(&world, from)?)?))
                .await;
            assert!(
                matches!(again, Err(NotUndone::Held { .. })),
                "once: {again:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "soak: thousands of random transactions through the gate"]
async fn thousands_of_random_transactions_are_undone_exactly_through_the_gate() -> Result<()> {
    let percent: u32 = match std::env::var("BACKSTOP_SOAK_PERCENT") {
        Ok(percent) => percent.parse()?,
        Err(_) => 100,
    };
    for major in Major::available()? {
        let hours = Duration::from_secs(3 * 3_600);
        let first = seed(u64::from(std::process::id()) << 20);
        let tally = run(
            major,
            first + u64::from(major.number()),
            percent.div_ceil(2),
            12,
            hours,
        )
        .await?;
        println!("{major}: {tally:?}");
        ensure!(
            tally.committed * 4 > usize::try_from(tally.transactions)?,
            "{major}: {tally:?}"
        );
    }
    Ok(())
}

fn seed(otherwise: u64) -> u64 {
    let said = std::env::var("BACKSTOP_SEED").ok();
    said.and_then(|s| s.parse().ok()).unwrap_or(otherwise)
}

/// So many schemas, each with so many rounds, for no longer than that.
async fn run(major: Major, seed: u64, schemas: u32, rounds: u32, most: Duration) -> Result<Tally> {
    let begun = Instant::now();
    let world = ample(major).await?;
    let mut tally = Tally::default();
    let mut wrong = vec![];
    for n in 0..schemas {
        let seed = seed.wrapping_add(u64::from(n) * 1_000);
        if let Err(error) = one_schema(&world, seed, rounds, &mut tally).await {
            wrong.push(format!("BACKSTOP_SEED={seed} repeats it: {error:#}"));
        }
        if begun.elapsed() > most {
            break;
        }
    }
    ensure!(
        wrong.is_empty(),
        "PostgreSQL {major}, {tally:?}:\n{}",
        wrong.join("\n")
    );
    Ok(tally)
}

async fn one_schema(world: &World, seed: u64, rounds: u32, tally: &mut Tally) -> Result<()> {
    let mut r = Random(seed);
    let schema = Arc::new(schema::random(&mut r));
    world.direct("drop schema public cascade; create schema public");
    let made = format!("set client_min_messages = error; {}", schema.sql);
    let owner = world.server.owner();
    world
        .server
        .psql_as(&owner, &made)
        .with_context(|| schema.sql.clone())?;
    tally.schemas += 1;
    if std::env::var("BACKSTOP_SEED").is_ok() {
        eprintln!("{}", schema.sql.replace(';', ";\n"));
    }
    let agent = world.lease(&["read,insert,update,delete:public.*"]).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let wrote = Arc::new(AtomicU64::new(0));
    let (client, connection) = tokio_postgres::connect(&owner.dsn(), NoTls).await?;
    tokio::spawn(connection);
    let writer = tokio::spawn(others(
        client,
        Random(!seed),
        Arc::clone(&schema),
        Arc::clone(&stop),
        Arc::clone(&wrote),
    ));
    let result = rounds_of(world, &agent, &mut r, &schema, rounds, tally).await;
    stop.store(true, Ordering::Relaxed);
    writer.await?;
    tally.others += wrote.load(Ordering::Relaxed);
    result
}

async fn rounds_of(
    world: &World,
    agent: &Agent,
    r: &mut Random,
    schema: &Schema,
    rounds: u32,
    tally: &mut Tally,
) -> Result<()> {
    let client = world.client(agent).await?;
    for round in 0..rounds {
        let before = rows(world, schema)?;
        let from = world.traffic.size();
        let mut said = vec![];
        for _ in 0..1 + r.below(3) {
            transaction(&client, r, schema, &mut said, tally).await;
        }
        ensure!(!client.is_closed(), "the session ended: {said:#?}");
        undo_since(world, from, tally)
            .await
            .with_context(|| format!("round {round}: {said:#?}"))?;
        let now = rows(world, schema)?;
        ensure!(
            now == before,
            "round {round}: {}\n{said:#?}",
            difference(&before, &now)
        );
    }
    Ok(())
}

/// Undoes all that has images since then; if nothing has, nothing may have changed.
async fn undo_since(world: &World, from: u64, tally: &mut Tally) -> Result<()> {
    let images = images_since(world, from)?;
    if images.is_empty() {
        return Ok(());
    }
    tally.committed += images.len();
    let ask = UndoAsk {
        images: files(images)?,
        apply: true,
        leave_conflicts: false,
        without_triggers: false,
    };
    match world.gate.undo(ask).await {
        Ok(_) => tally.undone += 1,
        // Images of a COMMIT that failed; that its rows are as before is looked at.
        Err(error) if error.to_string().contains("never committed") => {}
        // Triggers that never let a row come back: then past them, which a person must allow.
        Err(NotUndone::Refused(why)) if why.contains("keep changing rows") => {
            let past = || -> Result<UndoAsk> {
                Ok(UndoAsk {
                    images: files(images_since(world, from)?)?,
                    apply: true,
                    leave_conflicts: false,
                    without_triggers: true,
                })
            };
            let held = world.gate.undo(past()?).await;
            ensure!(matches!(held, Err(NotUndone::Held { .. })), "{held:?}");
            world.decide_next(Answer::Approve, "").await?;
            let done = world.gate.undo(past()?).await;
            done.map_err(|e| anyhow::anyhow!("past triggers: {e:?}"))?;
            tally.undone += 1;
            tally.past_triggers += 1;
        }
        Err(error) => return Err(anyhow::anyhow!("{error:?}")),
    }
    Ok(())
}

pub fn images_since(world: &World, from: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    world.traffic.checkpoint_now()?;
    let vault = world.vault.as_ref().context("a vault")?;
    let mut images = vec![];
    for entry in world.traffic.iter(from) {
        let (index, bytes) = entry?;
        let entry: serde_json::Value = serde_json::from_slice(&bytes)?;
        if entry["entry"] == "images" {
            images.push((
                index,
                vault.content(entry["object"].as_str().context("a name")?)?,
            ));
        }
    }
    images.reverse();
    Ok(images)
}

/// One transaction, in one of the ways in which clients have them.
async fn transaction(
    client: &Client,
    r: &mut Random,
    schema: &Schema,
    said: &mut Vec<String>,
    tally: &mut Tally,
) {
    tally.transactions += 1;
    if r.once_in(3) {
        let step = work::step(r, schema);
        let alone = send(client, &step, said).await;
        tally.refused += u32::from(alone.is_err());
        return;
    }
    let level = r.of(&[
        "",
        " isolation level repeatable read",
        " isolation level serializable",
    ]);
    note(client, &format!("begin{level}"), said).await;
    let mut failed = false;
    for _ in 0..1 + r.below(6) {
        let step = work::step(r, schema);
        let guarded = !r.once_in(3);
        if guarded {
            note(client, "savepoint s", said).await;
        }
        let ok = send(client, &step, said).await.is_ok();
        if guarded {
            let end = match (ok, r.below(5)) {
                (false, _) | (true, 0) => "rollback to s",
                (true, 1) => "release s",
                _ => continue,
            };
            note(client, end, said).await;
        } else if !ok {
            failed = true;
            break;
        }
    }
    let end = if failed || r.once_in(8) {
        "rollback"
    } else {
        "commit"
    };
    if !note(client, end, said).await {
        tally.refused += 1;
        // The gate leaves a transaction that it held as failed.
        note(client, "rollback", said).await;
    }
}

async fn note(client: &Client, sql: &str, said: &mut Vec<String>) -> bool {
    let result = client.batch_execute(sql).await;
    said.push(format!("{sql} -- {}", told(&result)));
    result.is_ok()
}

async fn send(
    client: &Client,
    step: &Step,
    said: &mut Vec<String>,
) -> Result<(), tokio_postgres::Error> {
    let (text, result) = match step {
        Step::Sql(sql) => (sql.clone(), client.batch_execute(sql).await),
        Step::With(sql, value) => {
            let result = client.execute(sql.as_str(), &[value]).await.map(drop);
            (format!("{sql} /* {value} */"), result)
        }
        Step::Copy(sql, data) => {
            let result = async {
                let mut sink = pin!(client.copy_in::<_, Bytes>(sql.as_str()).await?);
                sink.send(Bytes::from(data.clone())).await?;
                sink.finish().await?;
                // The server says "COPY" before the Sync that commits it, and this client does not wait for its end.
                client.simple_query("").await.map(drop)
            };
            (format!("{sql}: {data:?}"), result.await)
        }
    };
    said.push(format!("{text} -- {}", told(&result)));
    result
}

fn told(result: &Result<(), tokio_postgres::Error>) -> String {
    match result {
        Ok(()) => "ok".into(),
        Err(error) => error.as_db_error().map_or_else(
            || error.to_string(),
            |e| format!("{} {}", e.code().code(), e.message()),
        ),
    }
}

/// All rows that are not others', of each table by itself, as text that loses nothing.
fn rows(world: &World, schema: &Schema) -> Result<String> {
    let mut sql = String::from(
        "set timezone = 'UTC'; set extra_float_digits = 3; set search_path = ''; set bytea_output = 'hex';",
    );
    for part in schema.tables.iter().flat_map(|t| &t.parts) {
        sql.push_str(&format!(
            "select '{part}', t::text from only public.{part} t where id < {OTHERS} order by 2;"
        ));
    }
    sql.push_str("select 'counted', t::text from public.counted t order by 2; select 'noted', t::text from public.noted t order by 2;");
    let superuser = world
        .server
        .superuser()
        .in_database(&world.server.owner().database);
    world.server.psql_as(&superuser, &sql)
}

fn difference(before: &str, now: &str) -> String {
    let short = |line: &&str| line.chars().take(300).collect::<String>();
    let gone: Vec<String> = before
        .lines()
        .filter(|l| !now.lines().any(|n| n == *l))
        .map(|l| short(&l))
        .take(5)
        .collect();
    let new: Vec<String> = now
        .lines()
        .filter(|l| !before.lines().any(|n| n == *l))
        .map(|l| short(&l))
        .take(5)
        .collect();
    format!("missing {gone:#?}, too many {new:#?}")
}

/// Somebody else, who writes all the time.
async fn others(
    client: Client,
    mut r: Random,
    schema: Arc<Schema>,
    stop: Arc<AtomicBool>,
    wrote: Arc<AtomicU64>,
) {
    let _ = client.batch_execute("set lock_timeout = '2s'").await;
    while !stop.load(Ordering::Relaxed) {
        // Refused where the undo or a deadlock is in the way; that is theirs to bear.
        if client
            .batch_execute(&work::others(&mut r, &schema))
            .await
            .is_ok()
        {
            wrote.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
