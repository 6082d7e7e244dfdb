//! What a text costs to analyse grows with its length and not with its square, whatever is repeated in it.
//!
//! The measure is the processor's time that this process used, not the clock: other tests and a busy machine make no
//! difference to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

use std::time::Duration;

use backstop_wire::sql::{self, Catalog, Session};
use rustix::time::{ClockId, clock_gettime};

/// What is repeated: before, the piece (with `#` for its number), between, after.
type Shape = (&'static str, &'static str, &'static str, &'static str);

const SHAPES: &[Shape] = &[
    ("", "select #", ";", ""),
    ("", "", ";", ""),
    ("", "delete from t#", ";", ""),
    ("", "delete from users where id = #", ";", ""),
    ("", "insert into t values (#)", ";", ""),
    ("", "create table t# (id int)", ";", ""),
    ("", "create temp table t# (id int)", ";", ""),
    ("", "drop table t#", ";", ""),
    ("", "set search_path = s#", ";", ""),
    ("", "set role r#", ";", ""),
    ("", "begin; savepoint s#", ";", ""),
    ("", "begin; rollback", ";", ""),
    ("", "prepare p# as delete from users", ";", ""),
    ("prepare p as select 1;", "execute p", ";", ""),
    ("", "prepare p# as execute p#", ";", ""),
    ("", "declare c# cursor for select #", ";", ""),
    ("", "fetch 1 from c#", ";", ""),
    ("", "do 'begin end'", ";", ""),
    ("", "listen c#", ";", ""),
    ("", "grant select on t# to r#", ";", ""),
    ("", "comment on table t# is 'x'", ";", ""),
    ("", "alter user u# password 'secret#'", ";", ""),
    ("", "truncate t#", ";", ""),
    ("", "copy t# to stdout", ";", ""),
    ("", "explain analyze delete from t#", ";", ""),
    ("drop table ", "t#", ",", ""),
    ("truncate ", "t#", ",", ""),
    ("drop function ", "f#(int)", ",", ""),
    ("lock table ", "t#", ",", ""),
    ("vacuum ", "t#", ",", ""),
    ("grant select on ", "t#", ",", " to public"),
    ("grant select on t to ", "r#", ",", ""),
    ("alter table t ", "add column c# int", ",", ""),
    ("alter table t ", "drop column c#", ",", ""),
    ("create table t (", "c# int default f#(#)", ",", ")"),
    ("create table t (", "check (c# > 0)", ",", ", id int)"),
    ("create table t (", "c# t#", ",", ")"),
    ("create table t (id int) with (", "a# = #", ",", ")"),
    ("create index on t (", "f#(c)", ",", ")"),
    (
        "create function f(",
        "a# int",
        ",",
        ") returns int return 1",
    ),
    ("create view v as select ", "#", ",", ""),
    ("create type e as enum (", "'#'", ",", ")"),
    ("create publication p for table ", "t#", ",", ""),
    ("select ", "#", ",", ""),
    ("select ", "c#", ",", ""),
    ("select ", "c# as a#", ",", " from t"),
    ("select ", "f#()", ",", ""),
    ("select ", "lower(c#)", ",", " from t"),
    ("select ", "s#.f#(1)", ",", ""),
    ("select ", "#::t#", ",", ""),
    ("select ", "cast(# as numeric(10, 2))", ",", ""),
    ("select ", "$#", ",", ""),
    ("select ", "'#'", ",", ""),
    ("select ", "e'\\\\x#'", ",", ""),
    ("select ", "u&'\\0041#'", ",", ""),
    ("select ", "$a$#$a$", ",", ""),
    ("select ", "interval '# days'", ",", ""),
    ("select ", "array[#]", ",", ""),
    ("select ", "row(#)", ",", ""),
    ("select ", "t#.*", ",", " from t"),
    ("select ", "(select #)", ",", ""),
    ("select ", "(select c from t#)", ",", ""),
    ("select ", "exists (select from t#)", ",", ""),
    ("select ", "count(*) over w#", ",", " from t"),
    ("select ", "count(*) over (partition by c#)", ",", " from t"),
    ("select ", "count(*) filter (where c#)", ",", " from t"),
    ("select ", "case when # then # end", ",", ""),
    ("select ", "coalesce(#, #)", ",", ""),
    (
        "select ",
        "query_to_xml('select #', true, true, '')",
        ",",
        "",
    ),
    ("select ", "dblink('password=secret#', 'x')", ",", ""),
    ("select ", "pg_read_file('#')", ",", ""),
    ("select ", "lo_unlink(#)", ",", ""),
    ("select ", "nextval('s#')", ",", ""),
    ("select ", "'t#'::regclass", ",", ""),
    ("select ", "current_setting('a.b#')", ",", ""),
    ("select ", "xmlelement(name x#)", ",", ""),
    ("select ", "json_object('#': #)", ",", ""),
    ("select ", "password_#", ",", " from pg_authid"),
    ("select 1", "+#", "", ""),
    ("select a", "||b#", "", " from t"),
    ("select 1", " operator(s#.+) #", "", ""),
    ("select 1", "::t#", "", ""),
    ("select a", ".b#", "", ""),
    ("select a", "[#]", "", " from t"),
    ("select ", "-", " ", "1"),
    ("select ", "not", " ", " true"),
    ("select ", "(", "", "1"),
    ("select ", "f(", "", "1"),
    ("select ", "array[", "", "1"),
    ("select ", "case when 1 then ", "", "1"),
    ("select array[", "#", ",", "]"),
    ("select (", "#", ",", ")"),
    ("select * from t where a in (", "#", ",", ")"),
    ("select * from t where a in (", "'#'", ",", ")"),
    ("select * from t where a not in (", "f(#)", ",", ")"),
    ("select * from t where ", "c# = #", " and ", ""),
    ("select * from t where ", "c# = #", " or ", ""),
    ("select * from t where ", "a like '#%'", " or ", ""),
    ("delete from t where ", "c# = #", " and ", ""),
    ("delete from t where ", "c# = #", " or ", ""),
    ("delete from t where id in (", "#", ",", ")"),
    ("delete from users using ", "t#", ",", ""),
    ("update t set ", "c# = #", ",", ""),
    ("update t set (", "c#", ",", ") = (select 1)"),
    ("insert into t values ", "(#)", ",", ""),
    ("insert into t values ", "(f(#))", ",", ""),
    ("insert into t values (", "#", ",", ")"),
    ("insert into t (", "c#", ",", ") values (1)"),
    ("insert into t values (1) returning ", "c#", ",", ""),
    (
        "insert into t values (1) on conflict do update set ",
        "c# = #",
        ",",
        "",
    ),
    (
        "merge into t using s on true ",
        "when matched and # then delete",
        " ",
        "",
    ),
    ("values ", "(#)", ",", ""),
    ("select * from ", "t#", ",", ""),
    ("select * from ", "s#.t#", ",", ""),
    ("select * from ", "t a#", ",", ""),
    ("select * from ", "f#()", ",", ""),
    ("select * from ", "f() as a#(b# int)", ",", ""),
    ("select * from ", "generate_series(1, #) g#", ",", ""),
    ("select * from ", "lateral (select #) a#", ",", ""),
    ("select * from ", "(values (#)) a#", ",", ""),
    ("select * from t ", "join t# on true", " ", ""),
    ("select * from t ", "left join t# using (id)", " ", ""),
    ("select * from t ", "natural join t#", " ", ""),
    ("select * from ", "(", "", "t"),
    ("select * from ", "(select * from ", "", "t"),
    ("with ", "c# as (select #)", ",", " select 1"),
    ("with ", "c# as (select * from c#)", ",", " select 1"),
    (
        "with recursive ",
        "c# as (select * from d#)",
        ",",
        " select 1",
    ),
    (
        "with ",
        "c# as (delete from t# returning 1)",
        ",",
        " select 1",
    ),
    (
        "with ",
        "c# as (select 1)",
        ",",
        " select * from c1, c2, c3",
    ),
    ("with c as (", "with c as (", "", "select 1"),
    ("", "select #", " union all ", ""),
    ("", "select # from t#", " except ", ""),
    ("", "(select #)", " intersect ", ""),
    ("select 1 from t group by ", "c#", ",", ""),
    ("select 1 from t group by ", "cube (c#)", ",", ""),
    ("select 1 from t group by grouping sets (", "(c#)", ",", ")"),
    ("select 1 from t order by ", "c#", ",", ""),
    ("select 1 from t order by ", "f(c#) using <", ",", ""),
    ("select 1 from t window ", "w# as (order by c#)", ",", ""),
    ("select 1 from t window w0 as (), ", "w# as (w0)", ",", ""),
    ("select distinct on (", "c#", ",", ") 1 from t"),
    ("select 1 from t for update of ", "t#", ",", ""),
    ("explain (", "analyze", ",", ") select 1"),
    ("copy t (", "c#", ",", ") from stdin"),
    ("set x.y = ", "a#", ",", ""),
    ("select 1 /*", " /* */ ", "", "*/"),
    ("select 1 ", "-- #\n", "", ""),
    ("select '", "''", "", "'"),
    ("select \"", "\"\"", "", "\""),
    ("select '", "password=secret# ", "", "'"),
    ("select dblink('", "password=secret# ", "", "')"),
    ("alter role r password '", "secret# ", "", "'"),
    ("select '", "postgres://u:p#@h ", "", "'"),
    ("create role r ", "", "", "password 'x'"),
    ("é", "é", "", ""),
    ("select 'é", "🦀\u{202e}", "", "'"),
    ("$", "$a", "", ""),
    ("", "(", "", ""),
    ("", "'", " ", ""),
    ("", "\"", " ", ""),
    ("", "/*", " ", ""),
    ("", "begin", " ", ""),
    ("", "\u{feff}", "", ""),
];

