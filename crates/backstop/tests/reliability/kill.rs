//! `kill -9` of the gate at random moments of a mixed load, again and again on the same installation.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::audit::Audit;
use crate::load::{self, Plea, Record};
use crate::person::Person;
use crate::setup::{Setup, settled, soak};
use crate::support::Serving;

/// How long a restart may take at the median. A debug build under a full machine is slow; the real bound, 300 ms,
/// is for a release build, and `--nocapture` shows what it was.
const RESTART: Duration = Duration::from_secs(3);

/// When a load makes no progress, the kill comes all the same.
const STALL: Duration = Duration::from_secs(10);

// Four times fifty, so that the tests of two processors finish together and no journal grows old.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_nothing_and_repeat_nothing() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_more_kills_lose_nothing_and_repeat_nothing() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_other_kills_lose_nothing_and_repeat_nothing() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_last_kills_lose_nothing_and_repeat_nothing() {
    kills(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: a thousand kills"]
async fn a_thousand_kills_lose_nothing_and_repeat_nothing() {
    for _ in 0..5 {
        kills(soak(200)).await;
    }
}

// The audit must be able to fail.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "was done without an intent")]
async fn the_audit_finds_an_act_without_an_intent() {
    audit_after("insert into marks values (1999999, 'by nobody')").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "was done unapproved")]
async fn the_audit_finds_a_held_action_that_was_done() {
    audit_after("insert into precious values (1999999)").await;
}

/// Does this behind the gate's back, kills the gate and looks.
async fn audit_after(sql: &str) {
    let (setup, mut serving) = Setup::new();
    let server = setup.direct().await;
    server.batch_execute(sql).await.unwrap();
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();
    settled(&server).await;
    let mut audit = Audit::of(&setup.installation.data());
    audit.check(&server, &Record::default()).await;
}

async fn kills(times: usize) {
    let (setup, first) = Setup::new();
    let server = setup.direct().await;
    let record = Arc::new(Record::default());
    let mut audit = Audit::of(&setup.installation.data());
    let mut serving = Some(first);
    let mut restarts = vec![];
    for _ in 0..times {
        let running = match serving.take() {
            Some(running) => running,
            None => restart(&setup, &mut restarts),
        };
        round(&setup, &record, running).await;
        settled(&server).await;
        audit.check(&server, &record).await;
    }
    restarts.sort();
    let median = restarts[restarts.len() / 2];
    let repeated = record.repeated.load(Ordering::Relaxed);
    eprintln!(
        "{times} kills: {:?}, {repeated} held actions repeated, restart {median:?} at the median, {:?} at most",
        audit.seen,
        restarts.last()
    );
    assert!(median < RESTART, "a restart takes {median:?}");
    // A load that does nothing proves nothing.
    assert!(audit.seen.rows > times * 5, "{:?}", audit.seen);
    assert!(audit.seen.held_done > times / 5, "{:?}", audit.seen);
    assert!(
        repeated > 0,
        "no kill came while an approved action was under way"
    );
}

fn restart(setup: &Setup, restarts: &mut Vec<Duration>) -> Serving {
    let begun = Instant::now();
    let serving = setup.installation.serve();
    restarts.push(begun.elapsed());
    serving
}

/// One life of the gate: agents at work, a person who decides, and a kill in the middle of it.
async fn round(setup: &Setup, record: &Arc<Record>, mut serving: Serving) {
    let (pleas, asked) = mpsc::unbounded_channel();
    let person = tokio::spawn(decide(Arc::clone(&setup.person), Arc::clone(record), asked));
    let agents = load::start(&setup.login, record, &pleas);
    drop(pleas);
    some_time(record).await;
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();
    let ended = async {
        for agent in agents {
            agent.await.unwrap();
        }
        person.await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("agents notice that the gate is gone");
}

/// Up to a random point: soon after the start, or when some of the load is done.
async fn some_time(record: &Record) {
    let begun = Instant::now();
    if !random().is_multiple_of(6) {
        let enough = record.steps.load(Ordering::Relaxed) + i64::try_from(random() % 60).unwrap();
        while record.steps.load(Ordering::Relaxed) < enough && begun.elapsed() < STALL {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    tokio::time::sleep(Duration::from_micros(random() % 30_000)).await;
}

/// The person approves what is put before them; each action once.
async fn decide(
    person: Arc<Mutex<Person>>,
    record: Arc<Record>,
    mut asked: UnboundedReceiver<Plea>,
) {
    let mut signed_in = false;
    while let Some(plea) = asked.recv().await {
        if !record.approved.lock().unwrap().insert(plea.marker) {
            continue;
        }
        let person = Arc::clone(&person);
        let hold = plea.hold;
        let approve = tokio::task::spawn_blocking(move || {
            let mut person = person.lock().unwrap();
            if !signed_in {
                person.sign_in()?;
            }
            person.approve(&hold)
        });
        // A console that was killed meanwhile may or may not have taken it.
        let approved = approve.await.unwrap().is_ok();
        signed_in |= approved;
        let _ = plea.answered.send(approved);
    }
}

/// The moment of a kill: no two runs kill at the same.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
