//! Random transactions, among others who lock and write the same tables: after an undo everything is as it was.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backstop_testing::postgres::Major;

use super::scene::Scene;
use super::schema::{FILLING, OTHERS, Random, SCHEMA, others_statement, rows, statement};
use crate::postgres::images::tests::stage::{AMPLE, Stage, Taken};
use crate::postgres::images::{CaptureError, Hint};
use crate::postgres::upstream::ServerConnection;

/// How it went.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    rounds: u32,
    undone: u32,
    images: u64,
    inexact: u32,
    failed_to_commit: u32,
}

#[tokio::test]
async fn random_transactions_are_undone_exactly_on_every_major() {
    for major in Major::available().unwrap() {
        for large in [0, 1] {
            let tally = run(major, 12, 2 * u64::from(major.number()) + large).await;
            assert!(tally.undone >= 5, "{major}: {tally:?}");
        }
    }
}

#[tokio::test]
#[ignore = "soak: thousands of random transactions"]
async fn thousands_of_random_transactions_are_undone_exactly() {
    let percent: u32 = std::env::var("BACKSTOP_SOAK_PERCENT")
        .ok()
        .and_then(|p| p.parse().ok())
        .unwrap_or(100);
    for major in Major::available().unwrap() {
        for large in [0, 1] {
            let seed = 7_000 + 2 * u64::from(major.number()) + large;
            let tally = run(major, 5 * percent, seed).await;
            println!("{major} seed {seed}: {tally:?}");
            assert!(tally.undone * 2 >= tally.rounds, "{major}: {tally:?}");
        }
    }
}

async fn run(major: Major, count: u32, seed: u64) -> Tally {
    let mut random = Random(seed);
    // Small tables are looked through; in large ones the gate looks at places, keys and ends first.
    let large = seed.is_multiple_of(2);
    let filling = if large { FILLING } else { "select 1" };
    let stage = Stage::on(major, &format!("{SCHEMA}; {filling}")).await;
    let mut scene = Scene::with(stage).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(scene.stage.another().await, Arc::clone(&stop), seed));
    let mut tally = Tally::default();
    let mut several: Vec<Taken> = vec![];
    let mut before = rows(&scene.stage.server, false);
    for n in 0..count {
        tally.rounds += 1;
        match transaction(&mut scene, &mut random, &mut tally).await {
            Some(taken) => several.push(taken),
            None => assert!(!several.is_empty() || rows(&scene.stage.server, false) == before),
        }
        // Now and then several transactions are undone as one.
        if several.is_empty() || (random.below(3) == 0 && several.len() < 4) {
            continue;
        }
        let newest_first: Vec<&Taken> = several.iter().rev().collect();
        let after = rows(&scene.stage.server, false);
        let (summary, own) = scene
            .undo(&newest_first, false)
            .await
            .unwrap_or_else(|e| panic!("{major} seed {seed} round {n}: {e:?}"));
        assert_eq!(
            rows(&scene.stage.server, false),
            before,
            "{major} seed {seed} round {n}: {summary:?}"
        );
        tally.undone += 1;
        // And now and then the undo itself is undone, so that the state moves.
        if random.below(4) == 0 {
            scene
                .undo(&[&own], false)
                .await
                .unwrap_or_else(|e| panic!("{major} seed {seed} round {n}, undo of undo: {e:?}"));
            assert_eq!(
                rows(&scene.stage.server, false),
                after,
                "{major} seed {seed} round {n}"
            );
            before = after;
        }
        several.clear();
    }
    stop.store(true, Ordering::Relaxed);
    let wrote = writer.await.unwrap();
    assert!(wrote > 0, "nobody else wrote");
    tally
}

