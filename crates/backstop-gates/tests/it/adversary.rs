//! An hour on the agent's side. Each road that was tried is a test; `docs/threat-model.md` lists them.

use anyhow::Result;

use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body varchar);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
    create table public.ledger (id int primary key);
    insert into public.ledger select g from generate_series(1, 100) g;
    create function public.wipe() returns int language plpgsql as $$ begin delete from public.ledger; return 1; end $$;
    create function public.quiet() returns int language sql security definer as 'delete from public.ledger; select 1';
";

async fn stays_whole(world: &World, agent: &Agent, roads: &[&str]) {
    for road in roads {
        let said = world.psql(agent, road).await;
        assert_eq!(
            world.direct("select count(*) from ledger"),
            "100",
            "{road}: {said}"
        );
        assert_eq!(
            world.direct("select count(*) from notes"),
            "100",
            "{road}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_the_gate_cannot_see_never_runs() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
    stays_whole(
        &world,
        &agent,
        &[
            "select wipe()",
            "select quiet()",
            "select public.quiet() from notes limit 1",
            "do $$ begin delete from public.notes; end $$",
            "with gone as (delete from notes returning 1) select count(*) from gone",
            "explain analyze delete from notes",
            "prepare p as delete from notes; execute p",
            "select 1; delete from notes; select 2",
            "begin; delete from notes; commit",
            "declare c cursor with hold for select public.quiet()",
            "copy (delete from notes returning 1) to stdout",
            "merge into notes using (select 1) s on true when matched then delete",
            "select lo_unlink(1)",
            "values (public.quiet())",
            "select case when true then public.quiet() end",
            "insert into notes select public.quiet(), 'x'",
            "table notes order by public.quiet()",
            "select * from (values (1)) v where public.quiet() = 1",
        ],
    )
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn shadowed_names_are_never_taken_for_built_ins() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    world.superuser(
        "create function public.lower(varchar) returns text language sql security definer as 'delete from public.ledger; select ''x''::text';
         create function public.opf(varchar, int) returns boolean language sql security definer as 'delete from public.ledger; select true';
         create operator public.= (leftarg = varchar, rightarg = int, function = public.opf);
         create function public.castf(varchar) returns box language sql security definer as 'delete from public.ledger; select null::box';
         create cast (varchar as box) with function public.castf(varchar) as implicit;",
    );
    let agent = world.lease(&["read:*.*"]).await?;
    stays_whole(
        &world,
        &agent,
        &[
            "select lower(body) from notes",
            "select pg_catalog.lower(body) from notes where body = 5",
            "select * from notes where body operator(public.=) 5",
            "select body::box from notes",
            "select cast(body as box) from notes",
            "select area(body) from notes",
        ],
    )
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn role_tricks_lead_nowhere() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*"]).await?;
    let owner = world.server.owner().user;
    for road in [
        format!("set role {owner}"),
        format!("set session authorization {owner}"),
        "reset role; delete from notes".to_owned(),
        "reset session authorization; delete from notes".to_owned(),
        format!("grant {owner} to current_user"),
        format!("select set_config('role', '{owner}', false)"),
        format!("select set_config('session_authorization', '{owner}', false)"),
        "set transaction_read_only = off; delete from notes".to_owned(),
        "set default_transaction_read_only = off".to_owned(),
        "begin read write; delete from notes; commit".to_owned(),
        "alter role current_user superuser".to_owned(),
        "create role evil superuser".to_owned(),
    ] {
        world
            .psql_args(&agent, &["-c", &road, "-c", "delete from notes"])
            .await;
        assert_eq!(world.direct("select count(*) from notes"), "100", "{road}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_session_stays_so() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&["read,write:public.notes"
            .replace("write", "insert,update,delete")
            .as_str()])
        .await?;
    let said = world
        .psql(&agent, "show default_transaction_read_only")
        .await;
    assert_eq!(said.trim(), "on");
    let said = world
        .psql_args(
            &agent,
            &[
                "-c",
                "set default_transaction_read_only = off",
                "-c",
                "show default_transaction_read_only",
                "-c",
                "update notes set body = 'x' where id = 1",
            ],
        )
        .await;
    assert!(said.contains("SET\non\nUPDATE 1"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gates_own_names_are_out_of_reach() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
    for road in [
        "execute backstop_rw",
        "deallocate backstop_rw",
        "prepare backstop_rw as select 1",
        "declare backstop_state cursor for select 1",
        "set client_encoding = 'latin1'",
        "set standard_conforming_strings = off",
    ] {
        let said = world.psql(&agent, road).await;
        assert!(said.contains("ERROR"), "{road}: {said}");
    }
    let said = world
        .psql_args(
            &agent,
            &[
                "-c",
                "deallocate all",
                "-c",
                "update notes set body = 'x' where id = 1",
                "-c",
                "discard all",
                "-c",
                "update notes set body = 'y' where id = 1",
                "-c",
                "select body from notes where id = 1",
            ],
        )
        .await;
    assert!(
        said.trim().ends_with('y'),
        "the gate makes its statements again: {said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replication_and_startup_options_are_refused() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*"]).await?;
    let dsn = world.through(&agent).dsn();
    for option in [
        "replication=database",
        "options='-c role=postgres'",
        "options='-c session_preload_libraries=x'",
        "client_encoding=latin1",
    ] {
        let output = tokio::process::Command::new(world.server.installation().client("psql")?)
            .args(["-X", "-c", "select 1"])
            .arg(format!("{dsn} {option}"))
            .output()
            .await?;
        assert!(!output.status.success(), "{option}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_message_and_no_journal_leaf() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*"]).await?;
    let said = world
        .psql(&agent, "alter role current_user password 'hunter2-hunter2'")
        .await;
    assert!(
        !said
            .lines()
            .filter(|l| !l.starts_with("LINE"))
            .any(|l| l.contains("hunter2")),
        "{said}"
    );
    let password = world.server.owner().password;
    let entries = world.entries();
    for entry in &entries {
        let text = entry.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains(&password) && !text.contains(&agent.secret),
            "{text}"
        );
    }
    Ok(())
}
