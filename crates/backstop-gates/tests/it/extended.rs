//! The extended protocol: prepared statements, pipelines, transactions, COPY; both ends agree after a refusal.

use std::time::{Duration, Instant};

use anyhow::Result;
use backstop_core::approval::Answer;
use tokio_postgres::error::SqlState;

use crate::raw::Raw;
use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, n int default 0);
    insert into public.notes select g, 'note ' || g, g from generate_series(1, 2000) g;
";
const SCOPES: &[&str] = &["read,insert,update,delete:public.notes"];

fn code(error: &tokio_postgres::Error) -> String {
    error
        .code()
        .map_or_else(|| format!("{error:?}"), |c| c.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_reads_and_writes() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let client = world.client(&agent).await?;
    let read = client
        .prepare("select body from notes where id = $1")
        .await?;
    let write = client
        .prepare("update notes set n = n + 1 where id = $1")
        .await?;
    for id in 1..50_i32 {
        let row = client.query_one(&read, &[&id]).await?;
        assert_eq!(row.get::<_, String>(0), format!("note {id}"));
        assert_eq!(client.execute(&write, &[&id]).await?, 1);
    }
    assert_eq!(
        world.direct("select sum(n) from notes where id < 50"),
        "1274"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_writes_pipelined_together() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let client = world.client(&agent).await?;
    let (a, b, c) = tokio::join!(
        client.query_one("select count(*) from notes", &[]),
        client.execute("insert into notes values (9001, 'x', 1)", &[]),
        client.query_one("select count(*) from notes", &[]),
    );
    // The client prepares them in order, and interleaves what follows as it likes.
    let counts = [a?.get::<_, i64>(0), c?.get::<_, i64>(0)];
    assert!(
        counts.iter().all(|n| [2000, 2001].contains(n)),
        "{counts:?}"
    );
    assert_eq!(b?, 1);
    assert_eq!(world.direct("select count(*) from notes"), "2001");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_leaves_the_session_usable_and_the_transaction_failed() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let mut client = world.client(&agent).await?;
    let refused = client
        .execute("select * from pg_authid", &[])
        .await
        .unwrap_err();
    assert!(
        ["BK001", "BK003", "42501"].contains(&code(&refused).as_str()),
        "{refused:?}"
    );
    assert_eq!(client.query_one("select 1", &[]).await?.get::<_, i32>(0), 1);
    let transaction = client.transaction().await?;
    transaction
        .execute("update notes set body = 'gone' where id = 1", &[])
        .await?;
    let refused = transaction
        .execute("drop table notes", &[])
        .await
        .unwrap_err();
    assert_eq!(
        code(&refused),
        "BK003",
        "beyond the lease's rights inside its transaction"
    );
    let failed = transaction.query("select 1", &[]).await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    transaction.rollback().await?;
    assert_eq!(
        client
            .query_one("select body from notes where id = 1", &[])
            .await?
            .get::<_, String>(0),
        "note 1"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_action_by_the_extended_protocol() -> Result<()> {
    let world = World::on(backstop_testing::postgres::Major::any()?, SCHEMA, |c| {
        c.pause = std::time::Duration::from_secs(20);
    })
    .await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let client = world.client(&agent).await?;
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&7_i32];
    let held = client.query("delete from notes where id = $1 returning body", &params);
    let (rows, decided) = tokio::join!(held, world.decide_next(Answer::Approve, ""));
    decided?;
    let rows = rows?;
    assert_eq!(
        rows.first().map(|r| r.get::<_, String>(0)).as_deref(),
        Some("note 7")
    );
    assert_eq!(world.direct("select count(*) from notes"), "1999");
    // Other parameters are another action.
    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&8_i32];
    let held = client.query("delete from notes where id = $1 returning body", &params);
    let (rows, decided) = tokio::join!(held, world.decide_next(Answer::Deny, "no more"));
    decided?;
    assert_eq!(code(&rows.unwrap_err()), "BK002");
    assert_eq!(
        client
            .query_one("select count(*) from notes", &[])
            .await?
            .get::<_, i64>(0),
        1999
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_bounded_by_the_gate() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let file = world.folder.path().join("rows");
    let write = |n: u32| {
        let rows: String = (0..n)
            .map(|i| format!("{}\trow\t0\n", 10_000 + i))
            .collect();
        std::fs::write(&file, rows).unwrap();
    };
    let command = format!("\\copy notes from '{}'", file.display());
    write(1000);
    assert_eq!(world.psql(&agent, &command).await.trim(), "COPY 1000");
    world.direct("delete from notes where id >= 10000");
    write(1001);
    let said = world.psql(&agent, &command).await;
    assert!(said.contains("BK003"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "2000");
    let out = format!("\\copy notes to '{}'", file.display());
    assert_eq!(world.psql(&agent, &out).await.trim(), "COPY 2000");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_many_statements_is_journaled_whole() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let mut client = world.client(&agent).await?;
    let transaction = client.transaction().await?;
    for id in 1..=20_i32 {
        transaction
            .execute("update notes set n = 0 where id = $1", &[&id])
            .await?;
    }
    transaction.commit().await?;
    drop(client);
    let entries = world.entries();
    let writes = entries
        .iter()
        .filter(|e| e["entry"] == "intent" && e["effect"] == "write")
        .count();
    assert_eq!(writes, 20);
    for intent in entries.iter().filter(|e| e["entry"] == "intent") {
        let outcome = entries
            .iter()
            .find(|o| o["entry"] == "outcome" && o["action"] == intent["action"]);
        assert!(outcome.is_some(), "an intent without outcome: {intent}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_rolled_back_to_a_savepoint_does_not_hide_the_write_before_it() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let client = world.client(&agent).await?;
    client.batch_execute("begin").await?;
    client
        .execute("update notes set n = 77 where id = 1", &[])
        .await?;
    client.batch_execute("savepoint s").await?;
    assert!(client.batch_execute("drop table notes").await.is_err());
    client.batch_execute("rollback to s").await?;
    let durable = world.traffic.size();
    client.batch_execute("commit").await?;
    // The commit waited for the update's intent: it is among what is durable, without anybody flushing.
    assert!(world.traffic.size() > durable || durable > 0);
    let entries = world.entries();
    assert!(
        entries
            .iter()
            .any(|e| e["entry"] == "intent" && e["effect"] == "write")
    );
    assert_eq!(world.direct("select n from notes where id = 1"), "77");
    Ok(())
}

/// A client sends a Sync along with its Execute, its data when the server has said that it takes them, and
/// another Sync behind them. However the error of bad data falls between them, one answer comes.
#[tokio::test(flavor = "multi_thread")]
async fn bad_data_of_a_copy_are_answered_once_whenever_their_end_comes() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let mut raw = Raw::login(&world, &agent).await?;
    for waits in [true, false] {
        raw.parse("", "copy public.notes from stdin").await?;
        raw.bind("", "").await?;
        raw.execute("").await?;
        raw.send(b'S', &[]).await?;
        let said = raw.until(b'G').await?;
        assert_eq!(said.errors, Vec::<String>::new());
        raw.send(b'd', &[b"1803\ttoo few\n"]).await?;
        if waits {
            let said = raw.until(b'E').await?;
            assert!(said.errors[0].contains("22P04"), "{said:?}");
        }
        raw.send(b'c', &[]).await?;
        raw.send(b'S', &[]).await?;
        let said = raw.until(b'Z').await?;
        assert_eq!(said.errors.len(), usize::from(!waits), "{said:?}");
        let said = raw.query("select 'the answer to this'").await?;
        assert_eq!(said.rows, ["the answer to this"], "{said:?}");
    }
    Ok(())
}

/// While the gate reads a long text the server has nothing to cancel. A cancel of that time is not lost for it, and does
/// not come to what the client asks next.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_comes_while_the_gate_reads_is_not_lost() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let client = world.client(&agent).await?;
    for wait_ms in [20, 80, 300, 900] {
        // Another text each time: what was read before is remembered.
        let list: Vec<String> = (0..40_000).map(|n| (n + wait_ms).to_string()).collect();
        let sql = format!(
            "select pg_sleep(60) where {wait_ms} in ({})",
            list.join(",")
        );
        let cancel = client.cancel_token();
        let cancelling = async {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            cancel.cancel_query(tokio_postgres::NoTls).await
        };
        let begun = Instant::now();
        let (ran, cancelled) = tokio::join!(client.batch_execute(&sql), cancelling);
        cancelled?;
        assert_eq!(code(&ran.unwrap_err()), "57014", "{wait_ms}");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(40), "{wait_ms}: {took:?}");
        client.batch_execute("select pg_sleep(0.1)").await?;
    }
    Ok(())
}
