//! Every kind of statement that reaches further than it seems: none runs without a person.

use std::time::Duration;

use anyhow::Result;
use backstop_testing::postgres::Major;

use crate::raw::{Raw, Said};
use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
    create table public.ledger (id int primary key, note int references public.notes on delete cascade);
    insert into public.ledger select g, g from generate_series(1, 100) g;
    create function public.quiet() returns int language sql security definer as 'delete from public.ledger; select 1';
    create function public.spread(variadic int[] default array[1]) returns int language sql security definer as 'delete from public.ledger; select 1';
    create procedure public.tidy() language sql security definer as 'delete from public.ledger';
    create aggregate public.swallow(int) (sfunc = int4pl, stype = int, initcond = '0');
    create function public.combine(int, int) returns int language sql security definer as 'delete from public.ledger; select 1';
    create aggregate public.sums(int) (sfunc = public.combine, stype = int, initcond = '0');
    create view public.loud as select public.quiet() as n;
    create materialized view public.stale as select 1 as n;
    create type public.stretch as range (subtype = int4);
    create schema work;
    create table public.routed (id int, n int default public.quiet()) partition by list (id);
    create table public.routed_1 partition of public.routed for values in (1);
";

/// What must come back: held, denied, or too many held already. Anything else ran, or was left to the server.
fn stopped(said: &Said) -> bool {
    let first = said.errors.first().map_or("", String::as_str);
    ["BK001", "BK003", "53400"].contains(&first)
}

const ROADS: &[&str] = &[
    // Statements within statements.
    "explain analyze delete from notes",
    "explain (analyze, format json) select quiet()",
    "prepare p as delete from notes; explain analyze execute p",
    "prepare p as select quiet(); create temp table t as execute p",
    "create temp table t as select quiet()",
    "select quiet() into temp t",
    "declare c cursor for select quiet(); fetch c",
    "copy (select quiet()) to stdout",
    "copy (delete from notes returning id) to stdout",
    "copy (insert into notes values (1000) returning public.quiet()) to stdout",
    "with d as (delete from notes returning id) select 1",
    "with u as (update notes set body = '' returning 1) insert into notes select 1000",
    "create materialized view work.m as select quiet()",
    "refresh materialized view stale",
    "select query_to_xml('delete from notes', true, true, '')",
    "select query_to_xml('select quiet()', true, true, '')",
    "select query_to_xml('sel' || 'ect quiet()', true, true, '')",
    "select table_to_xml('loud', true, true, '')",
    "select schema_to_xml('public', true, true, '')",
    "select * from ts_stat('select quiet()::text::tsvector')",
    "select ts_rewrite('a'::tsquery, 'select quiet()::text::tsquery, null::tsquery')",
    "do $$ begin perform public.quiet(); end $$",
    "call tidy()",
    // Code behind names.
    "select spread()",
    "select spread(1, 2, 3)",
    "select spread(variadic array[1])",
    "select sums(id) from notes",
    "select sums(id) over () from notes",
    "select sums(distinct id order by id) filter (where id > 1) from notes",
    "select * from loud",
    "select (select n from loud limit 1)",
    "select * from notes where exists (select 1 from loud)",
    "select * from lateral (select quiet()) q",
    "select * from rows from (quiet(), generate_series(1, 2)) r",
    "select * from notes tablesample system (quiet())",
    "select 1 from notes order by quiet() using <",
    "select 1 from notes window w as (order by quiet())",
    "select 1 from notes limit (select quiet())",
    "insert into notes values (2000, (select quiet()::text)) on conflict do nothing",
    "insert into notes values (1, 'x') on conflict (id) do update set body = quiet()::text",
    "insert into routed (id) values (1)",
    "merge into notes n using (select 1 as i) s on n.id = s.i when matched and quiet() = 1 then do nothing",
    "update notes set body = 'x' where id = 1 and quiet() = 1",
    "update notes set (id, body) = (select id, quiet()::text from notes where id = 1) where id = 1",
    "delete from notes where id = 1 returning quiet()",
    "select '[1,2)'::stretch",
    // Many rows, or rows of others.
    "delete from notes where id = 1",
    "update notes set id = id + 1000",
    "delete from notes using (select 1) s where notes.id > s",
    "truncate notes",
    "truncate only ledger restart identity cascade",
    "lock table notes",
    "lock table notes in access exclusive mode nowait",
    "lock table notes in share row exclusive mode",
    // Structure.
    "drop table notes",
    "alter table notes rename to gone",
    "alter table notes drop column body",
    "alter table notes alter body type varchar(3)",
    "alter table notes disable trigger all",
    "alter table notes add check (quiet() = 1)",
    "alter table notes add column c int default quiet()",
    "create index on notes ((quiet()))",
    "create index on notes (body) where quiet() = 1",
    "create statistics s on (quiet()), id from notes",
    "create rule r as on insert to notes do instead nothing",
    "create trigger t before insert on notes execute function suppress_redundant_updates_trigger()",
    "create view work.v as select 1",
    "create table work.child () inherits (notes)",
    "create table work.planted (id int default quiet())",
    "create table work.planted (id int check (quiet() > id))",
    "create table work.planted (id int generated always as (quiet()) stored)",
    "create table work.points (id int references notes)",
    "create function work.f() returns int language sql as 'select 1'",
    "create function pg_temp.f() returns int language sql as 'select 1'",
    "create operator work.@@@@ (rightarg = int, function = int4um)",
    "create cast (text as int) with inout as implicit",
    "create domain work.d as int check (value > 0)",
    "create type work.e as enum ('a')",
    "create domain pg_temp.int4 as text",
    "create event trigger e on ddl_command_start execute function quiet()",
    "create policy p on notes using (true)",
    "cluster notes using notes_pkey",
    "reindex schema public",
    "vacuum full notes",
    "vacuum notes",
    "comment on table notes is 'mine'",
    "security label on table notes is 'x'",
    // Rights and roles.
    "grant all on notes to public",
    "revoke all on notes from public",
    "alter default privileges grant all on tables to public",
    "create role evil",
    "alter database postgres connection limit 0",
    "create extension dblink",
    "load 'plpgsql'",
    "create publication p for all tables",
    "create subscription s connection 'host=127.0.0.1' publication p",
    "create foreign data wrapper w",
    "create server s foreign data wrapper w",
    "import foreign schema x from server s into work",
    "create user mapping for public server s",
    // Out of the database, or out of the transaction.
    "copy notes to program 'cat'",
    "copy notes to '/tmp/backstop-out'",
    "copy notes from program 'echo 1'",
    "select pg_read_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select lo_from_bytea(0, 'x')",
    "select lo_export(1, '/tmp/backstop-out')",
    "select lo_unlink(1)",
    "select pg_logical_emit_message(false, 'a', 'b')",
    "select pg_create_physical_replication_slot('s')",
    "select pg_create_logical_replication_slot('s', 'test_decoding')",
    "select pg_drop_replication_slot('s')",
    "select pg_switch_wal()",
    "select pg_create_restore_point('x')",
    "select pg_terminate_backend(1)",
    "select pg_cancel_backend(pid) from pg_stat_activity",
    "select pg_reload_conf()",
    "select pg_promote()",
    "select pg_stat_reset()",
    "checkpoint",
    "notify everyone, 'x'",
    "select pg_notify('everyone', 'x')",
    "begin; prepare transaction 'left-behind'",
    "commit prepared 'of-somebody-else'",
    "rollback prepared 'of-somebody-else'",
    // Secrets.
    "select * from pg_authid",
    "select rolpassword from pg_shadow",
    "table pg_user_mapping",
    "select s from pg_subscription s",
    "select current_setting('primary_conninfo')",
];

