//! Halts: at once, for open connections and new ones; a foreign credential freezes whoever presents it.

use std::time::{Duration, Instant};

use anyhow::Result;
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use backstop_core::lease::LeaseState;

use crate::world::World;

const SCHEMA: &str =
    "create table public.notes (id int primary key); insert into notes values (1);";

#[tokio::test(flavor = "multi_thread")]
async fn the_red_button_ends_open_connections_and_refuses_new_ones() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let client = world.client(&agent).await?;
    client.query_one("select 1", &[]).await?;
    let sleeping =
        tokio::spawn(async move { client.query_one("select pg_sleep(30)", &[]).await.is_err() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    world
        .store
        .halt(Some(&agent.lease), "a test", false)
        .await?;
    assert!(sleeping.await?);
    // The bound itself is measured by the benchmarks; here it only must not wait for the statement.
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(world.client(&agent).await.is_err());
    let running = "select count(*) from pg_stat_activity where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()";
    for _ in 0..50 {
        if world.direct(running) == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        world.direct(running),
        "0",
        "what ran at the server is cancelled"
    );
    let hold = world
        .ask(Ask::Resume {
            lease: Some(agent.lease.clone()),
        })
        .await?;
    assert!(
        world.client(&agent).await.is_err(),
        "asking to resume resumes nothing"
    );
    world.decide(&hold, Answer::Approve, "").await?;
    assert!(world.client(&agent).await.is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_lets_reads_pass_and_nothing_else() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,insert:public.notes"]).await?;
    world.store.freeze("a test").await?;
    assert_eq!(
        world
            .psql(&agent, "select count(*) from notes")
            .await
            .trim(),
        "1"
    );
    assert!(
        world
            .psql(&agent, "insert into notes values (2)")
            .await
            .contains("BK004")
    );
    let hold = world.ask(Ask::Unfreeze).await?;
    world.decide(&hold, Answer::Approve, "").await?;
    assert_eq!(
        world
            .psql(&agent, "insert into notes values (2)")
            .await
            .trim(),
        "INSERT 0 1"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_a_freeze_is_not_committed_in_it() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,insert:public.notes"]).await?;
    let client = world.client(&agent).await?;
    client
        .batch_execute("begin; insert into notes values (7)")
        .await?;
    world.store.freeze("a test").await?;
    let refused = client.batch_execute("commit").await.unwrap_err();
    assert_eq!(refused.code().map(|c| c.code()), Some("BK004"));
    client.batch_execute("rollback").await?;
    // A transaction that only read may end as it likes.
    client
        .batch_execute("begin; select count(*) from notes; commit")
        .await?;
    client.batch_execute("begin").await?;
    client.batch_execute("select count(*) from notes").await?;
    client.batch_execute("commit").await?;
    assert_eq!(world.direct("select count(*) from notes"), "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_presents_another_name_with_its_secret_is_halted() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let (mine, other) = (
        world.lease(&["read:public.notes"]).await?,
        world.lease(&["read:public.notes"]).await?,
    );
    let owner = world.server.owner().user;
    for name in [owner.as_str(), other.lease.as_str()] {
        let mut forged = mine.clone();
        name.clone_into(&mut forged.lease);
        assert!(world.client(&forged).await.is_err());
        let state = world.store.lease(&mine.lease).map(|r| r.state);
        assert!(
            matches!(state, Some(LeaseState::Halted { .. })),
            "{name}: {state:?}"
        );
    }
    let state = world.store.lease(&other.lease).map(|r| r.state);
    assert_eq!(state, Some(LeaseState::Active), "nobody can freeze others");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_freezes_nobody() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let mut wrong = agent.clone();
    wrong.secret = "not-the-secret".into();
    for _ in 0..2 {
        assert!(world.client(&wrong).await.is_err());
    }
    assert!(
        world.client(&agent).await.is_ok(),
        "a right secret is never locked out"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_credential_in_a_statement_freezes_the_lease() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let said = world
        .psql(
            &agent,
            "create subscription s connection 'host=h user=owner password=hunter2' publication p",
        )
        .await;
    assert!(said.contains("BK004"), "{said}");
    assert!(!said.contains("hunter2"));
    assert!(world.client(&agent).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_expires_in_mid_transaction_commits_nothing() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease_for(&["read,insert:public.notes"], 8).await?;
    let mut client = world.client(&agent).await?;
    let transaction = client.transaction().await?;
    transaction
        .execute("insert into notes values (77)", &[])
        .await?;
    tokio::time::sleep(Duration::from_millis(8500)).await;
    assert!(transaction.commit().await.is_err());
    assert_eq!(
        world.direct("select count(*) from notes where id = 77"),
        "0"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_the_gates_credential_leaves_only_reads() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,insert:public.notes"]).await?;
    let open = world.client(&agent).await?;
    open.query_one("select 1", &[]).await?;
    world.direct(&format!(
        "alter role {} password 'somebody else chose this'",
        agent.lease
    ));
    let said = world.psql(&agent, "select 1").await;
    assert!(
        said.contains("BK004") && said.contains("refused the gate"),
        "{said}"
    );
    assert!(
        open.query_one("select count(*) from notes", &[])
            .await
            .is_ok(),
        "reads go on"
    );
    let refused = open
        .execute("insert into notes values (9)", &[])
        .await
        .unwrap_err();
    assert_eq!(refused.code().map(|c| c.code()), Some("BK004"));
    Ok(())
}
