//! What is not proved from its text runs, is measured before COMMIT, and is judged by what it did.

use std::pin::pin;

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::measure::Limits;
use backstop_testing::postgres::Major;
use futures_util::SinkExt as _;
use tokio_postgres::error::SqlState;

use crate::raw::Raw;
use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, n int default 0);
    insert into public.notes select g, 'note ' || g, g from generate_series(1, 1000) g;
    create table public.replies (id int primary key, note int references public.notes on delete cascade, body text);
    insert into public.replies select g, (g - 1) / 2 + 1, 'reply ' || g from generate_series(1, 400) g;
    create table public.log (id bigint generated always as identity primary key, what text);
    create function public.purge(lowest int) returns int language plpgsql as $$
        declare gone int;
        begin delete from public.notes where id >= lowest; get diagnostics gone = row_count; return gone; end $$;
    create function public.touch(int) returns void language sql as 'update public.notes set n = n + 1 where id = $1';
    create procedure public.wipe(most int) language plpgsql as $$
        begin delete from public.replies where id <= most; end $$;
    create function public.sweep(name text, most int) returns void language plpgsql as $$
        begin execute format('delete from public.%I where id <= $1', name) using most; end $$;
    create view public.late as select id, body from public.notes where id > 500;
    analyze;
";
const SCOPES: &[&str] = &[
    "read,insert,update,delete:public.notes",
    "read,insert,update,delete:public.replies",
    "read,insert:public.log",
    "read,update,delete:public.late",
];

/// So few that a test reaches them quickly.
fn few() -> Limits {
    Limits {
        rows: 10,
        share: 5_000,
        few: 5,
        lease_rows: 100,
        target_rows: 150,
        window_ms: 3_600_000,
    }
}

async fn world() -> Result<(World, Agent)> {
    let world = World::measuring(SCHEMA, few()).await?;
    let agent = world.lease(SCOPES).await?;
    Ok((world, agent))
}

/// Runs it, sees it held with the numbers in the hold, and everything as it was.
async fn held(world: &World, scopes: &[&str], sql: &str, numbers: &str) -> Result<()> {
    let before = world.direct(EVERYTHING);
    // A lease that is denied again and again would be halted.
    let agent = &world.lease(scopes).await?;
    let said = world.psql(agent, sql).await;
    assert!(said.contains("BK001"), "{sql}: {said}");
    let done = [
        "UPDATE ", "DELETE ", "INSERT ", "MERGE ", "CALL", "DO\n", "COMMIT",
    ];
    let shown = said.lines().next().unwrap_or_default();
    assert!(
        sql.contains("; ") || !done.iter().any(|tag| shown.starts_with(tag)),
        "{sql}: {said}"
    );
    let hold = world.waiting().await?.hold;
    assert!(hold.summary.contains(numbers), "{sql}: {}", hold.summary);
    assert_eq!(world.direct(EVERYTHING), before, "{sql}");
    world.decide(&hold.id, Answer::Deny, "no").await?;
    Ok(())
}

