//! Nothing that is destroyed is gone: what passed and what people approved can be put back, exactly.

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::measure::Limits;
use backstop_core::point::{Drill, Point};
use backstop_gates::postgres::{NotUndone, UndoAsk, UndoDone};
use serde_json::Value;

use crate::world::{Agent, World, files};

const SCHEMA: &str = "
    create table public.notes (id int primary key, body text, n int default 0, twice int generated always as (n * 2) stored);
    insert into public.notes select g, 'note ' || g, g from generate_series(1, 1000) g;
    create table public.replies (id int primary key, note int references public.notes on delete cascade, body text);
    insert into public.replies select g, (g - 1) / 2 + 1, 'reply ' || g from generate_series(1, 400) g;
    create index on public.replies (note);
    create view public.late as select id, body from public.notes where id > 500;
    comment on table public.notes is 'kept';
    create function public.note_log() returns trigger language plpgsql as $$
        begin update public.counters set n = n + 1; return old; end $$;
    create table public.counters (id int primary key, n int);
    insert into public.counters values (1, 0);
    create trigger logs before delete on public.notes for each row when (old.id > 990) execute function public.note_log();
    analyze;
";
const SCOPES: &[&str] = &[
    "read,insert,update,delete:public.notes",
    "read,insert,update,delete:public.replies",
    "read,update:public.counters",
];

const EVERYTHING: &str = "select md5(string_agg(t::text, '|' order by t::text)) from (
    select 'n' as k, n::text from notes n union all select 'r', r::text from replies r
    union all select 'c', c::text from counters c) t";

async fn world() -> Result<(World, Agent)> {
    let limits = Limits {
        few: 50,
        ..Limits::default()
    };
    let world = World::measuring(SCHEMA, limits).await?;
    let agent = world.lease(SCOPES).await?;
    Ok((world, agent))
}

/// The indexes and opened contents of the images in the journal, the newest first.
fn images(world: &World) -> Result<Vec<(u64, Vec<u8>)>> {
    let vault = world.vault.as_ref().context("a vault")?;
    let mut all = vec![];
    for (index, entry) in world.entries().iter().enumerate() {
        if entry["entry"] == "images" {
            let name = entry["object"].as_str().context("a name")?;
            all.push((index as u64, vault.content(name)?));
        }
    }
    all.reverse();
    Ok(all)
}

async fn undo(
    world: &World,
    images: Vec<(u64, Vec<u8>)>,
    apply: bool,
) -> Result<UndoDone, NotUndone> {
    let ask = UndoAsk {
        images: files(images).unwrap(),
        apply,
        leave_conflicts: false,
        without_triggers: false,
    };
    world.gate.undo(ask).await
}

