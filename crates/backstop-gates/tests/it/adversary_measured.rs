//! An agent that wants more rows gone than may go unasked, by every road to a COMMIT that it knows.

use anyhow::Result;
use backstop_core::measure::Limits;

use crate::raw::Raw;
use crate::world::{Agent, World};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, n int default 0);
    insert into public.notes select g, 'note ' || g, g from generate_series(1, 1000) g;
    create table public.queue (id int primary key, lowest int);
    create function public.purge(lowest int) returns int language plpgsql as $$
        declare gone int;
        begin delete from public.notes where id >= lowest; get diagnostics gone = row_count; return gone; end $$;
    create function public.purge_each(lowest int) returns setof int language plpgsql as $$
        declare one int;
        begin for one in select id from public.notes where id >= lowest loop
            delete from public.notes where id = one; return next one; end loop; end $$;
    create function public.purge_and_fail(lowest int) returns int language plpgsql as $$
        begin delete from public.notes where id >= lowest;
            begin delete from public.notes; raise exception 'no'; exception when others then null; end;
            return 1; end $$;
    create function public.quietly(lowest int) returns int language plpgsql
        set work_mem = '1MB' as $$ begin perform public.purge(lowest); return 1; end $$;
    create function public.on_queue() returns trigger language plpgsql as $$
        begin perform public.purge(new.lowest); return null; end $$;
    create constraint trigger later after insert on public.queue deferrable initially deferred
        for each row execute function public.on_queue();
    create function public.in_default() returns int language sql as 'select public.purge(500)';
    create table public.defaulted (id int primary key, n int default public.in_default());
    create view public.purging as select public.purge(500) as gone;
    create view public.lazily as select id from public.purge_each(500) id;
    analyze;
";
const SCOPES: &[&str] = &[
    "read,insert,update,delete:public.notes",
    "read,insert,update,delete:public.queue",
    "read,insert:public.defaulted",
    "read:public.purging",
    "read:public.lazily",
];
const ALL: &str = "select md5(string_agg(t::text, '|' order by id)) from public.notes t";

