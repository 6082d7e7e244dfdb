//! Writes that seem to be of one row and are of many.

use anyhow::Result;
use backstop_testing::postgres::Major;

use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id bigint primary key, body text);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
    create table public.codes (code varchar primary key, n int default 0);
    insert into public.codes select 'a' || repeat(' ', g) from generate_series(0, 99) g;
    create table public.large (id numeric primary key, n int default 0);
    insert into public.large select 1e20 + g from generate_series(0, 99) g;
    create sequence public.numbers maxvalue 100000;
    create table public.log (line text);
    create table public.parts (id int, at int, primary key (id, at)) partition by range (at);
    create table public.parts_1 partition of public.parts for values from (0) to (10);
    create table public.parts_2 partition of public.parts for values from (10) to (20);
    insert into public.parts values (1, 1);
    create function public.gone() returns trigger language plpgsql as $$ begin delete from public.notes; return old; end $$;
    create trigger gone after delete on public.parts_1 for each row execute function public.gone();
    create table public.heap (a int); insert into public.heap select generate_series(1, 100);
    create table public.base (id int primary key, n int default 0);
    create table public.heir () inherits (public.base);
    insert into public.heir select 1 from generate_series(1, 100);
";

async fn changes_nothing(world: &World, agent: &Agent, roads: &[&str], count: &str) {
    let before = world.direct(count);
    for road in roads {
        let said = world
            .psql_args(agent, &["-c", "begin", "-c", road, "-c", "commit"])
            .await;
        assert_eq!(world.direct(count), before, "{road}: {said}");
        let said = world.psql(agent, road).await;
        assert_eq!(world.direct(count), before, "{road}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_is_counted_by_all_that_multiplies_rows() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*", "insert:public.log"]).await?;
    let sets = ["grouping sets ((), (), (), (), (), (), (), ())"; 4].join(", ");
    let grouped = format!("insert into log select 'x' group by {sets}");
    let lexemes: String = (0..2000).map(|n| format!("w{n} ")).collect();
    let unnested = format!("insert into log select lexeme from unnest('{lexemes}'::tsvector)");
    let numbers: String = (0..2000).map(|n| format!("{n} ")).collect();
    let vector = format!("insert into log select u from unnest('{numbers}'::int2vector) u");
    let cast = format!("insert into log select u from unnest('{numbers}'::int2vector::int2[]) u");
    let attribute = format!(
        "insert into log select u.unnest::text from unnest(array['{lexemes}'::tsvector]) u"
    );
    let column = format!(
        "insert into log (line) select u.jsonb_array_elements_text from unnest(array['[{}]'::jsonb]) u",
        ["1"; 2000].join(",")
    );
    changes_nothing(
        &world,
        &agent,
        &[
            &grouped,
            &unnested,
            &vector,
            &cast,
            &attribute,
            &column,
            "insert into log select 'x' from generate_series(1, 2000)",
            "insert into log select generate_series(1, 2000)",
            "insert into log values ('x'), (generate_series(1, 2000))",
            "insert into log select 'x' from notes a, notes b",
            "insert into log select 'x' union all (select 'y' from notes a, notes b)",
            "insert into log with recursive r as (select 1 as n union all select n + 1 from r where n < 2000) select n from r",
            "insert into log select x from (values (1)) v(x), generate_series(1, 2000) limit all",
            "insert into log select x from generate_series(1, 2000) x order by 1 fetch first 1 rows with ties offset 0",
            "insert into log select (regexp_split_to_table(repeat('x ', 2000), ' '))",
            "insert into log select 'x' group by cube (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
            "merge into log using (select 'x' as l group by grouping sets ((), (), ())) s on false when not matched then insert values (s.l)",
        ],
        "select greatest(count(*), 1000) from log",
    )
    .await;
    // Everyday ones pass.
    for (road, said) in [
        ("insert into log values ('a'), ('b')", "INSERT 0 2"),
        ("insert into log select 'c'", "INSERT 0 1"),
        (
            "insert into log select u from unnest('{a,b}'::text[]) u",
            "INSERT 0 2",
        ),
        (
            "insert into log select u from unnest(array['a', 'b']) u",
            "INSERT 0 2",
        ),
        ("insert into log select 'x' group by 1", "INSERT 0 1"),
    ] {
        assert_eq!(world.psql(&agent, road).await.trim(), said, "{road}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_a_key_only_under_its_own_equality() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&["read:*.*", "update,delete:public.*", "temp"])
        .await?;
    changes_nothing(
        &world,
        &agent,
        &[
            "update codes set n = 1 where code = 'a'::bpchar",
            "update codes set n = 1 where code = any(array['a'::bpchar])",
            "update codes set n = 1 where code in ('a'::char(3), 'b')",
            "prepare p (bpchar) as update codes set n = 1 where code = $1; execute p('a')",
            "update codes set n = 1 where code like 'a%'",
            "update codes set n = 1 where code ~ 'a'",
            "update codes set n = 1 where trim(code) = 'a'",
            "update codes set n = 1 where code collate \"C\" >= 'a'",
            "update codes set n = 1 from notes where codes.code = notes.body or true",
            "update codes set n = 1 where code = any(array(select code from codes))",
            "update codes set n = 1 where code in (select code from codes)",
            "update codes set n = 1 where (code, 1) >= ('a', 1)",
            "update codes set n = 1 where code is distinct from 'zz'",
            "update codes set n = 1 where not code = 'zz'",
            "update codes set n = 1 where code = 'zz' or n = 0",
            "update codes set n = 1 where ctid = any(array(select ctid from codes))",
            "update codes c set n = 1 where ctid >= '(0,0)'",
        ],
        "select count(*) filter (where n = 1) from codes",
    )
    .await;
    changes_nothing(
        &world,
        &agent,
        &[
            "update large set n = 1 where id = '1e20'::float8",
            "update large set n = 1 where id = any('{1e20}'::float8[])",
            "prepare p (float8) as update large set n = 1 where id = $1; execute p(1e20)",
        ],
        "select count(*) filter (where n = 1) from large",
    )
    .await;
    // Prepared in one message and run in another, by SQL and by the protocol.
    let said = world
        .psql_args(
            &agent,
            &[
                "-c",
                "prepare p (double precision) as update large set n = 1 where id = $1",
                "-c",
                "execute p(1e20)",
                "-c",
                "explain analyze execute p(1e20)",
            ],
        )
        .await;
    assert_eq!(
        world.direct("select count(*) from large where n = 1"),
        "0",
        "{said}"
    );
    changes_nothing(
        &world,
        &agent,
        &["update base set n = 1 where id = 1"],
        "select count(*) filter (where n = 1) from base",
    )
    .await;
    for (road, said) in [
        ("update codes set n = 2 where code = 'a'", "UPDATE 1"),
        ("update codes set n = 2 where code = 'a'::text", "UPDATE 1"),
        (
            "update large set n = 2 where id = 100000000000000000001",
            "UPDATE 1",
        ),
        ("update notes set body = 'x' where id in (1, 2)", "UPDATE 2"),
        ("update only base set n = 2 where id = 1", "UPDATE 0"),
    ] {
        assert_eq!(world.psql(&agent, road).await.trim(), said, "{road}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equality_of_somebodys_own_pins_nothing() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    // Its function is PostgreSQL's own, and says the contrary.
    world.superuser(
        "create operator public.= (leftarg = int8, rightarg = int4, function = pg_catalog.int84ne)",
    );
    let agent = world.lease(&["read:*.*", "delete:public.notes"]).await?;
    changes_nothing(
        &world,
        &agent,
        &[
            "delete from notes where id = 1",
            "delete from notes where id in (1)",
        ],
        "select count(*) from notes",
    )
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_is_not_run_dry() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:*.*", "insert,update:public.*"]).await?;
    world.direct(&format!(
        "grant usage on sequence numbers to {}",
        agent.lease
    ));
    changes_nothing(
        &world,
        &agent,
        &[
            "select nextval('public.numbers') from generate_series(1, 100000)",
            "select nextval('public.numbers'), generate_series(1, 100000)",
            "select count(nextval('numbers')) from notes a, notes b",
            "with recursive r as (select nextval('numbers') as n union all select nextval('numbers') from r) select max(n) from r",
            "select (select nextval('numbers') + a.id - a.id) from notes a, notes b",
            "select g.nextval from unnest(array['public.numbers'::regclass, 'public.numbers'::regclass]) g",
            "select setval('numbers', 99999)",
        ],
        "select is_called from numbers",
    )
    .await;
    assert_eq!(
        world.psql(&agent, "select nextval('numbers')").await.trim(),
        "1"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_its_partition_is_deleted_and_inserted() -> Result<()> {
    for major in [Major::V15, Major::V18] {
        let world = World::on(major, SCHEMA, |_| {}).await?;
        let agent = world
            .lease(&["read:*.*", "update,insert,delete:public.*"])
            .await?;
        changes_nothing(
            &world,
            &agent,
            &[
                "update parts set at = 11 where id = 1 and at = 1",
                "insert into parts values (1, 1) on conflict (id, at) do update set at = 11",
                "merge into parts p using (select 1) s on p.id = 1 and p.at = 1 when matched then update set at = 11",
            ],
            "select count(*) from notes",
        )
        .await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_copy_is_counted_however_it_is_spelt() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,insert:public.heap"]).await?;
    let file = world.folder.path().join("rows");
    let mut rows = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for n in 0..2000_i32 {
        rows.extend_from_slice(&1_i16.to_be_bytes());
        rows.extend_from_slice(&4_i32.to_be_bytes());
        rows.extend_from_slice(&n.to_be_bytes());
    }
    rows.extend_from_slice(&(-1_i16).to_be_bytes());
    std::fs::write(&file, rows)?;
    for spelt in [
        "format binary",
        "format 'binary'",
        r"format E'bin\x61ry'",
        r"format U&'bin\0061ry'",
        r"format U&'bin!0061ry' UESCAPE '!'",
        "format/**/\"binary\"",
    ] {
        let text = format!("\\copy heap from '{}' ({spelt})", file.display());
        let said = world.psql(&agent, &text).await;
        assert_eq!(
            world.direct("select count(*) from heap"),
            "100",
            "{spelt}: {said}"
        );
        assert!(said.contains("BK003"), "{spelt}: {said}");
    }
    Ok(())
}