/// Held, approved, and done when it is sent again.
async fn approved(world: &World, agent: &Agent, sql: &str, promise: &str) -> Result<()> {
    let said = world.psql(agent, sql).await;
    assert!(said.contains("BK001"), "{said}");
    let hold = world.waiting().await?.hold;
    assert!(hold.recoverable.contains(promise), "{}", hold.recoverable);
    world.decide(&hold.id, Answer::Approve, "").await?;
    let said = world.psql(agent, sql).await;
    assert!(!said.contains("ERROR"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_lease_did_is_undone_and_the_undo_as_well() -> Result<()> {
    let (world, agent) = world().await?;
    let before = world.direct(EVERYTHING);
    for sql in [
        "update notes set n = n + 1 where id < 30",
        "delete from notes where id between 100 and 110",
        "insert into notes (id, body) select g, 'new' from generate_series(2001, 2010) g",
        "begin; update notes set body = 'x' where id = 5; delete from notes where id = 5; insert into replies values (900, 6, 'y'); commit",
        "delete from notes where id > 995",
        "update notes set id = id + 10000 where id between 300 and 305",
    ] {
        let said = world.psql(&agent, sql).await;
        assert!(!said.contains("ERROR"), "{sql}: {said}");
    }
    let after = world.direct(EVERYTHING);
    assert_ne!(after, before);
    let dry = undo(&world, images(&world)?, false).await?;
    assert_eq!((dry.conflicts, dry.entry), (0, None), "{}", dry.summary);
    assert_eq!(world.direct(EVERYTHING), after, "a dry run changes nothing");
    let done = undo(&world, images(&world)?, true).await?;
    assert_eq!(world.direct(EVERYTHING), before, "{}", done.summary);
    let own = done.entry.context("an entry of its own")?;
    let of_it: Vec<_> = images(&world)?
        .into_iter()
        .filter(|(index, _)| *index == own)
        .collect();
    assert_eq!(of_it.len(), 1);
    undo(&world, of_it, true).await?;
    assert_eq!(world.direct(EVERYTHING), after, "the undo is undone");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_is_a_conflict_and_nothing_is_guessed() -> Result<()> {
    let (world, agent) = world().await?;
    world
        .psql(&agent, "update notes set n = 0 where id in (1, 2)")
        .await;
    world.direct("update notes set n = 77 where id = 1");
    let before = world.direct(EVERYTHING);
    let refused = undo(&world, images(&world)?, true).await.unwrap_err();
    let NotUndone::Conflicts { summary, conflicts } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(conflicts, 1, "{summary}");
    assert!(summary.to_string().contains("77"), "{summary}");
    assert_eq!(world.direct(EVERYTHING), before);
    let ask = UndoAsk {
        images: files(images(&world)?)?,
        apply: true,
        leave_conflicts: true,
        without_triggers: false,
    };
    world.gate.undo(ask).await?;
    assert_eq!(
        world.direct("select string_agg(n::text, ' ' order by id) from notes where id in (1, 2)"),
        "77 2"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_beyond_one_lease_is_of_a_passkey_once() -> Result<()> {
    let (world, one) = world().await?;
    let two = world.lease(SCOPES).await?;
    let before = world.direct(EVERYTHING);
    for (agent, id) in [(&one, 1), (&two, 2), (&one, 2)] {
        let sql = format!("update notes set n = n + 7 where id = {id}");
        assert_eq!(world.psql(agent, &sql).await.trim(), "UPDATE 1");
    }
    let after = world.direct(EVERYTHING);
    let all = images(&world)?;
    // To look changes nothing, and needs nobody.
    undo(&world, all.clone(), false).await?;
    let refused = undo(&world, all.clone(), true).await.unwrap_err();
    let NotUndone::Held { hold, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(world.direct(EVERYTHING), after);
    let asked = world.waiting().await?.hold;
    assert_eq!(asked.id, hold);
    assert_eq!(asked.summary, "undo 3 transactions of 2 leases");
    world.decide(&hold, Answer::Approve, "").await?;
    // What was approved is these three, and nothing else.
    let fewer = undo(&world, all[..2].to_vec(), true).await.unwrap_err();
    assert!(matches!(fewer, NotUndone::Held { .. }), "{fewer:?}");
    let otherwise = UndoAsk {
        images: files(all.clone())?,
        apply: true,
        leave_conflicts: true,
        without_triggers: false,
    };
    let otherwise = world.gate.undo(otherwise).await.unwrap_err();
    assert!(matches!(otherwise, NotUndone::Held { .. }), "{otherwise:?}");
    let done = undo(&world, all.clone(), true).await?;
    assert_eq!(world.direct(EVERYTHING), before);
    // Its own undo takes back what is nobody's own, too; and the approval is spent.
    let own = done.entry.context("an entry")?;
    let mut of_it = images(&world)?;
    of_it.retain(|(index, _)| *index == own);
    let again = undo(&world, of_it, true).await.unwrap_err();
    assert!(matches!(again, NotUndone::Held { .. }), "{again:?}");
    let again = undo(&world, all, true).await.unwrap_err();
    assert!(matches!(again, NotUndone::Held { .. }), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_undone_only_in_their_order() -> Result<()> {
    let (world, agent) = world().await?;
    for _ in 0..2 {
        world
            .psql(&agent, "update notes set n = n + 1 where id = 1")
            .await;
    }
    let mut all = images(&world)?;
    let mut twice = all.clone();
    twice.push(all[1].clone());
    all.reverse();
    for wrong in [all, twice] {
        let refused = undo(&world, wrong, false).await.unwrap_err().to_string();
        assert!(refused.contains("newest first"), "{refused}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_puts_back_only_what_the_journal_says_was_there() -> Result<()> {
    let (world, agent) = world().await?;
    world
        .psql(&agent, "update notes set body = 'changed' where id = 1")
        .await;
    let mut forged = images(&world)?;
    let text = String::from_utf8(forged[0].1.clone())?.replace("note 1", "forged");
    forged[0].1 = text.into_bytes();
    let refused = undo(&world, forged, true).await.unwrap_err().to_string();
    assert!(refused.contains("not what the journal says"), "{refused}");
    let mut elsewhere = images(&world)?;
    elsewhere[0].0 = 0;
    let refused = undo(&world, elsewhere, true).await.unwrap_err().to_string();
    assert!(refused.contains("entry 0"), "{refused}");
    assert_eq!(
        world.direct("select body from notes where id = 1"),
        "changed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_wipe_is_undone_row_by_row() -> Result<()> {
    let (world, agent) = world().await?;
    let before = world.direct(EVERYTHING);
    approved(&world, &agent, "delete from notes", "put back exactly").await?;
    assert_eq!(world.direct("select count(*) from notes"), "0");
    undo(&world, images(&world)?, true).await?;
    assert_eq!(world.direct(EVERYTHING), before);
    Ok(())
}

/// The script of the newest object, run by psql as the owner: no part of Backstop is needed.
fn restored(world: &World) -> Result<()> {
    let entries = world.entries();
    let entry: &Value = entries
        .iter()
        .rev()
        .find(|e| e["entry"] == "objects")
        .context("a copy")?;
    let vault = world.vault.as_ref().context("a vault")?;
    let script = String::from_utf8(vault.content(entry["object"].as_str().context("a name")?)?)?;
    world.server.psql_as(&world.server.owner(), &script)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_drop_or_truncate_is_copied_first_and_comes_back() -> Result<()> {
    for sql in [
        "truncate replies",
        "drop table replies",
        "truncate notes cascade",
        "drop table notes cascade",
    ] {
        let (world, _) = world().await?;
        let agent = world.lease(&["read:*.*"]).await?;
        let before = world.direct(EVERYTHING);
        approved(&world, &agent, sql, "rows and definitions").await?;
        restored(&world).with_context(|| sql.to_owned())?;
        assert_eq!(world.direct(EVERYTHING), before, "{sql}");
        assert_eq!(world.direct("select count(*) from late"), "500", "{sql}");
        assert_eq!(
            world.direct("select obj_description('notes'::regclass)"),
            "kept",
            "{sql}"
        );
        let twice = world.direct("select count(*) from pg_constraint where conrelid = 'replies'::regclass and contype = 'f'");
        assert_eq!(twice, "1", "{sql}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_swapped_after_the_approval_are_the_ones_that_are_kept() -> Result<()> {
    let (world, agent) = world().await?;
    let sql = "delete from notes where n > 800";
    assert!(world.psql(&agent, sql).await.contains("BK001"));
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    // As many rows, and others.
    world.direct("update notes set n = 1 - n where id in (801, 802); update notes set n = 5000 + id where id in (301, 302)");
    let before = world.direct(EVERYTHING);
    assert_eq!(world.psql(&agent, sql).await.trim(), "DELETE 200");
    undo(&world, images(&world)?, true).await?;
    assert_eq!(world.direct(EVERYTHING), before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_vault_nothing_is_destroyed() -> Result<()> {
    let (world, agent) = world().await?;
    let before = world.direct(EVERYTHING);
    let vault = world.vault.as_ref().context("a vault")?;
    vault.stop();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    for sql in [
        "update notes set n = 0 where id = 1",
        "begin; delete from notes where id = 2; commit",
    ] {
        let said = world.psql(&agent, sql).await;
        assert!(
            said.contains("BK001") && !said.contains("UPDATE 1"),
            "{sql}: {said}"
        );
        assert_eq!(world.direct(EVERYTHING), before, "{sql}");
    }
    assert_eq!(
        world
            .psql(&agent, "select count(*) from notes")
            .await
            .trim(),
        "1000"
    );
    Ok(())
}

/// What the hold says that this statement, which goes by copies of objects, would open.
async fn recoverable(world: &World, agent: &Agent, sql: &str) -> Result<String> {
    let said = world.psql(agent, sql).await;
    assert!(said.contains("BK001"), "{said}");
    Ok(world.waiting().await?.hold.recoverable_all())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_says_which_point_of_the_whole_database_there_is_and_what_a_drill_of_it_took()
-> Result<()> {
    let (world, agent) = world().await?;
    // One that was measured says it, too, beside what its own images bring back.
    let said = recoverable(&world, &agent, "update notes set body = 'x'").await?;
    assert!(said.starts_with("every row it changes"), "{said}");
    assert!(said.contains("no recovery point of the whole"), "{said}");
    let said = recoverable(&world, &agent, "drop table replies").await?;
    assert!(said.contains("copied to the vault first"), "{said}");
    assert!(said.contains("no recovery point of the whole"), "{said}");

    let point = Point {
        name: Digest([7; 32]),
        parts: vec![],
        taken_ms: world.store.now_ms() - 3 * 3_600_000,
        milliseconds: 0,
        stored: 0,
        bytes: 0,
        tables: 0,
        rows: 0,
        manifest: Digest([8; 32]),
        figures: Digest([9; 32]),
    };
    let taken = |target: &str| Event::PointTaken {
        target: target.to_owned(),
        point: point.clone(),
    };
    // Another target's point is none of this one's.
    world.store.note(taken("other")).await?;
    let said = recoverable(&world, &agent, "truncate replies").await?;
    assert!(said.contains("no recovery point of the whole"), "{said}");
    world.store.note(taken("prod")).await?;
    let said = recoverable(&world, &agent, "drop table notes cascade").await?;
    assert!(said.contains("3 h 0 min old"), "{said}");
    assert!(said.contains("no drill has shown"), "{said}");

    let drilled = Event::Drilled {
        drill: Drill {
            point: point.name,
            target: "prod".to_owned(),
            manifest: Some(point.manifest),
            started_ms: 0,
            milliseconds: 200_000,
            restore_ms: 125_000,
            tables: 0,
            rows: 0,
            differences: 0,
            first: vec![],
            left_out: 0,
            failure: None,
        },
        report: String::new(),
        key: String::new(),
    };
    world.store.note(drilled).await?;
    let said = recoverable(&world, &agent, "truncate notes cascade").await?;
    assert!(said.contains("restored it in 2 min 5 s"), "{said}");
    // An approval of it counts as before, however old the point is by then.
    let hold = world.waiting().await?.hold;
    world.decide(&hold.id, Answer::Approve, "").await?;
    let said = world.psql(&agent, "truncate notes cascade").await;
    assert!(!said.contains("ERROR"), "{said}");
    assert_eq!(world.direct("select count(*) from notes"), "0");
    Ok(())
}
