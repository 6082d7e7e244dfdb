//! Messages in an order, with names and with bytes that no library would send.

use std::time::Duration;

use anyhow::Result;
use backstop_core::approval::Answer;
use backstop_testing::postgres::Major;

use crate::raw::Raw;
use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text);
    insert into public.notes select g, 'note ' || g from generate_series(1, 100) g;
    create function public.quiet() returns int language sql security definer as 'delete from public.notes; select 1';
    create view public.looks as select 1 as n;
";
const SCOPES: &[&str] = &["read:*.*", "write:public.notes"];

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_one_to_the_server_are_not_two_to_the_gate() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let mut raw = Raw::login(&world, &agent).await?;
    let stem = "n".repeat(63);
    let (one, other) = (format!("{stem}1"), format!("{stem}2"));
    raw.parse(&one, "select 1").await?;
    let first = raw.sync().await?;
    raw.close_statement(&other).await?;
    raw.sync().await?;
    raw.parse(&other, "delete from notes").await?;
    raw.sync().await?;
    raw.bind("", &one).await?;
    raw.execute("").await?;
    let last = raw.sync().await?;
    assert_eq!(first.errors, ["42622"], "{first:?} {last:?}");
    assert_eq!(world.direct("select count(*) from notes"), "100");
    // As long as it may be, and SQL's own names, which the server cuts for both.
    raw.parse(&stem, "select 7").await?;
    raw.bind(&stem, &stem).await?;
    raw.execute(&stem).await?;
    assert_eq!(raw.sync().await?.rows, ["7"]);
    let said = raw
        .query(&format!("prepare q{stem}1 as select 8; execute q{stem}2"))
        .await?;
    assert_eq!(said.rows, ["8"], "{said:?}");
    let (a, b) = (
        format!("{}é1", "p".repeat(62)),
        format!("{}é2", "p".repeat(62)),
    );
    let said = raw
        .query(&format!("prepare \"{a}\" as select 9; execute \"{b}\""))
        .await?;
    assert!(said.rows == ["9"] || !said.errors.is_empty(), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_writes_is_not_run_by_fetching_it() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    for road in [
        "fetch all from p",
        "move all in p",
        "fetch 1 from p; select 1",
    ] {
        let mut raw = Raw::login(&world, &agent).await?;
        raw.query("begin").await?;
        raw.parse("w", "delete from notes where id = 1 returning id")
            .await?;
        raw.bind("p", "w").await?;
        assert!(raw.sync().await?.errors.is_empty());
        let said = raw.query(road).await?;
        assert_eq!(said.errors, ["BK003"], "{road}: {said:?}");
        raw.query("commit").await?;
        assert_eq!(world.direct("select count(*) from notes"), "100", "{road}");
    }
    // Fetching prepared first, in the same series of messages, or by a function.
    let mut raw = Raw::login(&world, &agent).await?;
    raw.query("begin").await?;
    raw.parse("f", "fetch all from p").await?;
    raw.parse("w", "delete from notes where id = 1 returning id")
        .await?;
    raw.bind("p", "w").await?;
    raw.bind("q", "f").await?;
    raw.execute("q").await?;
    let said = raw.sync().await?;
    assert_eq!(said.errors, ["BK003"], "{said:?}");
    raw.query("rollback").await?;
    raw.query("begin").await?;
    raw.parse("w2", "delete from notes where id = 1 returning id")
        .await?;
    raw.bind("p", "w2").await?;
    raw.sync().await?;
    for road in ["execute f", "select cursor_to_xml('p', 10, true, true, '')"] {
        raw.query("savepoint s").await?;
        let said = raw.query(road).await?;
        assert!(!said.errors.is_empty(), "{road}: {said:?}");
        raw.query("rollback to s").await?;
    }
    raw.query("commit").await?;
    assert_eq!(world.direct("select count(*) from notes"), "100");
    // A cursor that reads is fetched from as ever, and a portal that writes is run by Execute, with its intent.
    raw.query("begin").await?;
    raw.query("declare c cursor for select id from notes order by id")
        .await?;
    assert_eq!(raw.query("fetch 2 from c").await?.rows, ["1", "2"]);
    raw.bind("p", "w").await?;
    raw.execute("p").await?;
    assert_eq!(raw.sync().await?.rows, ["1"]);
    raw.query("commit").await?;
    assert_eq!(world.direct("select count(*) from notes"), "99");
    let intents = world.entries().into_iter();
    let writes = intents
        .filter(|e| e["entry"] == "intent" && e["effect"] == "write" && e["verdict"] == "allow");
    assert_eq!(writes.count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_bound_is_judged_again_when_it_is_run() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let mut raw = Raw::login(&world, &agent).await?;
    raw.query("begin").await?;
    raw.parse("w", "update notes set body = 'x' where id = 1")
        .await?;
    raw.bind("p", "w").await?;
    assert!(raw.flush(b'2').await?.errors.is_empty());
    let scopes = vec!["read:*.*".parse().unwrap()];
    world
        .store
        .narrow_lease(&agent.lease, Some(scopes), None)
        .await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    raw.execute("p").await?;
    let said = raw.sync().await?;
    assert_eq!(said.errors, ["BK003"], "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_prepared_before_its_view_changed_is_judged_anew() -> Result<()> {
    for major in [Major::V15, Major::V18] {
        let world = World::on(major, SCHEMA, |_| {}).await?;
        let agent = world.lease(SCOPES).await?;
        let mut raw = Raw::login(&world, &agent).await?;
        raw.parse("s", "select * from looks").await?;
        raw.sync().await?;
        raw.query("prepare t as select * from looks").await?;
        world.direct("create or replace view looks as select public.quiet() as n");
        tokio::time::sleep(Duration::from_secs(4)).await;
        raw.query("begin").await?;
        raw.bind("", "s").await?;
        raw.execute("").await?;
        assert!(!raw.sync().await?.errors.is_empty());
        raw.query("rollback").await?;
        raw.query("begin").await?;
        let said = raw.query("execute t").await?;
        assert!(!said.errors.is_empty(), "{said:?}");
        raw.query("commit").await?;
        assert_eq!(world.direct("select count(*) from notes"), "100");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_neither_hides_what_is_held_nor_spends_its_approval() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    let mut raw = Raw::login(&world, &agent).await?;
    let held = "delete from notes where id > 90";
    raw.parse("h", held).await?;
    raw.bind("", "h").await?;
    raw.execute("").await?;
    assert_eq!(raw.sync().await?.errors, ["BK001"]);
    let hold = world.waiting().await?.hold.id;
    world.decide(&hold, Answer::Approve, "").await?;
    for before in ["select 1", "update notes set body = 'x' where id = 1"] {
        raw.parse("", before).await?;
        raw.bind("", "").await?;
        raw.execute("").await?;
        raw.bind("p", "h").await?;
        raw.execute("p").await?;
        let said = raw.sync().await?;
        assert_eq!(said.errors, ["BK003"], "{before}: {said:?}");
        assert_eq!(world.direct("select count(*) from notes"), "100");
    }
    assert_eq!(
        world.direct("select body from notes where id = 1"),
        "note 1",
        "what stood before it in the pipeline is rolled back with it"
    );
    raw.bind("", "h").await?;
    raw.execute("").await?;
    let said = raw.sync().await?;
    assert_eq!(said.tags, ["DELETE 10"], "{said:?}");
    raw.bind("", "h").await?;
    raw.execute("").await?;
    assert_eq!(raw.sync().await?.errors, ["BK001"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_one_side_might_read_otherwise_reach_nobody() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(SCOPES).await?;
    for bytes in [
        &b"select 'x\xff'; delete from notes\0"[..],
        b"select 1\0; delete from notes\0",
        b"delete from notes \xe2\x80 where id = 1\0",
        b"delete from notes -- \xc2\x85 where id = 1\0",
        b"delete from notes /* /* */ where id = 1 */\0",
        b"delete from notes\xc2\xa0where id = 1\0",
        b"delete from notes\x0bwhere\x0bid > 0\0",
        b"select $\xc3\xa9$ ; delete from notes ; $\xc3\xa9$; delete from notes\0",
        b"select E'\\'; delete from notes; --'\0",
        b"select '\\'; delete from notes; --'\0",
        b"select U&'\\0027; delete from notes; --'; delete from notes\0",
        b"delete from \"notes\" where id = any('{}') or true\0",
    ] {
        let mut raw = Raw::login(&world, &agent).await?;
        raw.send(b'Q', &[bytes]).await?;
        let _ = raw.until(b'Z').await;
        assert_eq!(
            world.direct("select count(*) from notes"),
            "100",
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn copied_rows_are_counted_however_they_are_cut() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    world.direct(
        "create table heap (a text); insert into heap select 'x' from generate_series(1, 100)",
    );
    let agent = world.lease(&["read,insert:public.heap"]).await?;
    let mut extended = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x05\0\0\0\0\0".to_vec();
    for _ in 0..1500 {
        extended.extend_from_slice(b"\0\x01\0\0\0\x01x");
    }
    extended.extend_from_slice(b"\xff\xff");
    let roads: Vec<(&str, Vec<u8>, usize)> = vec![
        ("copy heap from stdin", b"x\n".repeat(1500), 7),
        ("copy heap from stdin", b"x\r".repeat(1500), 1),
        ("copy heap from stdin", b"x\r\n".repeat(1500), 2),
        (
            "copy heap from stdin (format csv)",
            b"\"x\ny\"\n".repeat(1500),
            5,
        ),
        (
            "copy heap from stdin (format csv, quote '|')",
            b"x\n".repeat(1500),
            3,
        ),
        (
            "copy heap from stdin (format csv, header)",
            b"x\n".repeat(1500),
            100_000,
        ),
        (
            "copy heap from stdin (delimiter '|', null '')",
            b"\n".repeat(1500),
            1,
        ),
        ("copy heap from stdin (format binary)", extended, 11),
        (
            "copy heap from stdin; copy heap from stdin",
            b"x\n".repeat(1500),
            1000,
        ),
        (
            "copy heap from stdin where a = 'x'",
            b"x\n".repeat(1500),
            1000,
        ),
    ];
    for (text, data, cut) in roads {
        let mut raw = Raw::login(&world, &agent).await?;
        raw.send(b'Q', &[text.as_bytes(), b"\0"]).await?;
        raw.until(b'G').await?;
        for piece in data.chunks(cut) {
            raw.send(b'd', &[piece]).await?;
        }
        raw.send(b'c', &[]).await?;
        let said = raw.until(b'Z').await?;
        assert!(!said.errors.is_empty(), "{text}: {said:?}");
        assert_eq!(world.direct("select count(*) from heap"), "100", "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_name_is_looked_up_each_time_it_is_run() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world
        .lease(&["read:*.*", "write:public.notes", "temp"])
        .await?;
    for road in [
        "explain analyze execute p",
        "EXPLAIN (ANALYZE) EXECUTE p",
        "execute p",
        "create temp table made as execute p",
    ] {
        let mut raw = Raw::login(&world, &agent).await?;
        raw.parse("p", "select 1").await?;
        raw.parse("outer", road).await?;
        raw.sync().await?;
        raw.query("begin").await?;
        assert!(raw.query(road).await?.errors.is_empty(), "{road}");
        raw.query("rollback").await?;
        raw.query("begin").await?;
        raw.bind("late", "outer").await?;
        raw.close_statement("p").await?;
        // The server prepares it: that it is there says nothing of whether it may run.
        raw.parse("p", "delete from notes returning id").await?;
        raw.execute("late").await?;
        assert!(!raw.sync().await?.errors.is_empty(), "bound before: {road}");
        raw.query("rollback").await?;
        raw.close_statement("p").await?;
        raw.parse("p", "delete from notes returning id").await?;
        raw.sync().await?;
        raw.query("begin").await?;
        assert!(!raw.query(road).await?.errors.is_empty(), "{road}");
        raw.query("rollback").await?;
        raw.query("begin").await?;
        raw.bind("", "outer").await?;
        raw.execute("").await?;
        assert!(!raw.sync().await?.errors.is_empty(), "bound after: {road}");
        raw.query("commit").await?;
        assert_eq!(world.direct("select count(*) from notes"), "100", "{road}");
    }
    Ok(())
}