fn text(shape: &Shape, length: usize) -> String {
    let (before, piece, between, after) = *shape;
    let mut text = before.to_owned();
    for n in 1.. {
        text.push_str(&piece.replace('#', &n.to_string()));
        if text.len() >= length || n > length {
            break;
        }
        text.push_str(between);
    }
    text + after
}

/// The processor's time for judging it and for taking its secrets out.
fn cost(text: &str) -> Duration {
    let path = ["public".to_owned()];
    let session = Session {
        search_path: &path,
        role: "agent",
        own_roles: &[],
        created: &[],
        prepared: &|_| Some("delete from prepared".to_owned()),
        parameter_types: &[],
    };
    let begun = used();
    let _ = sql::analyse(text, &Catalog::stock(0), &session);
    let _ = sql::redact::redact(text);
    used().saturating_sub(begun)
}

fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[test]
fn four_times_the_text_costs_no_more_than_eight_times_the_work() {
    let _ = cost("select 1"); // the catalogue is made once
    let mut bad = vec![];
    for shape in SHAPES {
        let (short, long) = (cost(&text(shape, 12_000)), cost(&text(shape, 48_000)));
        println!("{long:>12.2?} {short:>12.2?} {shape:?}");
        // Below this the ratio says nothing: a page fault is more.
        if long > Duration::from_millis(60) && long > short * 8 {
            bad.push(format!(
                "{shape:?}: {short:?} for 12 kB, {long:?} for 48 kB"
            ));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
