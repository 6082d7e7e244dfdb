//! The rows that a plain UPDATE or DELETE is about to change are asked for first, so that keeping them needs no look
//! through the whole table. A hint it must stay: whatever is hinted, what is kept is exact.

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
    analyze;
";
const SCOPES: &[&str] = &[
    "read,insert,update,delete:public.orders",
    "read,insert,update,delete:public.lines",
    "read,insert,update,delete:public.parts",
];
const EVERYTHING: &str = "select md5(string_agg(t::text, '|' order by t::text)) from (
    select 'o', o::text from orders o union all select 'l', l::text from lines l
    union all select 'p', p::text from parts p) t";
/// How the question begins, and how a look through a whole table does, in the server's log.
const ASKED: &str = "SELECT tableoid, ctid FROM";
const LOOKED_THROUGH: &str = "declare \"backstop images\"";

async fn world() -> Result<(World, Agent)> {
    let world = World::measuring(SCHEMA, Limits::default()).await?;
    world.superuser("alter system set log_statement = 'all'");
    world.superuser("select pg_reload_conf()");
    let agent = world.lease(SCOPES).await?;
    Ok((world, agent))
}

/// How often the server was asked for places, and how often a table was looked through.
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
    let (before, was) = (world.direct(EVERYTHING), looks(world));
    let said = world.psql(agent, sql).await;
    assert!(!said.contains("ERROR"), "{sql}: {said}");
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
    ] {
        exact(&world, &agent, sql, true, false).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_places_do_not_account_for_is_looked_for() -> Result<()> {
    let (world, agent) = world().await?;
    for sql in [
        // The cascade reaches what nobody asked about.
        "delete from orders where id = 50",
        // A key that changes: the new row is not found under the old one.
        "update lines set id = id + 100000 where id = 60",
    ] {
        exact(&world, &agent, sql, true, true).await?;
    }
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
        "begin; update orders set n = 7 where id = 5; commit",
    ] {
        exact(&world, &agent, sql, false, true).await?;
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
    // Its columns are enough for the statement, and not for asking where rows lie.
    let lease = &agent.lease;
    world.superuser(&format!(
        "revoke select on lines from {lease}; grant select (id, orders, body) on lines to {lease}"
    ));
    let said = world
        .psql(&agent, "update lines set body = 'x' where id = 5")
        .await;
    assert_eq!(said.trim(), "UPDATE 1");
    let log = world.server.log();
    assert!(log.contains("permission denied for table lines"), "{log}");
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

/// A row that somebody moves on after it was asked for is another version when the statement comes to it.
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
