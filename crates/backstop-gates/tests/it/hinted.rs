//! The rows that a plain statement changes are found by its own condition, asked from outside, so that keeping them
//! needs no look through the whole table. A hint it must stay: whatever is hinted, what is kept is exact.

use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::measure::Limits;
use backstop_gates::postgres::UndoAsk;

use crate::world::{Agent, World, files};

/// Too large to be looked through at once.
const SCHEMA: &str = "
    create table public.orders (id int primary key, body text, n int default 0);
    insert into public.orders select g, 'order ' || g || repeat('.', 100), g from generate_series(1, 20000) g;
    create table public.lines (id int primary key, orders int references public.orders on delete cascade, body text);
    insert into public.lines select g, g, 'line ' || g || repeat('.', 100) from generate_series(1, 20000) g;
    create index on public.lines (orders);
    create table public.parts (id int, kind int, body text, primary key (id, kind)) partition by list (kind);
    create table public.parts_1 partition of public.parts for values in (1);
    create table public.parts_2 partition of public.parts for values in (2);
    insert into public.parts select g, 1 + g % 2, repeat('p', 100) from generate_series(1, 20000) g;
    create function public.same(int, int) returns bool language plpgsql as 'begin return $1 = $2; end';
    create operator public.=== (function = public.same, leftarg = int, rightarg = int);
    create type public.number as (n int);
    create function public.to_number(int) returns public.number language plpgsql as 'begin return row($1); end';
    create cast (int as public.number) with function public.to_number(int);
    create type public.mood as enum ('happy', 'sad');
    create function public.spy(int) returns bool language plpgsql as
        'begin raise log ''spied on as %'', current_user; return true; end';
    create domain public.spied as int check (public.spy(value));
    create table public.watched (id int primary key, one public.spied, many public.spied[], n int, body text);
    insert into public.watched select g, g, array[g], g, repeat('w', 100) from generate_series(1, 20000) g;
    analyze;
";
const SCOPES: &[&str] = &[
    "read,insert,update,delete:public.orders",
    "read,insert,update,delete:public.lines",
    "read,insert,update,delete:public.parts",
    "read,insert,update,delete:public.watched",
];
const EVERYTHING: &str = "select md5(string_agg(t::text, '|' order by t::text)) from (
    select 'o', o::text from orders o union all select 'l', l::text from lines l
    union all select 'p', p::text from parts p union all select 'w', w::text from watched w) t";
/// How a look by a condition ends, and how a look through a whole table begins, in the server's log.
const ASKED: &str = ") limit 2000";
const LOOKED_THROUGH: &str = "declare \"backstop images\"";

async fn world() -> Result<(World, Agent)> {
    let world = World::measuring(SCHEMA, Limits::default()).await?;
    world.superuser("alter system set log_statement = 'all'");
    world.superuser("select pg_reload_conf()");
    let agent = world.lease(SCOPES).await?;
    Ok((world, agent))
}

/// How often the server was asked by a condition, and how often a table was looked through.
fn looks(world: &World) -> (usize, usize) {
    let log = world.server.log();
    (
        log.matches(ASKED).count(),
        log.matches(LOOKED_THROUGH).count(),
    )
}

/// Puts back what the last transaction did.
async fn undo(world: &World) -> Result<()> {
    let vault = world.vault.as_ref().context("a vault")?;
    let entries = world.entries();
    let (index, entry) = entries
        .iter()
        .enumerate()
        .rfind(|(_, entry)| entry["entry"] == "images")
        .context("images")?;
    let name = entry["object"].as_str().context("a name")?;
    let ask = UndoAsk {
        images: files(vec![(index as u64, vault.content(name)?)])?,
        apply: true,
        leave_conflicts: false,
        without_triggers: false,
    };
    world.gate.undo(ask).await?;
    Ok(())
}

/// Runs it, sees whether it was asked and whether a table was looked through, and undoes it.
async fn exact(world: &World, agent: &Agent, sql: &str, asked: bool, through: bool) -> Result<()> {
    let run = async {
        let said = world.psql(agent, sql).await;
        assert!(!said.contains("ERROR"), "{sql}: {said}");
        Ok(())
    };
    exactly(world, sql, run, asked, through).await
}

