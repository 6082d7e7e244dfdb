//! Every kind of table and of statement that a server has: what is written there through the gate comes back exactly,
//! or is held or refused with a sentence that says why. On the oldest and on the newest server.

use anyhow::{Context as _, Result};
use backstop_core::measure::Limits;
use backstop_gates::postgres::UndoAsk;
use backstop_testing::postgres::Major;

use crate::world::{Agent, World, files};

use Outcome::{Exact, Held, Refused, Untouched};

const SCHEMA: &str = "
    create table plain (id int primary key, body text);
    insert into plain select g, 'row ' || g from generate_series(1, 100) g;

    create table hidden (id int primary key, body text);
    insert into hidden select g, 'row ' || g from generate_series(1, 100) g;
    alter table hidden enable row level security;
    create policy even on hidden using (id % 2 = 0);
    create table forced (id int primary key, body text);
    insert into forced select g, 'row ' || g from generate_series(1, 100) g;
    alter table forced enable row level security;
    alter table forced force row level security;
    create policy even on forced using (id % 2 = 0);

    create unlogged table unlogged (id int primary key, body text);
    insert into unlogged select g, 'row ' || g from generate_series(1, 100) g;

    create table published (id int primary key, body text);
    insert into published select g, 'row ' || g from generate_series(1, 100) g;
    alter table published replica identity full;
    create publication everything for table published;

    create table keyless (a int, b text);
    insert into keyless select g / 2, 'row' from generate_series(1, 100) g;
    create table numbered (id bigint generated always as identity primary key, n int, twice int generated always as (n * 2) stored);
    insert into numbered (n) select g from generate_series(1, 100) g;
    create table serials (id serial primary key, body text);
    insert into serials (body) select 'row ' || g from generate_series(1, 100) g;

    create table booked (room int primary key, during int4range not null, exclude using gist (during with &&));
    insert into booked select g, int4range(g * 10, g * 10 + 10) from generate_series(1, 100) g;
    create table ranked (id int primary key, rank int unique deferrable initially deferred);
    insert into ranked select g, g from generate_series(1, 100) g;

    create table parents (id int primary key, body text);
    insert into parents select g, 'row ' || g from generate_series(1, 100) g;
    create table nulled (id int primary key, parent int references parents on delete set null on update cascade);
    insert into nulled select g, g from generate_series(1, 100) g;
    create table defaulted (id int primary key, parent int default 100 references parents on delete set default);
    insert into defaulted select g, g from generate_series(9, 90) g;
    create table tree (id int primary key, above int references tree on delete cascade);
    insert into tree select g, nullif(g / 2, 0) from generate_series(1, 100) g;

    create table base (id int primary key, body text);
    insert into base select g, 'row ' || g from generate_series(1, 60) g;
    create table derived (extra text) inherits (base);
    insert into derived select g, 'row ' || g, 'more' from generate_series(61, 100) g;
    create table parted (id int, body text, primary key (id)) partition by range (id);
    create table parted_low partition of parted for values from (minvalue) to (50);
    create table parted_high partition of parted for values from (50) to (maxvalue);
    insert into parted select g, 'row ' || g from generate_series(1, 99) g;

    create table long (id int primary key, body text);
    insert into long select g, repeat(md5(g::text), 4000) from generate_series(1, 20) g;
    create table reshaped (id int primary key, gone int, body text);
    insert into reshaped select g, g, 'row ' || g from generate_series(1, 50) g;
    alter table reshaped drop column gone;
    alter table reshaped add column later text default 'later';
    insert into reshaped values (51, 'row', 'x');

    create view seen as select id, body as words from plain where id > 50;
    create view guarded as select id, body from plain;
    create function instead() returns trigger language plpgsql as $$
        begin delete from plain where id = old.id; return old; end $$;
    create trigger instead instead of delete on guarded for each row execute function instead();
    create table audited (id int primary key, body text);
    insert into audited select g, 'row ' || g from generate_series(1, 100) g;
    create table audit (n bigint, what text);
    create function summed() returns trigger language plpgsql as $$
        begin insert into audit select count(*), tg_op from gone; return null; end $$;
    create trigger summed after delete on audited referencing old table as gone
        for each statement execute function summed();
    create table ruled (id int primary key, body text);
    insert into ruled select g, 'row ' || g from generate_series(1, 100) g;
    create rule also as on delete to ruled do also insert into audit values (old.id, 'rule');
    create materialized view summary as select count(*) from plain;
    create table owner_of (id int primary key, picture oid);
    create sequence counter;
    analyze;
";