#[tokio::test(flavor = "multi_thread")]
async fn none_runs_without_a_person() -> Result<()> {
    for major in [Major::V15, Major::V18] {
        let world = World::on(major, SCHEMA, |c| {
            c.pause = Duration::from_millis(5);
            c.limits.denials_before_halt = 10_000;
        })
        .await?;
        let agent = world
            .lease(&[
                "read:*.*",
                "write:public.notes",
                "insert:public.routed",
                "create,read,insert:work.*",
                "temp",
            ])
            .await?;
        let whole = "select (select count(*) from notes) || ' ' || (select count(*) from ledger) || ' ' \
            || (select count(*) from pg_class where relnamespace in ('public'::regnamespace, 'work'::regnamespace)) || ' ' \
            || (select count(*) from pg_proc) || ' ' || (select count(*) from pg_roles)";
        let before = world.direct(whole);
        let mut raw = Raw::login(&world, &agent).await?;
        let mut passed = vec![];
        for road in ROADS {
            let said = raw.query(road).await?;
            if !stopped(&said) {
                passed.push(format!("{road}: {said:?}"));
            }
            raw.query("rollback").await?;
            raw.query("begin").await?;
            let said = raw.query(road).await?;
            if !stopped(&said) {
                passed.push(format!("in a block: {road}: {said:?}"));
            }
            raw.query("commit").await?;
        }
        assert!(passed.is_empty(), "{major:?}: {passed:#?}");
        assert_eq!(world.direct(whole), before, "{major:?}");
        assert_eq!(
            world.superuser(
                "select (select count(*) from pg_replication_slots) + (select count(*) from pg_largeobject_metadata) \
                 + (select count(*) from pg_prepared_xacts)"
            ),
            "0"
        );
    }
    Ok(())
}