/// The same for what `run` does.
async fn exactly(
    world: &World,
    sql: &str,
    run: impl Future<Output = Result<()>>,
    asked: bool,
    through: bool,
) -> Result<()> {
    let (before, was) = (world.direct(EVERYTHING), looks(world));
    run.await?;
    let now = looks(world);
    assert_eq!((now.0 > was.0, now.1 > was.1), (asked, through), "{sql}");
    assert_ne!(world.direct(EVERYTHING), before, "{sql}");
    undo(world).await?;
    assert_eq!(world.direct(EVERYTHING), before, "{sql}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_write_by_key_needs_no_look_through_the_table() -> Result<()> {
    let (world, agent) = world().await?;
    for sql in [
        "update orders set body = 'x' where id = 5",
        "update orders set body = 'it''s', n = n + 1 where id between 10 and 19",
        "update public.orders o set n = 1 where o.id in (21, 22, 23) and o.body like 'order%' returning o.id",
        "update only orders set n = 2 where orders.id = any (array[31, 32]) and n is not null",
        "delete from lines where id = 44 or (id > 60 and id < 70 and not body = 'no')",
        "update lines set orders = 1 where id = '45'::int",
        "update parts set body = 'y' where id = 7 and kind = 2",
        "delete from parts where id in (8, 9)",
        // A row that moves is deleted in one partition and inserted in another.
        "update parts set kind = 2 where id = 10 and kind = 1",
        // Hundreds of rows.
        "update lines set body = body || '!' where id < 900",
        "delete from lines where id = 46;",
        // What goes by its foreign key is found by the key.
        "delete from orders where id = 50",
        // In blocks, and several in one text.
        "begin; update orders set n = 7 where id = 5; commit",
        "update orders set n = 7 where id = 5; delete from lines where id = 48",
        "begin; update orders set n = 7 where id = 51; savepoint s; update lines set body = '' where id = 52; \
         insert into parts values (90000, 1, 'new'); release s; end",
        // Rows that an INSERT meets.
        "insert into orders values (53, 'met'), (90001, 'new') on conflict (id) do update set body = excluded.body",
        "insert into parts (body, kind, id) values ('met', 2, 55) on conflict (id, kind) do update set body = 'met'",
    ] {
        exact(&world, &agent, sql, true, false).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_conditions_do_not_account_for_is_looked_for() -> Result<()> {
    let (world, agent) = world().await?;
    for sql in [
        // One row that was written twice counts as two.
        "begin; update orders set n = 1 where id = 61; update orders set n = 2 where id = 61; commit",
        // Another row takes the key of one that goes.
        "delete from lines where id = 62; insert into lines values (62, 1, 'again'); update lines set id = 63000 where id = 62",
        // A key that changes: the new row is not found under the old one.
        "update lines set id = id + 100000 where id = 60",
    ] {
        exact(&world, &agent, sql, true, true).await?;
    }
    Ok(())
}

/// The messages that drivers send, with values in binary and types that the server finds out.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_asked_with_as_they_came() -> Result<()> {
    let (world, agent) = world().await?;
    let client = world.client(&agent).await?;
    let sql = "update orders set body = $1, n = n + $2 where id = $3 and n > $2";
    let run = async {
        client.execute(sql, &[&"it's", &1, &70]).await?;
        Ok(())
    };
    exactly(&world, sql, run, true, false).await?;
    let sql = "delete from lines where body like $1 or id = any ($2)";
    let run = async {
        client.execute(sql, &[&"line 71.%", &vec![72, 73]]).await?;
        Ok(())
    };
    exactly(&world, sql, run, true, false).await?;
    let sql = "insert into orders (n, id) values ($1, $2), (3, 90002) on conflict (id) do update set n = excluded.n";
    let run = async {
        client.execute(sql, &[&-1, &74]).await?;
        Ok(())
    };
    exactly(&world, sql, run, true, false).await?;
    // As an ORM does it: a block of prepared statements.
    let run = async {
        client.batch_execute("begin").await?;
        let one = client
            .prepare("update orders set n = $1 where id = $2")
            .await?;
        let other = client.prepare("delete from orders where id = $1").await?;
        for id in 80..90 {
            client.execute(&one, &[&0, &id]).await?;
        }
        client.execute(&other, &[&95]).await?;
        client.batch_execute("commit").await?;
        Ok(())
    };
    exactly(&world, "a block", run, true, false).await?;
    // Two executions of one portal's statement in one series.
    let run = async {
        let one = client
            .prepare("update lines set body = $1 where id = $2")
            .await?;
        type Values<'a> = [&'a (dyn tokio_postgres::types::ToSql + Sync); 2];
        let (a, b): (Values<'_>, Values<'_>) = ([&"a", &97], [&"b", &98]);
        client.batch_execute("begin").await?;
        tokio::try_join!(client.execute(&one, &a), client.execute(&one, &b))?;
        client.batch_execute("commit").await?;
        Ok(())
    };
    exactly(&world, "a pipeline", run, true, false).await
}

/// Whoever asks has more rights than the agent: code of others must not run for it.
#[tokio::test(flavor = "multi_thread")]
async fn no_code_of_others_runs_with_the_gates_rights() -> Result<()> {
    let (world, agent) = world().await?;
    // The owner ran it when the table was filled.
    let filled = world.server.log().len();
    let client = world.client(&agent).await?;
    for sql in [
        "update watched set n = -1 where many = '{5}' and id = 5",
        "update watched set n = -1 where one = 6 and id = 6",
        "update watched set n = -1 where id = 7::public.spied",
        "update watched set n = -1 where id = 8::spied",
        "update watched set n = -1 where one in ('9', '10') and id = 9",
        "insert into watched (id, one, many) values (11, 11, '{11}') on conflict (id) do update set n = -1",
    ] {
        let was = world.direct("select count(*) from watched where n < 0");
        let said = world.psql(&agent, sql).await;
        let now = world.direct("select count(*) from watched where n < 0");
        assert!(said.contains("BK001") || was != now, "{sql}: {said}");
    }
    let sql = "update watched set n = -1 where id = $1::int and many = $2";
    let spied = client.prepare(sql).await;
    if let Ok(spied) = &spied {
        let _ = client.execute(spied, &[&12, &vec![12]]).await;
    }
    let log = world.server.log();
    let later = log.get(filled..).context("what was logged since")?;
    let as_whom: Vec<&str> = later
        .lines()
        .filter_map(|line| line.split("spied on as ").nth(1))
        .map(str::trim)
        .collect();
    assert!(as_whom.contains(&agent.lease.as_str()), "{as_whom:?}");
    let gate = world.server.owner().user;
    assert!(!later.contains(&format!("spied on as {gate}")), "{gate}");
    Ok(())
}

/// Code of others must not run twice, and what others see of it must not run at all before its time.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_constants_columns_and_built_in_operators_is_asked() -> Result<()> {
    let (world, agent) = world().await?;
    for sql in [
        "update orders set n = 7 where id operator(public.===) 5 and id = 5",
        "update orders set n = 7 where id = abs(5)",
        "update orders set n = 7 where id = (select 5)",
        "update orders o set n = 7 from lines l where l.id = o.id and l.id = 5",
        "with five as (select 5) update orders set n = 7 where id = 5",
        "update orders set n = 7 where case when id = 5 then true end",
        "insert into orders values (5, 'x') on conflict (id) do update set n = 7 where orders.id = abs(5)",
    ] {
        let keys = sql.starts_with("insert");
        exact(&world, &agent, sql, keys, !keys).await?;
    }
    let was = looks(&world);
    let cast = "update orders set n = 7 where id::public.number is not null and id = 5";
    let said = world.psql(&agent, cast).await;
    assert!(said.contains("BK001"), "{said}");
    assert_eq!(looks(&world), was);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_fails_fails_nothing_else() -> Result<()> {
    let (world, agent) = world().await?;
    // Only the agent finds the type by that name.
    let sql = "update lines set body = 'x' where id = 5 and body <> 'sad'::mood::text";
    exact(&world, &agent, sql, true, true).await?;
    let log = world.server.log();
    assert!(log.contains("type \"mood\" does not exist"), "{log}");
    let client = world.client(&agent).await?;
    let sql = "update lines set body = 'x' where id = $1 and body <> 'sad'::mood::text";
    let run = async {
        client.execute(sql, &[&6]).await?;
        Ok(())
    };
    exactly(&world, sql, run, true, true).await?;
    // An error of the statement's own is told once, and in its own words; what follows goes on.
    let said = world
        .psql_args(
            &agent,
            &[
                "-c",
                "update orders set n = 1 where n / (id - 5) > 1 and id < 9",
                "-c",
                "update orders set n = 1 where id = 6",
            ],
        )
        .await;
    assert_eq!(said.matches("division by zero").count(), 1, "{said}");
    assert!(said.contains("UPDATE 1"), "{said}");
    undo(&world).await
}

/// A row that somebody moves on while the statement waits for it is another version when the statement comes to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_in_between_is_kept_as_it_was_then() -> Result<()> {
    let (world, agent) = world().await?;
    let (other, connection) =
        tokio_postgres::connect(&world.server.owner().dsn(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    for (theirs, ours) in [
        (
            "update orders set body = 'theirs' where id = 5",
            "update orders set n = 9 where id in (5, 6)",
        ),
        (
            "delete from orders where id = 105",
            "update orders set n = 9 where id in (105, 106)",
        ),
        (
            "update orders set n = -1 where id = 205",
            "delete from lines where id = 206 or id = 207",
        ),
        (
            "select from orders where id = 305 for share",
            "update orders set n = 9 where id = 306",
        ),
    ] {
        other.batch_execute(&format!("begin; {theirs}")).await?;
        let (said, _) = tokio::join!(world.psql(&agent, ours), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            other.batch_execute("commit").await
        });
        assert!(!said.contains("ERROR"), "{ours}: {said}");
        let after = world.direct(EVERYTHING);
        undo(&world).await?;
        let undone = world.direct(EVERYTHING);
        assert_ne!(undone, after, "{ours}");
    }
    let left = world.direct(
        "select concat_ws(' ', (select left(body, 6) || n from orders where id = 5), \
         (select n from orders where id = 6), (select count(*) from orders where id = 105), \
         (select n from orders where id = 106), (select count(*) from lines where id in (206, 207)), \
         (select n from orders where id = 306))",
    );
    assert_eq!(left, "theirs5 6 0 106 2 306");
    Ok(())
}
