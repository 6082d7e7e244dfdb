//! What people approved is what is done, and no more: what goes beyond is rolled back and held anew with its numbers.

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::hold::Hold;
use backstop_core::measure::Limits;
use backstop_gates::postgres::UndoAsk;

use crate::world::{Agent, World, files};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text);
    insert into public.notes select g, 'note ' || g from generate_series(1, 1000) g;
    create table public.counters (id int primary key, n int);
    insert into public.counters select g, 0 from generate_series(1, 10) g;
    create function public.count_all() returns trigger language plpgsql as $$
        begin update public.counters set n = n + 1; return old; end $$;
    analyze;
";
const EVERYTHING: &str = "select md5(string_agg(t::text, '|' order by t::text)) from (
    select n::text from notes n union all select 'c' || c::text from counters c) t";
const TRIGGER: &str = "create trigger counts before delete on public.notes for each row execute function public.count_all()";

async fn world() -> Result<(World, Agent)> {
    let world = World::measuring(SCHEMA, Limits::default()).await?;
    let agent = world.lease(&["read:*.*"]).await?;
    Ok((world, agent))
}

/// How an agent sends it.
#[derive(Clone, Copy)]
enum Way {
    Simple,
    Extended,
}

async fn send(world: &World, agent: &Agent, sql: &str, way: Way) -> Result<Option<String>> {
    let client = world.client(agent).await?;
    let result = match way {
        Way::Simple => client.batch_execute(sql).await,
        Way::Extended => client.execute(sql, &[]).await.map(drop),
    };
    Ok(result.err().map(|error| {
        let told = error
            .as_db_error()
            .map(|e| format!("{} {}", e.code().code(), e.message()));
        told.unwrap_or_else(|| error.to_string())
    }))
}

/// Sends it, sees it held and everything as it was; the hold.
async fn held(world: &World, agent: &Agent, sql: &str, way: Way) -> Result<Hold> {
    let before = world.direct(EVERYTHING);
    let said = send(world, agent, sql, way).await?.context("it was held")?;
    assert!(said.starts_with("BK001"), "{said}");
    assert_eq!(world.direct(EVERYTHING), before, "{sql}");
    Ok(world.waiting().await.context(said)?.hold)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_approved_action_sets_off_since_its_approval_is_held_anew() -> Result<()> {
    let way = Way::Simple;
    let (world, agent) = world().await?;
    let before = world.direct(EVERYTHING);
    let sql = "delete from notes where id = 5";
    let first = held(&world, &agent, sql, way).await?;
    world.decide(&first.id, Answer::Approve, "").await?;
    // The target changes when its approval is spent already, and it only waits for the table.
    let (owner, connection) =
        tokio_postgres::connect(&world.server.owner().dsn(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let begin = format!("begin; lock table notes in access exclusive mode; {TRIGGER}");
    owner.batch_execute(&begin).await?;
    let changing = async {
        let waits = format!(
            "select count(*) from pg_stat_activity where application_name = 'backstop {}' and wait_event_type = 'Lock'",
            first.id
        );
        for _ in 0..150 {
            if world.superuser(&waits) == "1" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        owner.batch_execute("commit").await
    };
    let (said, changed) = tokio::join!(send(&world, &agent, sql, way), changing);
    changed?;
    let said = said?.context("it was held")?;
    assert!(said.contains("went beyond what was approved"), "{said}");
    assert_eq!(world.direct(EVERYTHING), before);
    let anew = world.waiting().await?.hold;
    assert_ne!(anew.id, first.id);
    let summary = &anew.summary;
    assert!(
        summary.contains("update 10 rows of public.counters"),
        "{summary}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_changed_since_the_approval_is_seen_before_it_runs() -> Result<()> {
    for way in [Way::Simple, Way::Extended] {
        changed_before(way).await?;
    }
    Ok(())
}

async fn changed_before(way: Way) -> Result<()> {
    let (world, agent) = world().await?;
    let before = world.direct(EVERYTHING);
    let sql = "delete from notes where id = 5";
    let first = held(&world, &agent, sql, way).await?;
    world.decide(&first.id, Answer::Approve, "").await?;
    world.direct(TRIGGER);
    let said = send(&world, &agent, sql, way).await?;
    assert!(said.context("refused")?.contains("has changed since"));
    assert_eq!(world.direct(EVERYTHING), before);
    let again = held(&world, &agent, sql, way).await?;
    assert_ne!(again.id, first.id);
    world.decide(&again.id, Answer::Approve, "").await?;
    assert_eq!(send(&world, &agent, sql, way).await?, None);
    assert_eq!(world.direct("select sum(n) from counters"), "10");
    undo(&world).await?;
    assert_eq!(world.direct(EVERYTHING), before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_changes_and_takes_structure_stays_within_its_own_words() -> Result<()> {
    let (world, agent) = world().await?;
    for sql in [
        "create table copied as select * from notes",
        "alter table copied alter column id type bigint",
        "truncate copied",
        "create materialized view seen as select count(*) from notes",
        "refresh materialized view seen",
        "drop materialized view seen",
        "drop table copied",
        "insert into counters select g, g from generate_series(11, 50) g",
        "create index on notes (body)",
        "delete from notes where id > 10",
        "truncate notes, counters",
    ] {
        let said = send(&world, &agent, sql, Way::Simple)
            .await?
            .context("it was held")?;
        assert!(said.starts_with("BK001"), "{sql}: {said}");
        let hold = world.waiting().await?.hold;
        world.decide(&hold.id, Answer::Approve, "").await?;
        assert_eq!(send(&world, &agent, sql, Way::Simple).await?, None, "{sql}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_ends_its_own_transaction_is_promised_nothing() -> Result<()> {
    let (world, agent) = world().await?;
    let sql = "begin; delete from notes where id = 5; commit";
    let hold = held(&world, &agent, sql, Way::Simple).await?;
    assert!(
        hold.recoverable.starts_with("nothing"),
        "{}",
        hold.recoverable
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_count_is_not_done() -> Result<()> {
    let (world, agent) = world().await?;
    let sql = "delete from notes where id = 5";
    let hold = held(&world, &agent, sql, Way::Simple).await?;
    world.decide(&hold.id, Answer::Approve, "").await?;
    let database = world.server.owner().database;
    world.superuser(&format!("alter database {database} set track_counts = off"));
    let said = send(&world, &agent, sql, Way::Simple)
        .await?
        .context("it was refused")?;
    assert!(said.contains("track_counts"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "1000");
    Ok(())
}

async fn undo(world: &World) -> Result<()> {
    let vault = world.vault.as_ref().context("a vault")?;
    let mut images = vec![];
    for (index, entry) in world.entries().iter().enumerate() {
        if entry["entry"] == "images" {
            let name = entry["object"].as_str().context("a name")?;
            images.push((index as u64, vault.content(name)?));
        }
    }
    images.reverse();
    let ask = UndoAsk {
        images: files(images)?,
        apply: true,
        leave_conflicts: false,
        without_triggers: false,
    };
    world.gate.undo(ask).await?;
    Ok(())
}
