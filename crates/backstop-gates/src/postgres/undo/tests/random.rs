//! Random transactions, among others who lock and write the same tables: after an undo everything is as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backstop_testing::postgres::Major;

use super::scene::Scene;
use super::schema::{OTHERS, Random, SCHEMA, others_statement, rows, statement};
use crate::postgres::images::CaptureError;
use crate::postgres::images::tests::stage::{Stage, Taken};
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
        let tally = run(major, 25, u64::from(major.number())).await;
        assert!(tally.undone >= 15, "{major}: {tally:?}");
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
        let tally = run(major, 10 * percent, 7_000 + u64::from(major.number())).await;
        println!("{major}: {tally:?}");
        assert!(tally.undone * 2 >= tally.rounds, "{major}: {tally:?}");
    }
}

async fn run(major: Major, count: u32, seed: u64) -> Tally {
    let mut scene = Scene::with(Stage::on(major, SCHEMA).await).await;
    let mut random = Random(seed);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write(scene.stage.another().await, Arc::clone(&stop), seed));
    let mut tally = Tally::default();
    let mut several: Vec<Taken> = vec![];
    let mut before = rows(&scene.stage.server, false);
    for n in 0..count {
        tally.rounds += 1;
        match transaction(&mut scene, &mut random, &mut tally).await {
            Some(taken) => several.push(taken),
            None => assert!(several.len() > 0 || rows(&scene.stage.server, false) == before),
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
    let taken = match scene.stage.capture().await {
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
