//! What a text means is found out anew whenever something that decides about it has changed, and costs nobody else.

use anyhow::Result;

use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, n int default 0);
    insert into public.notes select g, 'note ' || g, g from generate_series(1, 10) g;
";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_is_for_open_sessions_and_prepared_statements_too() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let client = world.client(&agent).await?;
    let prepared = client.prepare("select n from notes where id = $1").await?;
    client.query_one(&prepared, &[&1_i32]).await?;
    client.simple_query("select count(*) from notes").await?;
    world
        .new_policy(
            "@id(\"no-notes\") @verdict(\"deny\") @reason(\"notes are private\") \
             forbid (principal, action, resource) when { context.object == \"public.notes\" };",
        )
        .await?;
    for refused in [
        client
            .simple_query("select count(*) from notes")
            .await
            .map(drop),
        client.query_one(&prepared, &[&1_i32]).await.map(drop),
    ] {
        let error = refused.expect_err("the new policy denies it");
        let said = error.as_db_error().expect("an answer").message();
        assert!(said.contains("notes are private"), "{said}");
    }
    world.new_policy("").await?;
    client.query_one(&prepared, &[&1_i32]).await?;
    client.simple_query("select count(*) from notes").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_text_prepares_twice_is_judged_by_what_stands() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let said = world
        .psql_args(
            &agent,
            &[
                "-c",
                "prepare a as select 1; deallocate a; prepare a as delete from notes",
                "-c",
                "execute a",
            ],
        )
        .await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "10");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_costly_text_delays_no_other_session_of_its_thread() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let (costly, other) = (world.client(&agent).await?, world.client(&agent).await?);
    // Both are connected to the server and known: what follows is judging alone.
    costly.simple_query("select 1").await?;
    other.simple_query("select 1").await?;
    let list = vec!["1"; 400_000].join(",");
    let text = format!("select n from notes where id in ({list})");
    let running = tokio::spawn(async move { costly.simple_query(&text).await.map(drop) });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    for n in 0..5 {
        // Never met before, so that nothing is remembered.
        other.simple_query(&format!("select {n}")).await?;
        assert!(!running.is_finished(), "it was not costly after all");
    }
    running.await??;
    Ok(())
}

/// As drivers ask before they settle on a server (`target_session_attrs=read-write`).
#[tokio::test(flavor = "multi_thread")]
async fn a_session_says_whether_its_lease_may_write() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    for (scope, expected) in [
        ("read,update:public.notes", "off"),
        ("read:public.notes", "on"),
    ] {
        let agent = world.lease(&[scope]).await?;
        let said = world.psql(&agent, "show transaction_read_only").await;
        assert_eq!(said.trim(), expected, "{scope}");
        let client = world.client(&agent).await?;
        let row = client.query_one("show transaction_read_only", &[]).await?;
        assert_eq!(row.get::<_, String>(0), expected, "{scope}");
        let dsn = world.through(&agent).dsn() + " target_session_attrs=read-write";
        let connected = tokio_postgres::connect(&dsn, tokio_postgres::NoTls).await;
        assert_eq!(connected.is_ok(), expected == "off", "{scope}");
    }
    Ok(())
}
