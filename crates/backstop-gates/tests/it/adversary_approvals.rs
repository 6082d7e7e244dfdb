//! Getting more out of an approval than the person gave.

use std::time::Duration;

use anyhow::Result;
use backstop_core::approval::Answer;
use backstop_testing::postgres::Major;

use crate::raw::Raw;
use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
    create schema work;
    grant usage on schema work to public;
";

async fn approved(world: &World, agent: &Agent, sql: &str) -> Result<()> {
    let said = world.psql(agent, sql).await;
    assert!(said.contains("BK001"), "{sql}: {said}");
    let hold = world.waiting().await?.hold.id;
    world.decide(&hold, Answer::Approve, "").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_it_runs_as_is_not_taken_for_who_asks() -> Result<()> {
    for major in [Major::V15, Major::V18] {
        let world = World::on(major, SCHEMA, |c| c.limits.denials_before_halt = 1000).await?;
        let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
        let (owner, lease) = (world.server.owner().user, agent.lease.clone());
        for road in [
            "alter role current_user password 'of-my-choice'".to_owned(),
            "alter user session_user set statement_timeout = 0".to_owned(),
            "alter role current_role valid until 'infinity'".to_owned(),
            "alter role current_user connection limit -1".to_owned(),
            "drop owned by current_user cascade".to_owned(),
            format!("reassign owned by current_user to {lease}"),
            "grant pg_read_all_data to current_user".to_owned(),
            "create schema authorization current_user".to_owned(),
            format!("alter role {owner} password 'of-my-choice'"),
            format!("alter role {owner} rename to nobody"),
            format!("alter role {owner} in database postgres set search_path = evil"),
            format!("drop owned by {owner}"),
            format!("drop role if exists nobody, {owner}"),
            format!("reassign owned by {owner} to {lease}"),
            format!("grant {owner} to pg_monitor"),
            format!("grant {owner} to {lease}"),
            format!("grant pg_read_all_data to {lease}"),
            format!("alter role {lease} superuser"),
            format!("alter role {lease} password 'of-my-choice' valid until 'infinity'"),
            format!("alter role {lease} set statement_timeout = 0"),
            "drop owned by backstop_leftovers".to_owned(),
        ] {
            let said = world.psql(&agent, &road).await;
            assert!(said.contains("BK003"), "{road}: {said}");
            assert_eq!(
                world.store.state().open_holds(&agent.lease).count(),
                0,
                "nobody is asked: {road}"
            );
        }
        assert_eq!(world.direct("select count(*) from notes"), "100");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_spend_it_at_once_one_does() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    world.direct("create table ran (n int)");
    let agent = world.lease(&["read:*.*"]).await?;
    let sql = "insert into ran select generate_series(1, 1)";
    approved(&world, &agent, sql).await?;
    let (a, b, c, d) = tokio::join!(
        world.psql(&agent, sql),
        world.psql(&agent, sql),
        world.psql(&agent, sql),
        world.psql(&agent, sql)
    );
    let done = [&a, &b, &c, &d]
        .into_iter()
        .filter(|s| s.contains("INSERT 0 1"));
    assert_eq!(done.count(), 1, "{a} {b} {c} {d}");
    assert_eq!(world.direct("select count(*) from ran"), "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_worth_nothing_after_a_halt_a_narrowing_or_a_revocation() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let sql = "delete from notes where id > 90";
    let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
    approved(&world, &agent, sql).await?;
    let scopes = vec!["read:work.*".parse().unwrap()];
    world
        .store
        .narrow_lease(&agent.lease, Some(scopes), None)
        .await?;
    let said = world.psql(&agent, sql).await;
    assert!(!said.contains("DELETE"), "narrowed: {said}");
    let agent = world.lease(&["read:*.*"]).await?;
    approved(&world, &agent, sql).await?;
    world.store.halt(Some(&agent.lease), "stop", false).await?;
    let said = world.psql(&agent, sql).await;
    assert!(!said.contains("DELETE"), "halted: {said}");
    let agent = world.lease(&["read:*.*"]).await?;
    approved(&world, &agent, sql).await?;
    world.store.end_lease(&agent.lease, "revoked").await?;
    let said = world.psql(&agent, sql).await;
    assert!(!said.contains("DELETE"), "revoked: {said}");
    assert_eq!(world.direct("select count(*) from notes"), "100");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_its_own_transaction_is_all_that_runs() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| {
        c.pause = Duration::from_millis(10);
    })
    .await?;
    let agent = world.lease(&["read:*.*"]).await?;
    for open in [
        "begin; delete from notes where id > 90",
        "delete from notes where id > 90; commit and chain",
        "begin; delete from notes where id > 90; commit; begin; select 1",
    ] {
        let said = world.psql(&agent, open).await;
        assert!(
            said.contains("BK003") && said.contains("leave a transaction open"),
            "{open}: {said}"
        );
    }
    assert_eq!(world.store.state().open_holds(&agent.lease).count(), 0);
    for (text, left) in [
        ("begin; delete from notes where id > 99; rollback", "100"),
        ("delete from notes where id > 98; rollback", "100"),
        (
            "begin; delete from notes where id > 95; commit; delete from notes where id > 90",
            "90",
        ),
        ("delete from notes where id > 80; commit; select 1/0", "80"),
        ("delete from notes where id > 70; select 1/0", "80"),
    ] {
        approved(&world, &agent, text).await?;
        let said = world.psql(&agent, text).await;
        assert_eq!(
            world.direct("select count(*) from notes"),
            left,
            "{text}: {said}"
        );
        let again = world.psql(&agent, text).await;
        assert!(again.contains("BK001"), "{text}: {again}");
        let hold = world.waiting().await?.hold.id;
        world.store.withdraw(&hold, "tested").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_a_lease_never_runs_with_the_gates_rights() -> Result<()> {
    for major in [Major::V15, Major::V18] {
        let world = World::on(major, SCHEMA, |_| {}).await?;
        let agent = world.lease(&["read:*.*", "create:work.*"]).await?;
        let lease = &agent.lease;
        world.superuser(
            "create function work.sneaky() returns int language sql as 'delete from public.notes; select 1'",
        );
        world.superuser(&format!("alter function work.sneaky() owner to {lease}"));
        for road in [
            "select work.sneaky()",
            r#"select work.U&"sne\0061ky"()"#,
            "do $$ begin perform work.sneaky(); end $$",
        ] {
            approved(&world, &agent, road).await?;
            let said = world.psql(&agent, road).await;
            assert!(
                said.contains("BK003") && said.contains("made by a lease"),
                "{road}: {said}"
            );
        }
        // Not named, and not in the path: it is out of reach.
        let harmless = "delete from public.notes where id > 99";
        approved(&world, &agent, harmless).await?;
        assert_eq!(world.psql(&agent, harmless).await.trim(), "DELETE 1");
        // In the path, though nothing names it or depends on it.
        world.superuser("alter function work.sneaky() set schema public");
        let other = "delete from public.notes where id > 98";
        approved(&world, &agent, other).await?;
        let said = world.psql(&agent, other).await;
        assert!(said.contains("made by a lease"), "{said}");
        world.superuser("drop function public.sneaky()");
        // An operator whose function is PostgreSQL's own.
        world.superuser(&format!(
            "create operator public.= (leftarg = int4, rightarg = int8, function = pg_catalog.int48ne);
             alter operator public.= (int4, int8) owner to {lease}"
        ));
        // Until the catalogue is read again, what was asked for and what would run are not the same.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let third = "delete from notes where id = 5::bigint";
        approved(&world, &agent, third).await?;
        let said = world.psql(&agent, third).await;
        assert!(said.contains("operator `=` was made by a lease"), "{said}");
        assert_eq!(world.direct("select count(*) from notes"), "99");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_stopped_like_anything_else() -> Result<()> {
    let world = std::sync::Arc::new(World::new(SCHEMA).await?);
    let sql = "update notes set body = 'gone' from pg_sleep(60)";
    let running = "select count(*) from pg_stat_activity where query like 'update notes%' and state = 'active'";
    for halts in [true, false] {
        let agent = world.lease(&["read:*.*"]).await?;
        approved(&world, &agent, sql).await?;
        let client = world.client(&agent).await?;
        let cancel = client.cancel_token();
        let acting = tokio::spawn(async move { client.batch_execute(sql).await });
        for _ in 0..100 {
            if world.direct(running) == "1" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(world.direct(running), "1");
        let begun = std::time::Instant::now();
        if halts {
            world.store.halt(Some(&agent.lease), "stop", false).await?;
        } else {
            cancel.cancel_query(tokio_postgres::NoTls).await?;
        }
        assert!(acting.await?.is_err());
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(world.direct(running), "0");
        assert_eq!(
            world.direct("select count(*) from notes where body = 'gone'"),
            "0"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_action_that_is_never_executed_keeps_no_locks() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| c.limits.role.idle_ms = 500).await?;
    let agent = world.lease(&["read:*.*"]).await?;
    let mut raw = Raw::login(&world, &agent).await?;
    raw.parse("h", "delete from notes where id > 90").await?;
    raw.bind("p", "h").await?;
    assert_eq!(raw.sync().await?.errors, ["BK001"]);
    let hold = world.waiting().await?.hold.id;
    world.decide(&hold, Answer::Approve, "").await?;
    raw.bind("p", "h").await?;
    assert!(raw.flush(b'2').await?.errors.is_empty());
    let locks = "select count(*) from pg_locks where relation = 'notes'::regclass";
    assert_ne!(world.direct(locks), "0", "it is bound to what was approved");
    for _ in 0..100 {
        if world.direct(locks) == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.direct(locks), "0");
    raw.execute("p").await?;
    assert_eq!(raw.sync().await?.errors, ["34000"]);
    assert_eq!(world.direct("select count(*) from notes"), "100");
    Ok(())
}