/// A transaction of the agent's, committed with its images; none where it came to nothing.
async fn transaction(scene: &mut Scene, r: &mut Random, tally: &mut Tally) -> Option<Taken> {
    let mut lockers = vec![scene.stage.another().await, scene.stage.another().await];
    for locker in &mut lockers {
        let table = ["p", "ch", "gch", "side"][usize::try_from(r.below(4)).unwrap()];
        let lock = format!(
            "set lock_timeout = '50ms'; begin; select * from {table} where id = {} for key share",
            1 + r.below(14)
        );
        locker.ask(&lock).await.unwrap();
    }
    let places = places(scene).await;
    let level = if r.below(3) == 0 {
        "repeatable read"
    } else {
        "read committed"
    };
    scene
        .stage
        .say(&format!(
            "begin isolation level {level}; set local lock_timeout = '60ms'"
        ))
        .await;
    for _ in 0..=r.below(6) {
        let sql = statement(r);
        scene.stage.say("savepoint s").await;
        let end = match scene.stage.agent.ask(&sql).await {
            Err(_) => "rollback to s",
            Ok(_) => match r.below(6) {
                0 => "rollback to s",
                1 | 2 => "release s",
                _ => "select 1",
            },
        };
        scene.stage.say(end).await;
    }
    if r.below(5) == 0 {
        let copy = format!(
            "{}\tcopied\t\\N\n{}\tcopied\t\\N\n",
            2_000 + r.below(9_000),
            12_000 + r.below(9_000)
        );
        let _ = scene
            .stage
            .agent
            .copy_in("copy p from stdin", &mut copy.as_bytes())
            .await;
    }
    if scene
        .stage
        .agent
        .ask("set constraints all immediate")
        .await
        .is_err()
    {
        scene.stage.say("rollback").await;
        tally.failed_to_commit += 1;
        return None;
    }
    let mut wrote = scene.stage.wrote().await;
    for one in &mut wrote {
        let places = match r.below(3) {
            0 => continue,
            // Too many, as a predicate gives them that was true of more rows.
            1 => places.get(&one.relation).cloned().unwrap_or_default(),
            // Too few, or another row's by now.
            _ => ["(0,1)", "(1,7)", "(4294967294,9)"]
                .map(str::to_owned)
                .to_vec(),
        };
        let condition = format!(
            "t.ctid operator(pg_catalog.=) any ('{{\"{}\"}}'::pg_catalog.tid[])",
            places.join("\",\"")
        );
        one.hints = vec![Hint::plain(condition).into()];
    }
    let taken = match scene.stage.capture_of(&wrote, &AMPLE).await {
        Ok(taken) => taken,
        Err(CaptureError::Inexact(why)) if why.contains("snapshot") => {
            scene.stage.say("rollback").await;
            tally.inexact += 1;
            return None;
        }
        Err(error) => panic!("{error:?}"),
    };
    scene.stage.say("commit").await;
    for relation in &taken.captured.relations {
        tally.images += relation.old + relation.new;
    }
    let of_others = format!("{}", OTHERS / 1_000);
    for sides in taken.rows.values() {
        for line in sides.iter().flatten() {
            let id = line.split('\t').next().unwrap();
            assert!(
                !(id.len() == 6 && id.starts_with(&of_others)),
                "others' row: {line}"
            );
        }
    }
    Some(taken)
}

/// Where the agent's rows are, by relation.
async fn places(scene: &mut Scene) -> HashMap<u32, Vec<String>> {
    let mut out: HashMap<u32, Vec<String>> = HashMap::new();
    for table in ["p", "ch", "gch", "side", "part", "boss", "stamp", "typ"] {
        let look = format!("select tableoid, ctid from public.{table} where id < {OTHERS}");
        for row in scene.stage.gate.ask(&look).await.unwrap() {
            let oid = row[0].as_deref().unwrap().parse().unwrap();
            out.entry(oid).or_default().extend(row[1].clone());
        }
    }
    out
}

/// Somebody else, who writes all the time.
async fn write(mut to: ServerConnection, stop: Arc<AtomicBool>, seed: u64) -> u32 {
    let mut random = Random(!seed);
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let sql = others_statement(&mut random);
        // Refused where the undo or a deadlock is in the way; that is theirs to bear.
        if to.ask(&sql).await.is_ok() {
            count += 1;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    count
}
