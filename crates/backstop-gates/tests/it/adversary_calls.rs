//! Calls that do not look like calls.

use anyhow::Result;
use backstop_testing::postgres::Major;

use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body varchar);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
    create function public.wipe() returns tsvector language plpgsql as $$ begin delete from public.notes; return ''; end $$;
    create function public.quiet(text) returns int language sql security definer as 'delete from public.notes; select 1';
    create function public.with_note(public.notes) returns int language sql security definer as 'delete from public.notes; select 1';
    create function public.with_any(anyelement) returns int language plpgsql security definer as $$ begin delete from public.notes; return 1; end $$;
    create function public.refuses(int) returns boolean language sql security definer as 'delete from public.notes; select true';
    create domain public.checked as int check (public.refuses(value));
    create table public.domained (id int, c public.checked);
    create type public.pair as (a int, b public.checked);
";

/// In a block of a writing lease nothing but the judgement stands between a statement and the rows.
async fn leaves_the_rows(world: &World, agent: &Agent, roads: &[&str]) {
    for road in roads {
        let said = world
            .psql_args(agent, &["-c", "begin", "-c", road, "-c", "commit"])
            .await;
        assert!(said.contains("ERROR"), "{road}: {said}");
        assert_eq!(
            world.direct("select count(*) from notes"),
            "100",
            "{road}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_written_as_a_column_is_a_call() -> Result<()> {
    for major in [Major::V15, Major::V18] {
        let world = World::on(major, SCHEMA, |c| {
            c.pause = std::time::Duration::from_millis(10);
        })
        .await?;
        let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
        leaves_the_rows(
            &world,
            &agent,
            &[
                "select t.ts_stat from unnest(array['select public.wipe()']) t",
                "select u.t from (select t.ts_stat as t from unnest(array['select public.wipe()']) t) u",
                "select ('select public.wipe()'::text).ts_stat",
                "select (array['select public.wipe()'])[1].ts_stat",
                "select g.lo_create from generate_series(900001, 900003) g",
                "select g.pg_terminate_backend from generate_series(1, 2) g",
                "select t.pg_read_file from unnest(array['postgresql.conf']) t",
                "select t.quiet from unnest(array['x']) t",
                "select ('x'::text).quiet",
                "select n.with_note from notes n",
                "select (n).with_note from notes n",
                "select n.with_any from notes n",
                "select notes.with_note from notes",
                "update notes n set body = 'x' where n.id = 1 and n.with_note = 1",
                "delete from notes n where n.id = 1 returning n.with_note",
                "select s.with_any from (select 1 as x) s",
            ],
        )
        .await;
        assert_eq!(
            world.superuser("select count(*) from pg_largeobject_metadata"),
            "0"
        );
        // Columns stay columns.
        let said = world
            .psql(
                &agent,
                "select n.id, s.total, e.value, g.g from notes n, (select 7 as total) s, json_each('{\"k\":1}') e, \
                 generate_series(1, 1) g where n.id = 1",
            )
            .await;
        assert_eq!(said.trim(), "1|7|1|1");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_becomes_a_row_runs_the_checks_of_its_columns() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&["read:*.*", "write:public.notes", "temp"])
        .await?;
    leaves_the_rows(
        &world,
        &agent,
        &[
            "select jsonb_populate_record(null::public.domained, '{\"c\": 1}')",
            "select * from jsonb_populate_recordset(null::domained, '[{\"c\": 1}]')",
            "select row(1, 2)::public.domained",
            "select '(1,2)'::public.domained",
            "select ('{\"(1,2)\"}'::public.domained[])[1]",
            "select '(1,2)'::public.pair",
            "select * from json_to_record('{\"c\": 1}') as x(c public.checked)",
            "select '1'::public.checked",
            "select cast(1 as checked)",
            "create temp table t (c public.checked default 1); insert into t default values",
        ],
    )
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn casts_that_run_unasked_are_not_overlooked_in_a_block() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    world.superuser(
        "create function public.castf(varchar) returns box language sql security definer as 'delete from public.notes; select ''(1,1),(2,2)''::box';
         create cast (varchar as box) with function public.castf(varchar) as implicit;",
    );
    let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
    leaves_the_rows(
        &world,
        &agent,
        &[
            "select area(body) from notes",
            "select area(body::varchar) from notes where id = 1",
            "select body = '(1,1),(2,2)'::box from notes",
        ],
    )
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_are_keywords_elsewhere_are_functions_here() -> Result<()> {
    let world = World::on(Major::V15, SCHEMA, |_| {}).await?;
    world.superuser(
        "create function public.merge_action() returns int language sql security definer as 'delete from public.notes; select 1';
         create function public.json_scalar(text) returns int language sql security definer as 'delete from public.notes; select 1';
         create function public.json_exists(text, text) returns boolean language sql security definer as 'delete from public.notes; select true';",
    );
    let agent = world.lease(&["read:*.*", "write:public.notes"]).await?;
    leaves_the_rows(
        &world,
        &agent,
        &[
            "select merge_action()",
            "select 1 from notes where merge_action() = 1",
            "select json_scalar('x')",
            "select json_exists('x', 'y')",
        ],
    )
    .await;
    Ok(())
}
