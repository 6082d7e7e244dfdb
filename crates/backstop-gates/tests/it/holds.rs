//! Holds: told at once, once, for exactly this action; cancelled by cancelling.

use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::hold::HoldState;
use backstop_testing::postgres::Major;

use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
";

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_given_later_is_spent_by_the_identical_statement_only() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let sql = "delete from notes where id > 90";
    assert!(world.psql(&agent, sql).await.contains("BK001"));
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    let other = world.psql(&agent, "delete from notes where id > 80").await;
    assert!(other.contains("BK001"), "{other}");
    let spaced = world.psql(&agent, "delete  from notes where id > 90").await;
    assert!(
        spaced.contains("BK001"),
        "other bytes are another action: {spaced}"
    );
    assert_eq!(world.psql(&agent, sql).await.trim(), "DELETE 10");
    assert!(world.psql(&agent, sql).await.contains("BK001"));
    assert_eq!(world.direct("select count(*) from notes"), "90");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_lease_cannot_spend_it() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let (one, two) = (
        world.lease(&["read:public.notes"]).await?,
        world.lease(&["read:public.notes"]).await?,
    );
    world.psql(&one, "truncate notes").await;
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    assert!(world.psql(&two, "truncate notes").await.contains("BK001"));
    assert_eq!(world.direct("select count(*) from notes"), "100");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_something_else_after_the_approval_is_held_anew() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    world.psql(&agent, "truncate notes").await;
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    world.direct("alter table notes rename to notes_old; create table notes (id int); insert into notes values (1)");
    let said = world.psql(&agent, "truncate notes").await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(world.direct("select count(*) from notes_old"), "100");
    assert_eq!(world.direct("select count(*) from notes"), "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_search_path_is_another_action() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    world.direct("create schema b; create table b.notes (id int); insert into b.notes values (1)");
    let agent = world.lease(&["read:*.*"]).await?;
    world.psql(&agent, "truncate notes").await;
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    let said = world
        .psql_args(
            &agent,
            &["-c", "set search_path = b, public", "-c", "truncate notes"],
        )
        .await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(
        world.direct(
            "select (select count(*) from b.notes) || ' ' || (select count(*) from public.notes)"
        ),
        "1 100"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_withdraws_the_hold() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| c.pause = Duration::from_secs(30)).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let client = world.client(&agent).await?;
    let cancel = client.cancel_token();
    let held = client.batch_execute("truncate notes");
    let cancelling = async {
        let hold = world.waiting().await?.hold;
        cancel.cancel_query(tokio_postgres::NoTls).await?;
        anyhow::Ok(hold)
    };
    let (held, hold) = tokio::join!(held, cancelling);
    assert_eq!(
        held.unwrap_err()
            .code()
            .map(|c| c.code().to_owned())
            .as_deref(),
        Some("57014")
    );
    let state = world.store.hold(&hold?.id).map(|r| r.state);
    assert!(
        matches!(state, Some(HoldState::Withdrawn { .. })),
        "{state:?}"
    );
    assert_eq!(
        client
            .query_one("select count(*) from notes", &[])
            .await?
            .get::<_, i64>(0),
        100
    );
    Ok(())
}

/// Ctrl-C in psql: the hold is withdrawn, and psql says what it always says.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_psql_withdraws_the_hold() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| c.pause = Duration::from_secs(30)).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let psql = tokio::process::Command::new(world.server.installation().client("psql")?)
        .args(["-X", "-A", "-t", "-c", "truncate notes"])
        .arg(world.through(&agent).dsn() + " sslmode=disable")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let hold = world.waiting().await?.hold;
    let process = psql.id().context("it runs")?.to_string();
    let interrupted = tokio::process::Command::new("kill")
        .args(["-INT", &process])
        .status()
        .await?;
    assert!(interrupted.success());
    let output = psql.wait_with_output().await?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(err.contains(&hold.id), "it was told of the hold: {err}");
    assert!(
        err.contains("canceling statement due to user request"),
        "{err}"
    );
    assert!(out.is_empty() && !output.status.success(), "{out}");
    let state = world.store.hold(&hold.id).map(|r| r.state);
    assert!(
        matches!(state, Some(HoldState::Withdrawn { .. })),
        "{state:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_has_done_something_never_pauses() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| c.pause = Duration::from_secs(30)).await?;
    let agent = world.lease(&["read,update:public.notes"]).await?;
    let begun = std::time::Instant::now();
    let said = world
        .psql_args(
            &agent,
            &[
                "-c",
                "begin",
                "-c",
                "update notes set body = 'x' where id = 1",
                "-c",
                "update notes set body = 'y' where id > 5",
                "-c",
                "select 1",
                "-c",
                "rollback",
            ],
        )
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "it must answer at once"
    );
    assert!(
        said.contains("BK001") && said.contains("25P02") && said.contains("ROLLBACK"),
        "{said}"
    );
    assert_eq!(
        world.direct("select count(*) from notes where body like 'note%'"),
        "100"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_holds_are_one_and_a_lease_has_few() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| {
        c.pause = Duration::from_millis(10)
    })
    .await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    for _ in 0..3 {
        world.psql(&agent, "truncate notes").await;
    }
    assert_eq!(world.store.state().open_holds(&agent.lease).count(), 1);
    let mut said = String::new();
    for n in 0..10 {
        said = world
            .psql(&agent, &format!("delete from notes where id > {n}"))
            .await;
    }
    assert!(
        said.contains("53400") && said.contains("holds open"),
        "{said}"
    );
    assert_eq!(world.store.state().open_holds(&agent.lease).count(), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_in_a_row_halt_the_lease() -> Result<()> {
    let world = World::on(Major::any()?, SCHEMA, |c| c.pause = Duration::from_secs(20)).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    for _ in 0..3 {
        let (_, decided) = tokio::join!(
            world.psql(&agent, "truncate notes"),
            world.decide_next(Answer::Deny, "no")
        );
        decided?;
    }
    let said = world.psql(&agent, "select 1").await;
    assert!(said.contains("halted"), "{said}");
    Ok(())
}
