//! Settings and names that move without a word that looks like it.

use anyhow::Result;
use backstop_core::approval::Answer;

use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, tenant int default 1);
    insert into public.notes (id, body) select g, 'note ' || g from generate_series(1, 100) g;
    create schema work;
    create schema app;
    create function app.purge() returns int language sql security definer as 'delete from public.notes; select 1';
    grant usage on schema app to public;
";

async fn in_one_session(world: &World, agent: &Agent, texts: &[&str]) -> String {
    let args: Vec<&str> = texts.iter().flat_map(|text| ["-c", *text]).collect();
    world.psql_args(agent, &args).await
}

/// The lease has a table of its own that goes by the name of one that it may not empty.
async fn with_a_twin() -> Result<(World, Agent)> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&[
            "read,delete:public.notes",
            "create,read,insert,delete:work.*",
            "temp",
        ])
        .await?;
    let made = world
        .psql(&agent, "create table work.notes (id int, body text)")
        .await;
    assert_eq!(made.trim(), "CREATE TABLE");
    Ok((world, agent))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_that_moved_unseen_is_noticed() -> Result<()> {
    let (world, agent) = with_a_twin().await?;
    let there = "set search_path = work, public";
    for back in [
        &[r#"select U&"set\005fconfig"('search_path', 'public', false)"#][..],
        &[
            "prepare p as select set_config('search_path', 'public', false)",
            "execute p",
        ],
        &[
            "create temp view v as select set_config('search_path', 'public', false)",
            "select * from v",
        ],
        &["begin", "set search_path = public", "commit"],
        &["reset search_path"],
        &["discard all"],
        &["reset all"],
    ] {
        let texts = [&[there][..], back, &["delete from notes"]].concat();
        let said = in_one_session(&world, &agent, &texts).await;
        assert_eq!(
            world.direct("select count(*) from public.notes"),
            "100",
            "{back:?}: {said}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_that_did_not_move_is_not_believed() -> Result<()> {
    let (world, agent) = with_a_twin().await?;
    for text in [
        "select set_config('search_path', 'work', false) where false; delete from notes",
        "select case when 1 = 2 then set_config('search_path', 'work', false) end; delete from notes",
        "select set_config('search_path', 'work', false), set_config('search_path', 'public', false); delete from notes",
        "select set_config('search_path', 'work', false) limit 0; delete from notes",
        "begin; savepoint s; set search_path = work; rollback to s; delete from notes; commit",
        "begin; set local search_path = work; commit; delete from notes",
        "prepare q as select set_config('search_path', 'work', false) where false; execute q; delete from notes",
    ] {
        let said = world.psql(&agent, text).await;
        assert_eq!(
            world.direct("select count(*) from public.notes"),
            "100",
            "{text}: {said}"
        );
    }
    for texts in [
        &[
            "begin",
            "set search_path = work",
            "rollback",
            "delete from notes",
        ][..],
        &[
            "begin",
            "savepoint s",
            "set search_path = work",
            "rollback to s",
            "delete from notes",
            "commit",
        ],
        &[
            "begin",
            "set search_path = work",
            "select 1/0",
            "commit",
            "delete from notes",
        ],
    ] {
        let said = in_one_session(&world, &agent, texts).await;
        assert_eq!(
            world.direct("select count(*) from public.notes"),
            "100",
            "{texts:?}: {said}"
        );
    }
    // What does move it is followed.
    let said = in_one_session(
        &world,
        &agent,
        &["set search_path = work, public", "delete from notes"],
    )
    .await;
    assert!(said.contains("DELETE 0"), "its own table: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_not_run_under_another_search_path_than_it_was_read_in() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&["read:*.*", "write:public.notes", "temp"])
        .await?;
    for road in [
        "select set_config('search_path', 'app', true), query_to_xml('select purge()', true, true, '')",
        "select query_to_xml('select purge()', true, true, '') from (select set_config('search_path', 'app', true) offset 0) s",
        "with s as materialized (select set_config('search_path', 'app', true)) \
         select query_to_xml('select purge()', true, true, '') from s",
        "select set_config('search_path', 'app', true), ts_stat('select purge()::text::tsvector')",
    ] {
        let said = in_one_session(&world, &agent, &["begin", road, "commit"]).await;
        assert!(said.contains("ERROR"), "{road}: {said}");
        assert_eq!(
            world.direct("select count(*) from public.notes"),
            "100",
            "{road}: {said}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_not_spent_under_other_settings() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,update,delete:public.notes"]).await?;
    world.direct("update notes set tenant = id % 10");
    let first = "delete from notes where id = 1";
    let held = "delete from notes where tenant = current_setting('app.tenant')::int";
    let under = |set: &'static str| [set, "begin", first, held, "commit"];
    let said = in_one_session(&world, &agent, &under("set app.tenant = '7'")).await;
    assert!(said.contains("BK001"), "{said}");
    let hold = world.waiting().await?;
    assert_eq!(
        hold.hold.id,
        world.decide_next(Answer::Approve, "").await?.hold.id
    );
    let texts = world.store.hold_text(&hold.hold.id)?.unwrap();
    assert_eq!(
        texts.earlier.first().map(String::as_str),
        Some("set app.tenant = '7'"),
        "a person sees the settings that it runs under"
    );
    for other in [
        "set app.tenant = '3'",
        "select set_config('app.tenant', '3', false)",
        "set array_nulls = off",
        "set timezone_abbreviations = 'Australia'",
        "set default_text_search_config = 'simple'",
        "set xmloption = document",
        "set bytea_output = escape",
        "select 1",
    ] {
        let said = in_one_session(&world, &agent, &under(other)).await;
        assert!(
            said.contains("BK001") || said.contains("53400"),
            "{other}: {said}"
        );
        assert_eq!(
            world.direct("select count(*) from notes"),
            "100",
            "{other}: {said}"
        );
    }
    // A setting that was set back to look the same.
    let said = in_one_session(
        &world,
        &agent,
        &[
            "set app.tenant = '3'",
            "begin",
            "set app.tenant = '7'",
            "rollback",
            "begin",
            first,
            held,
            "commit",
        ],
    )
    .await;
    assert_eq!(world.direct("select count(*) from notes"), "100", "{said}");
    // The same ones: it is spent.
    let said = in_one_session(&world, &agent, &under("set app.tenant = '7'")).await;
    assert!(said.contains("COMMIT"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "89", "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_rewrite_or_switch_off_are_held() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,update,delete:public.notes"]).await?;
    for road in [
        "set transform_null_equals = on",
        "set row_security = off",
        "set session_replication_role = replica",
        "set createrole_self_grant = 'set'",
        "set event_triggers = off",
        "set default_with_oids = off",
        "set local_preload_libraries = 'x'",
        "set dynamic_library_path = '/tmp'",
        "set plpgsql.variable_conflict = 'error'; set session_replication_role = replica",
        "select set_config('session_replication_role', 'replica', true)",
        "select set_config('Row_Security', 'off', true)",
        "set \"Session_Replication_Role\" to replica",
        "update pg_settings set setting = 'replica' where name = 'session_replication_role'",
        "set log_statement = none",
        "set track_counts = off",
        "set ignore_checksum_failure = on",
        "set zero_damaged_pages = on",
        "set allow_system_table_mods = on",
        "alter system set work_mem = '1GB'",
        "alter database postgres set search_path = evil",
    ] {
        let said = world.psql(&agent, road).await;
        assert!(
            ["BK001", "BK002", "BK003", "53400"]
                .iter()
                .any(|code| said.contains(code)),
            "{road}: {said}"
        );
    }
    let said = world
        .psql(&agent, "show session_replication_role; show row_security")
        .await;
    assert_eq!(said.trim(), "origin\non");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_a_schema_of_others_is_not_the_leases_to_make() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    // As databases of before PostgreSQL 15 still have it.
    world.superuser("grant create on schema public to public");
    let agent = world
        .lease(&["read:public.notes", "create,read:work.*"])
        .await?;
    for road in [
        "create table public.orders (id int)",
        "create table orders (id int)",
        "create table public.orders as select 1",
        "select 1 as a into public.orders",
        "create sequence public.orders",
    ] {
        let said = world.psql(&agent, road).await;
        assert!(said.contains("BK001"), "{road}: {said}");
    }
    assert_eq!(
        world.direct("select count(*) from pg_class where relname = 'orders'"),
        "0"
    );
    let said = world
        .psql(&agent, "create table work.orders (id int)")
        .await;
    assert_eq!(said.trim(), "CREATE TABLE");
    let said = world
        .psql(&agent, "create temp table orders (id int)")
        .await;
    assert_eq!(said.trim(), "CREATE TABLE", "PUBLIC may, by default");
    Ok(())
}