const EVERYTHING: &str = "select md5(string_agg(t::text, '|' order by t::text)) from (
    select 'n', id::text, body, n::text from notes union all select 'r', id::text, body, note::text from replies
    union all select 'l', '', what, '' from log) t";

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_within_the_limits_passes_unasked() -> Result<()> {
    let (world, agent) = world().await?;
    for (sql, tag) in [
        ("update notes set n = n + 1 where n < 6", "UPDATE 5"),
        (
            "delete from replies where body like 'reply 39_'",
            "DELETE 10",
        ),
        (
            "insert into log (what) select 'x' from generate_series(1, 3)",
            "INSERT 0 3",
        ),
        ("select purge(998)", "3"),
        ("select touch(4)", ""),
        (
            "do $$ begin update public.notes set n = 0 where id = 7; end $$",
            "DO",
        ),
        ("call wipe(2)", "CALL"),
        ("select sweep('replies', 4)", ""),
        ("delete from late where id = 900", "DELETE 1"),
        (
            "update notes set n = 1 where id = 1; update notes set n = 2 where id = 2",
            "UPDATE 1",
        ),
        (
            "begin; update notes set n = 5 where n > 990; commit",
            "COMMIT",
        ),
    ] {
        let said = world.psql(&agent, sql).await;
        assert!(!said.contains("ERROR"), "{sql}: {said}");
        assert!(said.contains(tag), "{sql}: {said}");
    }
    assert_eq!(world.direct("select count(*) from notes"), "996");
    assert_eq!(world.direct("select n from notes where id = 7"), "0");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_beyond_them_is_rolled_back_and_held_with_its_numbers() -> Result<()> {
    let (world, _) = world().await?;
    for (sql, numbers) in [
        (
            "update notes set n = n + 1 where n < 100",
            "update 99 rows of public.notes",
        ),
        ("select purge(900)", "delete 101 rows of public.notes"),
        (
            "do $$ begin update public.notes set n = 0 where n > 500; end $$",
            "update 500 rows",
        ),
        ("call wipe(200)", "delete 200 rows of public.replies"),
        (
            "select sweep('replies', 300)",
            "delete 300 rows of public.replies",
        ),
        (
            "delete from late where id > 900",
            "delete 100 rows of public.notes",
        ),
        (
            "delete from notes where id between 1 and 8",
            "delete 16 rows of public.replies",
        ),
        (
            "begin; update notes set n = 1 where n < 9; update notes set n = 2 where n > 990; commit",
            "update 18 rows",
        ),
        (
            "update notes set n = 1 where n < 9; update notes set n = 2 where n > 990",
            "update 18 rows",
        ),
        (
            "with gone as (delete from notes where n > 900 returning id) select count(*) from gone",
            "delete 100 rows",
        ),
        (
            "merge into notes using (select 1) s on n > 800 when matched then delete",
            "delete 200 rows",
        ),
        (
            "insert into notes select g, 'x', g from generate_series(1, 50) g on conflict (id) do update set body = 'y'",
            "update 50 rows",
        ),
        (
            "explain analyze delete from notes where n > 800",
            "delete 200 rows",
        ),
    ] {
        held(&world, SCOPES, sql, numbers).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_share_of_a_small_table_is_a_mass_write() -> Result<()> {
    let limits = Limits {
        rows: 1_000,
        ..few()
    };
    let world = World::measuring(SCHEMA, limits).await?;
    let agent = world.lease(SCOPES).await?;
    held(
        &world,
        SCOPES,
        "delete from replies where id > 190",
        "delete 210 rows",
    )
    .await?;
    let said = world
        .psql(&agent, "delete from replies where id > 390")
        .await;
    assert_eq!(said.trim(), "DELETE 10");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_steps_are_one_mass_delete() -> Result<()> {
    let (world, agent) = world().await?;
    let client = world.client(&agent).await?;
    let delete = client.prepare("delete from notes where id = $1").await?;
    let mut done = 0;
    let stopped = loop {
        match client.execute(&delete, &[&(500 + done)]).await {
            Ok(1) => done += 1,
            Ok(n) => panic!("{n} rows of one key"),
            Err(error) => break error,
        }
        assert!(done <= 100, "nobody stopped it");
    };
    assert_eq!(done, 100);
    assert_eq!(
        stopped.code().map(SqlState::code),
        Some("BK001"),
        "{stopped:?}"
    );
    assert_eq!(world.waiting().await?.hold.rule, "lease-budget");
    assert_eq!(world.direct("select count(*) from notes"), "900");
    // Another lease draws on its own budget, and on the target's.
    let other = world.lease(SCOPES).await?;
    let client = world.client(&other).await?;
    for done in 0..50 {
        client
            .execute("delete from notes where id = $1", &[&(700 + done)])
            .await?;
    }
    let stopped = client
        .execute("delete from notes where id = 800", &[])
        .await
        .unwrap_err();
    assert_eq!(
        stopped.code().map(SqlState::code),
        Some("BK001"),
        "{stopped:?}"
    );
    assert_eq!(world.waiting().await?.hold.rule, "target-budget");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_one_mass_delete() -> Result<()> {
    let (world, agent) = world().await?;
    let mut clients = vec![];
    for _ in 0..24 {
        clients.push(world.client(&agent).await?);
    }
    let tries = clients.iter().enumerate().map(|(n, client)| async move {
        let first = 500 + 9 * n;
        let sql = format!(
            "delete from notes where id between {first} and {}",
            first + 8
        );
        client.batch_execute(&sql).await.is_ok()
    });
    let done = futures_util::future::join_all(tries).await;
    let passed = done.iter().filter(|done| **done).count();
    let left: usize = world.direct("select count(*) from notes").parse()?;
    assert_eq!(left, 1000 - 9 * passed);
    assert!((1..=11).contains(&passed), "{passed} of 24 passed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_brings_nobody_a_new_budget() -> Result<()> {
    let (mut world, agent) = world().await?;
    let take = async |world: &World, first: i32| -> Result<String> {
        let sql = format!(
            "delete from notes where id between {first} and {}",
            first + 9
        );
        Ok(world.psql(&agent, &sql).await)
    };
    for n in 0..9 {
        assert_eq!(take(&world, 300 + 10 * n).await?.trim(), "DELETE 10");
    }
    world = world.restart().await?;
    assert_eq!(take(&world, 500).await?.trim(), "DELETE 10");
    world = world.restart().await?;
    assert!(take(&world, 600).await?.contains("BK001"));
    let hold = world.waiting().await?.hold;
    assert_eq!(hold.rule, "lease-budget");
    // What people have looked at is not held against the lease after a restart either.
    world.decide(&hold.id, Answer::Approve, "").await?;
    assert_eq!(take(&world, 600).await?.trim(), "DELETE 10");
    world = world.restart().await?;
    assert_eq!(take(&world, 700).await?.trim(), "DELETE 10");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_limits_are_for_open_sessions_too_and_bring_nobody_a_new_budget() -> Result<()> {
    let (world, agent) = world().await?;
    let client = world.client(&agent).await?;
    for n in 0..9 {
        let sql = format!(
            "delete from notes where id between {0} and {0} + 9",
            300 + 10 * n
        );
        client.batch_execute(&sql).await?;
    }
    let was = world.measures.context("limits")?;
    let longer = Limits {
        window_ms: was.window_ms * 3,
        ..was
    };
    world.reload("", Some(longer)).await?;
    client
        .batch_execute("delete from notes where id between 500 and 509")
        .await?;
    let held = client
        .batch_execute("delete from notes where id between 600 and 609")
        .await;
    assert!(
        held.is_err(),
        "what was counted is counted in a longer window"
    );
    assert_eq!(world.waiting().await?.hold.rule, "lease-budget");
    world
        .reload(
            "",
            Some(Limits {
                lease_rows: 1_000_000,
                ..longer
            }),
        )
        .await?;
    client
        .batch_execute("delete from notes where id between 600 and 609")
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_one_is_run_again_inside_its_envelope() -> Result<()> {
    let (world, agent) = world().await?;
    let sql = "update notes set body = 'z' where n > 980";
    assert!(world.psql(&agent, sql).await.contains("BK001"));
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    // The world has changed: it would do more than was approved.
    world.direct("insert into notes values (2001, 'new', 2001)");
    assert!(world.psql(&agent, sql).await.contains("BK001"));
    assert_eq!(
        world.direct("select count(*) from notes where body = 'z'"),
        "0"
    );
    let anew = world.waiting().await?.hold;
    assert_ne!(anew.id, hold.id);
    assert!(anew.summary.contains("21 rows"), "{}", anew.summary);
    world.decide(&anew.id, Answer::Approve, "").await?;
    assert_eq!(world.psql(&agent, sql).await.trim(), "UPDATE 21");
    // Once.
    assert!(world.psql(&agent, sql).await.contains("BK001"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_has_shown_nothing_waits_and_is_run_when_people_say_yes() -> Result<()> {
    let (world, agent) = world().await?;
    let (said, decided) = tokio::join!(
        world.psql(
            &agent,
            "delete from replies where id > 200; select count(*) from replies"
        ),
        world.psql(&agent, "delete from replies where id > 300"),
    );
    // A text that ends in rows has shown some, and is answered at once.
    assert!(said.contains("BK001"), "{said}");
    assert!(decided.contains("BK001"), "{decided}");
    let sql = "delete from replies where id > 350";
    let (said, decided) = tokio::join!(world.psql(&agent, sql), async {
        loop {
            let hold = world.waiting().await?.hold;
            if hold.summary.contains(" 50 rows") {
                break world.decide(&hold.id, Answer::Approve, "").await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    decided?;
    assert!(said.contains("DELETE 50"), "{said}");
    assert_eq!(world.direct("select count(*) from replies"), "350");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_blocks_savepoints_and_series_are_measured_whole() -> Result<()> {
    let (world, agent) = world().await?;
    let mut client = world.client(&agent).await?;
    let before = world.direct(EVERYTHING);
    let transaction = client.transaction().await?;
    for n in 0..20 {
        let sql = "update notes set n = n + 1 where id = $1";
        assert_eq!(transaction.execute(sql, &[&n]).await?, u64::from(n > 0));
    }
    let failed = transaction.commit().await.unwrap_err();
    assert_eq!(
        failed.code().map(SqlState::code),
        Some("BK001"),
        "{failed:?}"
    );
    client.batch_execute("rollback").await?;
    assert_eq!(world.direct(EVERYTHING), before);
    // What a savepoint took back is counted, as it was done.
    let mut transaction = client.transaction().await?;
    let savepoint = transaction.savepoint("s").await?;
    savepoint
        .execute("delete from notes where id < 4", &[])
        .await?;
    savepoint.rollback().await?;
    transaction
        .execute("delete from notes where id = 999", &[])
        .await?;
    transaction.commit().await?;
    assert_eq!(world.direct("select count(*) from notes"), "999");
    // A series of messages with one Sync at its end, and one that a simple query ends.
    let mut raw = Raw::login(&world, &agent).await?;
    for end in [b'S', b'Q'] {
        let before = world.direct(EVERYTHING);
        for n in 0..3 {
            raw.parse(
                "",
                &format!(
                    "update notes set n = 0 where n between {} and {}",
                    n * 10,
                    n * 10 + 9
                ),
            )
            .await?;
            raw.bind("", "").await?;
            raw.execute("").await?;
        }
        let said = match end {
            b'S' => raw.sync().await?,
            _ => raw.query("select 1").await?,
        };
        assert_eq!(said.errors, ["BK001"], "{said:?}");
        assert_eq!(world.direct(EVERYTHING), before);
    }
    for end in [b'S', b'Q'] {
        raw.parse("", "update notes set n = n + 1 where n between 5 and 6")
            .await?;
        raw.bind("", "").await?;
        raw.execute("").await?;
        let said = match end {
            b'S' => raw.sync().await?,
            _ => raw.query("select 1").await?,
        };
        assert_eq!(said.errors, Vec::<String>::new(), "{said:?}");
    }
    Ok(())
}

/// Copies rows in, in one piece; how many, or the error's code.
async fn copy(client: &tokio_postgres::Client, first: i32, rows: i32, body: &str) -> String {
    let data: String = (first..first + rows)
        .map(|n| format!("{n}\t{body}\t1\n"))
        .collect();
    let sink = client.copy_in("copy notes from stdin").await.unwrap();
    let mut sink = pin!(sink);
    sink.send(bytes::Bytes::from(data)).await.unwrap();
    // The completion comes with the data's end, a refusal with that of the transaction.
    match sink.finish().await {
        Ok(rows) => match client.batch_execute("").await {
            Ok(()) => rows.to_string(),
            Err(error) => format!("{:?}", error.code()),
        },
        Err(error) => format!("{:?}", error.code()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_measured_and_may_be_approved() -> Result<()> {
    let (world, agent) = world().await?;
    let client = world.client(&agent).await?;
    let count = "select count(*) from notes where body in ('copied', 'others')";
    assert_eq!(copy(&client, 3000, 5, "copied").await, "5");
    assert_eq!(world.direct(count), "5");
    copy(&client, 4000, 50, "copied").await;
    assert_eq!(world.direct(count), "5");
    let hold = world.waiting().await?.hold;
    assert!(hold.summary.contains("insert 50 rows"), "{}", hold.summary);
    world.decide(&hold.id, Answer::Approve, "").await?;
    // Other data are another action.
    copy(&client, 4000, 50, "others").await;
    assert_eq!(world.direct(count), "5");
    copy(&client, 4000, 50, "copied").await;
    assert_eq!(world.direct(count), "55");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_counters_do_not_show_is_never_run_to_be_measured() -> Result<()> {
    let world = World::measuring(SCHEMA, few()).await?;
    world.direct(
        "create sequence tickets;
         create function shout() returns void language plpgsql as $$ begin perform pg_notify('a', 'b'); end $$;
         create function deep() returns void language plpgsql as $$ begin perform public.shout(); end $$;
         create function reset() returns void language sql as $$ select setval('public.tickets', 1) $$;
         create function any_text(t text) returns void language plpgsql as $$ begin execute t; end $$;
         create function half(t text) returns void language plpgsql as $$ begin execute 'select ' || t; end $$;
         create procedure ends() language plpgsql as $$ begin update public.notes set n = 0; commit; end $$;
         create function unlinks() returns int language sql as $$ select lo_unlink(1) $$;
         create function keeps() returns void language plpgsql as $$
             begin execute 'declare c cursor with hold for select public.purge(1)'; end $$;
         create table loud (id int primary key);
         create function on_loud() returns trigger language plpgsql as $$ begin notify loud; return new; end $$;
         create trigger t after insert on loud for each row execute function on_loud();
         create function writes_loud() returns void language sql as $$ insert into public.loud values (1) $$;
         grant insert on loud to public",
    );
    let scopes = [SCOPES, &["read,insert:public.loud"]].concat();
    let before = world.direct(EVERYTHING);
    for sql in [
        "select shout()",
        "select deep()",
        "select reset()",
        "select any_text('delete from public.notes')",
        "select half('public.purge(1)')",
        "call ends()",
        "select unlinks()",
        "select keeps()",
        "insert into loud values (1)",
        "select writes_loud()",
        "do $$ begin perform pg_notify('a', 'b'); end $$",
        "do $$ begin execute 'no' || 'tify a'; end $$",
        "do $$ begin set constraints all deferred; end $$",
        "declare c cursor with hold for select purge(1)",
    ] {
        let agent = world.lease(&scopes).await?;
        let said = world.psql(&agent, sql).await;
        assert!(said.contains("BK0"), "{sql}: {said}");
        assert_eq!(world.direct(EVERYTHING), before, "{sql}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_slips_past_at_commit() -> Result<()> {
    let world = World::measuring(SCHEMA, few()).await?;
    world.direct(
        "create function late_wipe() returns trigger language plpgsql as $$
             begin delete from public.replies where id > 100; return null; end $$;
         create constraint trigger late after update on notes deferrable initially deferred
             for each row when (new.n = -1) execute function late_wipe();
         create function queue_more() returns trigger language plpgsql as $$
             begin update public.notes set n = -1 where id = 1; return null; end $$;
         create constraint trigger more after insert on log deferrable initially deferred
             for each row execute function queue_more();
         create table again (id int primary key, tries int);
         insert into again values (1, 0);
         create function put_off() returns trigger language plpgsql as $$
             begin set constraints all deferred; update public.again set tries = tries + 1; return null; end $$;
         create constraint trigger off after update on again deferrable initially deferred
             for each row execute function put_off()",
    );
    let agent = world
        .lease(&[SCOPES, &["read,update:public.again"]].concat())
        .await?;
    // Deferred, and deferred behind another that is deferred.
    held(
        &world,
        SCOPES,
        "update notes set n = -1 where id = 1",
        "delete 300 rows of public.replies",
    )
    .await?;
    held(
        &world,
        SCOPES,
        "insert into log (what) values ('x')",
        "delete 300 rows of public.replies",
    )
    .await?;
    held(
        &world,
        SCOPES,
        "begin; set constraints all deferred; update notes set n = -1 where id = 1; commit",
        "delete 300 rows",
    )
    .await?;
    let said = world
        .psql(&agent, "update again set tries = 0 where id = 1")
        .await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(world.direct("select tries from again"), "0");
    // A cursor that is filled at COMMIT.
    let said = world
        .psql(&agent, "begin; update notes set n = 5 where id = 5; declare c cursor with hold for select purge(1); commit")
        .await;
    assert!(said.contains("BK0"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "1000");
    // One that only reads may stay.
    let said = world
        .psql(&agent, "begin; update notes set n = 6 where id = 5; declare c cursor with hold for select id from notes; commit")
        .await;
    assert!(said.contains("COMMIT"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_only_reads_calls_functions_read_only() -> Result<()> {
    let world = World::measuring(SCHEMA, few()).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let said = world.psql(&agent, "select purge(1)").await;
    assert!(said.contains("read-only transaction"), "{said}");
    world.direct("create function best() returns int language plpgsql as $$ begin return (select max(n) from public.notes); end $$");
    let said = world.psql(&agent, "select best()").await;
    assert!(said.contains("1000"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_wants_to_read_only_is_measured_when_it_writes_after_all() -> Result<()> {
    let (world, agent) = world().await?;
    let sql = "set default_transaction_read_only = on;
        begin read write; update notes set n = 0 where n > 100; commit";
    let before = world.direct(EVERYTHING);
    let mut raw = Raw::login(&world, &agent).await?;
    for part in sql.split(';') {
        raw.query(part).await?;
    }
    assert_eq!(world.direct(EVERYTHING), before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_count_lets_nothing_through() -> Result<()> {
    let (world, agent) = world().await?;
    world.superuser("alter system set track_counts = off; select pg_reload_conf()");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let said = world
        .psql(&agent, "update notes set n = 0 where id = 1")
        .await;
    assert!(said.contains("track_counts"), "{said}");
    assert_eq!(world.direct("select n from notes where id = 1"), "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_server_counts_alike() -> Result<()> {
    let world = World::measuring_on(
        *Major::available()?.last().context("a server")?,
        SCHEMA,
        few(),
    )
    .await?;
    let agent = world.lease(SCOPES).await?;
    held(
        &world,
        SCOPES,
        "select purge(900)",
        "delete 101 rows of public.notes",
    )
    .await?;
    let said = world.psql(&agent, "select purge(995)").await;
    assert!(said.contains('6'), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_in_the_vault_before_the_commit_is_sent() -> Result<()> {
    let (world, agent) = world().await?;
    let vault = world.vault.as_ref().context("a vault")?;
    for sql in [
        "update notes set body = 'changed' where id = 1",
        "begin; delete from notes where id = 2; insert into log (what) values ('gone'); commit",
        "select touch(3)",
    ] {
        let said = world.psql(&agent, sql).await;
        assert!(!said.contains("ERROR"), "{said}");
    }
    let client = world.client(&agent).await?;
    client
        .execute("delete from notes where id = $1", &[&4])
        .await?;
    let entries = world.entries();
    let images: Vec<&serde_json::Value> =
        entries.iter().filter(|e| e["entry"] == "images").collect();
    assert_eq!(images.len(), 4, "{entries:#?}");
    let texts: Vec<String> = images
        .iter()
        .map(|e| {
            Ok(String::from_utf8(
                vault.content(e["object"].as_str().context("a name")?)?,
            )?)
        })
        .collect::<Result<_>>()?;
    for (text, row) in texts.iter().zip(["note 1", "note 2", "note 3", "note 4"]) {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(
        texts[1].contains("reply 3") && texts[1].contains("gone"),
        "{}",
        texts[1]
    );
    // Before the outcome, and before anything else of that connection.
    for image in images {
        let of_it = |e: &&serde_json::Value| {
            e["connection"] == image["connection"] && e["action"] == image["action"]
        };
        let kinds: Vec<&str> = entries
            .iter()
            .filter(of_it)
            .filter_map(|e| e["entry"].as_str())
            .collect();
        assert!(
            kinds.contains(&"intent") && kinds.contains(&"outcome"),
            "{kinds:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stops_code_that_might_write() -> Result<()> {
    let (world, agent) = world().await?;
    let before = world.direct(EVERYTHING);
    world.store.freeze("a test").await?;
    for sql in [
        "select purge(999)",
        "call wipe(1)",
        "do $$ begin update public.notes set n = 0 where id = 1; end $$",
    ] {
        let said = world.psql(&agent, sql).await;
        assert!(said.contains("BK004"), "{sql}: {said}");
    }
    assert_eq!(
        world
            .psql(&agent, "select count(*) from notes")
            .await
            .trim(),
        "1000"
    );
    assert_eq!(world.direct(EVERYTHING), before);
    Ok(())
}

/// Roads by which the gate could forget, before COMMIT, that something was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_not_forgotten_before_the_server_says_that_it_is_over() -> Result<()> {
    let (world, _) = world().await?;
    let before = world.direct(EVERYTHING);
    for texts in [
        &[
            "begin",
            "update notes set n = 0 where n > 100",
            "begin",
            "commit",
        ][..],
        &["begin; update notes set n = 0 where n > 100", "commit"],
        &[
            "begin",
            "update notes set n = 0 where n > 100; begin",
            "commit",
        ],
        &[
            "begin",
            "savepoint s",
            "update notes set n = 0 where n > 100",
            "savepoint t",
            "select 1/0",
            "rollback to t",
            "commit",
        ],
    ] {
        let agent = world.lease(SCOPES).await?;
        let mut raw = Raw::login(&world, &agent).await?;
        for text in texts {
            raw.query(text).await?;
        }
        assert_eq!(world.direct(EVERYTHING), before, "{texts:?}");
    }
    // A ROLLBACK that the server skips, and a savepoint that brings the transaction back.
    let agent = world.lease(SCOPES).await?;
    let mut raw = Raw::login(&world, &agent).await?;
    for text in [
        "begin",
        "update notes set n = 0 where n > 100",
        "savepoint s",
    ] {
        raw.query(text).await?;
    }
    raw.parse("", "select 1/0").await?;
    raw.bind("", "").await?;
    raw.execute("").await?;
    raw.parse("", "rollback").await?;
    raw.bind("", "").await?;
    raw.execute("").await?;
    raw.sync().await?;
    raw.query("rollback to s").await?;
    raw.query("commit").await?;
    assert_eq!(world.direct(EVERYTHING), before);
    Ok(())
}
