//! A COMMIT whose answer never came: the server knows what became of it, and the journal is told.

use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::measure::Limits;
use backstop_testing::postgres::Major;

use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, n int default 0);
    insert into public.notes select g, g from generate_series(1, 1000) g;
    analyze;
";
const SCOPES: &[&str] = &["read,update,delete:public.notes"];

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_serialized_hears_so_and_no_person_is_asked() -> Result<()> {
    let world = World::measuring(SCHEMA, Limits::default()).await?;
    let agent = world.lease(SCOPES).await?;
    let (one, two) = (world.client(&agent).await?, world.client(&agent).await?);
    for (client, id) in [(&one, 1), (&two, 2)] {
        let sql = format!(
            "begin isolation level serializable; select sum(n) from notes; \
             update notes set n = n + 1 where id = {id}"
        );
        client.batch_execute(&sql).await?;
    }
    one.batch_execute("commit").await?;
    let error = two.batch_execute("commit").await.unwrap_err();
    let code = error.code().map(|c| c.code().to_owned());
    assert_eq!(code.as_deref(), Some("40001"), "{error:?}");
    assert_eq!(world.direct("select n from notes where id = 2"), "2");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_heard_the_end_of_is_settled_by_the_server() -> Result<()> {
    let majors = Major::available()?;
    for major in [majors[0], majors[majors.len() - 1]] {
        settled(major).await.with_context(|| major.to_string())?;
    }
    Ok(())
}

async fn settled(major: Major) -> Result<()> {
    let limits = Limits {
        few: 50,
        ..Limits::default()
    };
    let world = World::measuring_on(major, SCHEMA, limits).await?;
    let agent = world.lease(SCOPES).await?;
    let client = world.client(&agent).await?;
    client.batch_execute("select 1").await?;
    // From now on a COMMIT waits for somebody who does not exist.
    world.superuser("alter system set synchronous_standby_names = 'nobody'");
    world.superuser("select pg_reload_conf()");
    let doing = tokio::spawn(async move {
        client
            .batch_execute("update notes set n = -1 where id = 7")
            .await
    });
    let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    until(|| world.superuser(waits) == "1").await?;
    world.superuser(
        "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'",
    );
    assert!(doing.await?.is_err(), "the connection was lost");
    until(|| world.entries().iter().any(|e| e["entry"] == "settled")).await?;
    let entries = world.entries();
    let images = entries.iter().position(|e| e["entry"] == "images");
    let images = images.context("images")?;
    let settled = entries.iter().find(|e| e["entry"] == "settled");
    let settled = settled.context("settled")?;
    assert_eq!(settled["images"], images, "{settled}");
    assert_eq!(settled["xid"], entries[images]["xid"], "{settled}");
    assert_eq!(settled["result"], "committed", "{settled}");
    assert_eq!(world.direct("select n from notes where id = 7"), "-1");
    Ok(())
}

/// Waits for it, for as long as a busy machine may need.
pub async fn until(what: impl Fn() -> bool) -> Result<()> {
    for _ in 0..600 {
        if what() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("it does not come")
}