/// Every table of the schema with the digest of its rows.
pub const DIGESTS: &str = "select string_agg(c.relname || ' ' || (xpath('//d/text()', query_to_xml(format(
        'select md5(coalesce(string_agg(t::text, chr(10) order by t::text), '''')) as d from only %s t', c.oid::regclass),
        false, true, '')))[1]::text, ',' order by c.relname)
    from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace";

/// What is expected of a statement.
#[derive(Debug)]
enum Outcome {
    /// It passes, changes something, and its undo makes every table what it was.
    Exact,
    /// It passes and changes nothing that others see.
    Untouched,
    /// It waits for people, and the hold says this of what can be brought back.
    Held(&'static str),
    /// It is not done, and the client reads this.
    Refused(&'static str),
}

const CASES: &[(&str, &str, Outcome)] = &[
    (
        "row-level security of others",
        "delete from hidden where id < 21",
        Exact,
    ),
    (
        "forced row-level security",
        "delete from forced where id < 21",
        Held("row-level security"),
    ),
    (
        "unlogged",
        "update unlogged set body = 'x' where id < 21",
        Exact,
    ),
    (
        "published",
        "update published set body = 'x' where id < 21; delete from published where id > 95",
        Exact,
    ),
    ("no key", "delete from keyless where a = 3", Exact),
    (
        "identity and generated",
        "delete from numbered where id < 11",
        Exact,
    ),
    (
        "identity and generated, changed",
        "update numbered set n = n + 1 where id between 20 and 30",
        Exact,
    ),
    (
        "identity overridden",
        "insert into numbered (id, n) overriding system value values (5000, 1)",
        Exact,
    ),
    (
        "a sequence behind a key",
        "insert into serials (body) values ('new')",
        Exact,
    ),
    (
        "excluding",
        "delete from booked where room = 5; update booked set during = int4range(50, 60) where room = 7",
        Exact,
    ),
    (
        "deferred keys swapped",
        "begin; update ranked set rank = 2 where id = 1; update ranked set rank = 1 where id = 2; commit",
        Exact,
    ),
    (
        "set null and cascades of updates",
        "update parents set id = 1000 where id = 7; delete from parents where id = 8",
        Exact,
    ),
    ("set default", "delete from parents where id = 9", Exact),
    (
        "a tree that refers to itself",
        "delete from tree where id = 12",
        Exact,
    ),
    (
        "inheriting",
        "update base set body = 'x' where id between 55 and 65; delete from base where id = 66",
        Exact,
    ),
    (
        "moved between partitions",
        "update parted set id = id + 1000 where id = 3; delete from parted where id between 45 and 52",
        Exact,
    ),
    (
        "values out of line",
        "update long set body = 'short' where id = 1; delete from long where id = 2",
        Exact,
    ),
    (
        "columns that were dropped and added",
        "update reshaped set body = 'x' where id = 1; delete from reshaped where id = 51",
        Exact,
    ),
    (
        "through a view",
        "update seen set words = 'x' where id = 60; delete from seen where id = 61",
        Exact,
    ),
    (
        "INSTEAD OF triggers",
        "delete from guarded where id = 62",
        Exact,
    ),
    (
        "transition tables",
        "delete from audited where id < 6",
        Exact,
    ),
    ("rules", "delete from ruled where id = 1", Exact),
    (
        "MERGE",
        "merge into plain p using (values (1), (2000)) v(id) on p.id = v.id when matched then delete when not matched then insert values (v.id, 'new')",
        Exact,
    ),
    (
        "ON CONFLICT",
        "insert into plain values (2, 'x'), (2001, 'y') on conflict (id) do update set body = excluded.body",
        Exact,
    ),
    (
        "SELECT FOR UPDATE with a write",
        "begin; select id from plain where id < 5 for update; update plain set body = 'x' where id = 6; commit",
        Exact,
    ),
    (
        "writing in WITH",
        "with gone as (delete from plain where id = 70 returning *) insert into keyless select id, body from gone",
        Exact,
    ),
    (
        "serializable",
        "begin isolation level serializable; delete from plain where id = 71; commit",
        Exact,
    ),
    (
        "temporary",
        "create temp table mine (id int); insert into mine values (1); delete from mine",
        Untouched,
    ),
    (
        "temporary, with others",
        "begin; create temp table mine on commit drop as select 72 as id; delete from plain where id in (select id from mine); commit",
        Exact,
    ),
    (
        "foreign",
        "update elsewhere set body = 'x' where id = 1",
        Held("it writes to another server through a foreign table"),
    ),
    (
        "large objects",
        "select lo_unlink(16000)",
        Held("nothing: it removes a large object, and that is no table"),
    ),
    (
        "large objects, made",
        "select lo_from_bytea(0, 'x')",
        Held("it loses nothing"),
    ),
    (
        "large objects, overwritten",
        "select lo_put(16000, 0, 'x')",
        Held("nothing: it overwrites a large object"),
    ),
    (
        "two-phase",
        "begin; delete from plain where id = 73; prepare transaction 'x'",
        Held("nothing: it leaves a prepared transaction and its locks behind"),
    ),
    (
        "two-phase, ended",
        "commit prepared 'x'",
        Held("nothing: it commits a prepared transaction"),
    ),
    (
        "materialized",
        "refresh materialized view summary",
        Refused("materialized view summary"),
    ),
    (
        "publication",
        "drop publication everything",
        Held("nothing: it drops a publication"),
    ),
    (
        "sequence",
        "select setval('counter', 1000)",
        Held("nothing: it sets a sequence, which ROLLBACK does not take back"),
    ),
    ("sequence, everyday", "select nextval('counter')", Untouched),
];

async fn world(major: Major) -> Result<(World, Agent)> {
    let world = World::measuring_on(
        major,
        SCHEMA,
        Limits {
            few: 50,
            ..Limits::default()
        },
    )
    .await?;
    let owner = world.server.owner();
    world.superuser(&format!(
        "create extension postgres_fdw;
         create server there foreign data wrapper postgres_fdw options (host '127.0.0.1', port '{}', dbname '{}');
         create user mapping for public server there options (user '{}', password '{}');
         create foreign table elsewhere (id int, body text) server there options (table_name 'plain');
         alter foreign table elsewhere owner to {2};
         select lo_create(16000); alter large object 16000 owner to {2}",
        owner.port, owner.database, owner.user, owner.password
    ));
    let agent = world
        .lease(&["read,insert,update,delete:public.*", "temp"])
        .await?;
    Ok((world, agent))
}

/// Puts back whatever was kept since this entry.
async fn undo(world: &World, since: usize) -> Result<()> {
    let vault = world.vault.as_ref().context("a vault")?;
    let mut images = vec![];
    for (index, entry) in world.entries().iter().enumerate().skip(since) {
        if entry["entry"] == "images" {
            let name = entry["object"].as_str().context("a name")?;
            images.push((index as u64, vault.content(name)?));
        }
    }
    images.reverse();
    let ask = UndoAsk {
        images: files(images)?,
        apply: true,
        leave_conflicts: false,
        without_triggers: false,
    };
    world
        .gate
        .undo(ask)
        .await
        .map(drop)
        .map_err(|e| anyhow::anyhow!("{e:?}"))
}

async fn each_is_exact_or_refused(major: Major) -> Result<()> {
    let (world, agent) = world(major).await?;
    let mut wrong = vec![];
    for (name, sql, expected) in CASES {
        let (before, since) = (world.superuser(DIGESTS), world.entries().len());
        let said = world.psql(&agent, sql).await;
        let changed = world.superuser(DIGESTS) != before;
        let said_so = match expected {
            Exact => {
                let undone = undo(&world, since).await;
                let same = world.superuser(DIGESTS) == before;
                (changed && undone.is_ok() && same && !said.contains("ERROR"))
                    .then_some(())
                    .ok_or(format!(
                        "changed {changed}, same after undo {same}: {undone:?}"
                    ))
            }
            Untouched => (!changed && !said.contains("ERROR"))
                .then_some(())
                .ok_or(String::new()),
            Held(words) => {
                let held = said
                    .split("held as ")
                    .nth(1)
                    .and_then(|rest| rest.split(':').next());
                let hold =
                    held.and_then(|id| world.store.state().holds.get(id).map(|r| r.hold.clone()));
                match hold {
                    Some(hold) => {
                        world.store.withdraw(&hold.id, "seen").await?;
                        let all = format!("{} / {}", hold.recoverable, hold.reason);
                        (!changed && said.contains("BK001") && all.contains(words))
                            .then_some(())
                            .ok_or(all)
                    }
                    None => Err("it is not held".to_owned()),
                }
            }
            Refused(words) => (!changed && said.contains("ERROR") && said.contains(words))
                .then_some(())
                .ok_or(String::new()),
        };
        if let Err(why) = said_so {
            wrong.push(format!("{name}: {why}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "on {major:?}\n{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_exact_or_refused_on_the_oldest_server() -> Result<()> {
    each_is_exact_or_refused(Major::any()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_exact_or_refused_on_the_newest_server() -> Result<()> {
    each_is_exact_or_refused(Major::available()?.last().copied().context("a server")?).await
}