async fn world() -> Result<World> {
    let limits = Limits {
        rows: 10,
        share: 5_000,
        few: 5,
        lease_rows: 100,
        target_rows: 10_000,
        window_ms: 3_600_000,
    };
    let world = World::measuring(SCHEMA, limits).await?;
    world.direct(
        "grant insert, select on public.queue, public.defaulted to public;
         grant select on public.purging, public.lazily to public",
    );
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_takes_more_than_may_go() -> Result<()> {
    let world = world().await?;
    let before = world.direct(ALL);
    for sql in [
        "begin; select purge(900); commit and chain; select 1; commit",
        "begin; select purge(900); prepare transaction 'x'",
        "begin; select purge(900); end",
        "begin isolation level serializable; select purge(900); commit work",
        "start transaction read write; select purge(900); commit transaction",
        "begin; savepoint s; select purge(900); release s; commit",
        "begin; savepoint s; select purge(900); rollback to s; select purge(950); release s; commit",
        "begin; select purge_and_fail(900); commit",
        "select purge_and_fail(900)",
        "select quietly(900)",
        "begin; declare c cursor for select purge(900); fetch all from c; commit",
        "begin; declare c cursor for select purge_each(900); fetch 3 from c; fetch all from c; commit",
        "begin; declare c cursor for select purge_each(900); move all in c; close c; commit",
        "prepare p as select purge(900); execute p",
        "prepare p(int) as delete from notes where id >= $1; execute p(900)",
        "prepare p(int) as select purge($1); begin; execute p(900); commit",
        "explain (analyze, costs off) select purge(900)",
        "explain (analyze) execute p",
        "copy (select purge(900)) to stdout",
        "copy (delete from notes where id > 900 returning id) to stdout",
        "values (purge(900))",
        "table purging",
        "select * from lazily",
        "select 1 order by purge(900)",
        "select 1 limit purge(900)",
        "select case when purge(900) > 0 then 1 else 2 end",
        "select * from generate_series(1, purge(900))",
        "select (select max(p) from purge_each(900) p)",
        "with p as materialized (select purge(900)) select * from p",
        "with recursive p(n) as (select purge(900) union all select n + 1 from p where n < 1) select * from p",
        "select purge(900) into temp t",
        "create temp table t as select purge(900)",
        "update notes set n = purge(900) where id = 1",
        "insert into notes values (2000, 'x', purge(900))",
        "insert into notes values (1, 'x', 1) on conflict (id) do update set n = purge(900)",
        "insert into notes values (2000, 'x', 1) returning purge(900)",
        "delete from notes where id = 1 returning purge(900)",
        "delete from notes where purge(900) > 0 and id = 1",
        "merge into notes using (select purge(900) g) s on id = 1 when matched then update set n = g",
        "insert into queue values (1, 900)",
        "begin; insert into queue values (1, 900); commit",
        "begin; set constraints all deferred; insert into queue values (1, 900); commit",
        "insert into queue values (1, 900); select 1",
        "begin; insert into queue values (1, 900); savepoint s; release s; commit",
        "insert into defaulted (id) values (1)",
        "do $$ begin perform public.purge(900); end $$",
        "do $$ declare t text := 'select public.purge(900)'; begin execute t; end $$",
        "do $$ begin delete from public.notes where id > 900; begin perform 1/0; exception when others then null; end; end $$",
        "begin; update notes set n = 1 where id < 9; commit; begin; select purge(900); commit",
        "begin; end; select purge(900)",
        "select 1; select purge(900); select 1",
        "; ; select purge(900)",
        "begin; select purge(900); commit; begin; rollback",
        "update notes set id = id + 5000 where id > 900",
        "update notes set (body, n) = (select 'x', 1) where id > 900",
        "truncate notes",
        "delete from only notes",
        "with a as (delete from notes where id > 995 returning 1), b as (delete from notes where id < 20 returning 1) select 1",
    ] {
        let agent = world.lease(SCOPES).await?;
        let said = world.psql(&agent, sql).await;
        assert_eq!(world.direct(ALL), before, "{sql}: {said}");
    }
    Ok(())
}

/// What is said after each road is not looked at: only that nothing has gone.
async fn road(world: &World, messages: &[(&str, &str)]) -> Result<()> {
    let agent: Agent = world.lease(SCOPES).await?;
    let mut raw = Raw::login(world, &agent).await?;
    for (kind, text) in messages {
        let done = match *kind {
            "parse" => {
                let (name, sql) = text.split_once(':').unwrap_or(("", text));
                raw.parse(name, sql).await
            }
            "bind" => {
                let (portal, statement) = text.split_once(':').unwrap_or(("", text));
                raw.bind(portal, statement).await
            }
            "execute" => raw.execute(text).await,
            "sync" => raw.sync().await.map(drop),
            "query" => raw.query(text).await.map(drop),
            "flush" => raw.send(b'H', &[]).await,
            "end" => raw.send(b'X', &[]).await,
            _ => raw.close_statement(text).await,
        };
        if done.is_err() {
            // The gate has ended the connection: that road ends there.
            break;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_order_of_messages_takes_more_than_may_go() -> Result<()> {
    let world = world().await?;
    let before = world.direct(ALL);
    let purge = [
        ("parse", "p:select purge(900)"),
        ("bind", "c:p"),
        ("execute", "c"),
    ];
    let delete = [
        ("parse", "d:delete from notes where id between 100 and 120"),
        ("bind", "x:d"),
        ("execute", "x"),
    ];
    let begin = [("parse", "b:begin"), ("bind", "b:b"), ("execute", "b")];
    let commit = [("parse", "e:commit"), ("bind", "e:e"), ("execute", "e")];
    let roads: Vec<Vec<(&str, &str)>> = vec![
        [&purge[..], &[("sync", "")]].concat(),
        [&delete[..], &[("sync", "")]].concat(),
        [&delete[..], &[("flush", ""), ("sync", "")]].concat(),
        [&delete[..], &[("flush", ""), ("query", "commit")]].concat(),
        [&delete[..], &[("query", "begin; commit")]].concat(),
        [&delete[..], &[("query", "")]].concat(),
        [&delete[..], &[("query", "select 1; commit; select 1")]].concat(),
        [&delete[..], &[("end", "")]].concat(),
        [&begin[..], &purge, &commit, &[("sync", "")]].concat(),
        [
            &begin[..],
            &[("sync", "")],
            &purge,
            &[("sync", "")],
            &commit,
            &[("sync", "")],
        ]
        .concat(),
        [&purge[..], &begin, &commit, &[("sync", "")]].concat(),
        [&purge[..], &commit, &[("sync", "")]].concat(),
        [&begin[..], &purge, &[("query", "commit")]].concat(),
        [&[("query", "begin")], &purge[..], &[("query", "commit")]].concat(),
        [
            &[("query", "begin")],
            &purge[..],
            &[("sync", ""), ("query", "commit and chain")],
        ]
        .concat(),
        [
            &[("query", "begin"), ("query", "select purge(900)")],
            &commit[..],
            &[("sync", "")],
        ]
        .concat(),
        [
            &[("query", "begin"), ("query", "select purge(900)")],
            &commit[..],
            &[("flush", ""), ("end", "")],
        ]
        .concat(),
        // A portal that has not run to its end.
        vec![
            ("query", "begin"),
            ("parse", "l:select purge_each(900)"),
            ("bind", "l:l"),
            ("execute", "l"),
            ("sync", ""),
            ("query", "fetch all from l"),
            ("query", "commit"),
        ],
        // The same commit, prepared before what it commits.
        [
            &[("parse", "e:commit"), ("sync", ""), ("query", "begin")],
            &purge[..],
            &[("bind", "z:e"), ("execute", "z"), ("sync", "")],
        ]
        .concat(),
        [
            &[("query", "begin"), ("parse", "e:commit"), ("bind", "z:e")],
            &purge[..],
            &[("execute", "z"), ("sync", "")],
        ]
        .concat(),
        // After an error that the server skips past.
        [
            &delete[..],
            &[("parse", "q:selec"), ("sync", ""), ("query", "commit")],
        ]
        .concat(),
        [
            &[("query", "begin"), ("query", "savepoint s")],
            &purge[..],
            &[
                ("parse", "q:selec"),
                ("sync", ""),
                ("query", "rollback to s"),
                ("query", "select purge(900)"),
                ("query", "commit"),
            ],
        ]
        .concat(),
    ];
    for messages in roads {
        road(&world, &messages).await?;
        // A session whose client has gone is put away in its own time.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(world.direct(ALL), before, "{messages:?}");
    }
    Ok(())
}
