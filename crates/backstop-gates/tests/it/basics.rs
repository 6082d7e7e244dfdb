//! Reads pass, small scoped writes pass, the rest waits for a person; nothing more than was approved happens.

use anyhow::Result;
use backstop_core::approval::Answer;

use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, n int default 0);
    insert into public.notes select g, 'note ' || g, g from generate_series(1, 2000) g;
    create table public.other (id int primary key);
    insert into public.other values (1);
";

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_small_scoped_writes_pass() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&["read,insert,update,delete:public.notes"])
        .await?;
    assert_eq!(
        world
            .psql(&agent, "select count(*) from notes")
            .await
            .trim(),
        "2000"
    );
    assert_eq!(
        world
            .psql(&agent, "update notes set body = 'x' where id = 7")
            .await
            .trim(),
        "UPDATE 1"
    );
    assert_eq!(
        world
            .psql(&agent, "insert into notes values (5001, 'a'), (5002, 'b')")
            .await
            .trim(),
        "INSERT 0 2"
    );
    assert_eq!(
        world
            .psql(&agent, "begin; delete from notes where id = 5001; commit")
            .await
            .trim(),
        "BEGIN\nDELETE 1\nCOMMIT"
    );
    assert_eq!(world.direct("select body from notes where id = 7"), "x");
    assert_eq!(
        world.direct("select count(*) from notes where id > 5000"),
        "1"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_scope_is_denied_or_held() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let said = world.psql(&agent, "select * from other").await;
    assert!(
        said.contains("42501") && said.contains("no scope to read"),
        "{said}"
    );
    for sql in [
        "delete from notes",
        "drop table notes",
        "truncate notes",
        "update notes set n = 1 where id = 1",
    ] {
        let said = world.psql(&agent, sql).await;
        assert!(
            said.contains("BK001") && said.contains("held as hold_"),
            "{sql}: {said}"
        );
    }
    assert_eq!(world.direct("select count(*) from notes"), "2000");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_action_runs_once() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let sql = "alter table notes add column extra text";
    let (said, decided) = tokio::join!(
        world.psql(&agent, sql),
        world.decide_next(Answer::Approve, "")
    );
    decided?;
    assert!(
        said.contains("NOTICE") && said.contains("ALTER TABLE"),
        "{said}"
    );
    assert_eq!(
        world.direct("select count(*) from information_schema.columns where column_name = 'extra'"),
        "1"
    );
    world.direct("alter table notes drop column extra");
    let again = world.psql(&agent, sql).await;
    assert!(
        again.contains("BK001"),
        "a second time it is held anew: {again}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_reaches_the_agent_with_its_reason() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let (said, decided) = tokio::join!(
        world.psql(&agent, "truncate notes"),
        world.decide_next(Answer::Deny, "ask Grace first")
    );
    decided?;
    assert!(
        said.contains("BK002") && said.contains("ask Grace first"),
        "{said}"
    );
    assert_eq!(world.direct("select count(*) from notes"), "2000");
    Ok(())
}
