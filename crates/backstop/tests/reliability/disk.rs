//! The disk under the journal is full, or slow: no journal, no act (invariant 2).

use std::sync::Arc;
use std::time::Duration;

use backstop_store::SystemClock;

use crate::inside::{Life, Site};
use crate::raw::{Login, Raw, message, parse, query};

/// Long enough for an act to happen that should not.
const LONG: Duration = Duration::from_millis(400);

async fn begin() -> (Site, Life, String, Login) {
    let site = Site::new();
    let life = site.live(Arc::new(SystemClock::default())).await;
    let person = site.enrol(&life).await;
    let login = site.lease(&life, &person).await;
    (site, life, person, login)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_full_disk_nothing_is_done_and_the_agent_is_told() {
    let (site, life, _, login) = begin().await;
    let mut open = Raw::ready(&login).await.unwrap();
    assert_eq!(
        open.ask("insert into marks values (1, 'a')").await,
        Ok(vec![])
    );
    assert_eq!(open.ask("begin").await, Ok(vec![]));
    assert_eq!(
        open.ask("insert into marks values (2, 'b')").await,
        Ok(vec![])
    );
    life.traffic.fill();
    // The transaction that was open cannot be committed any more.
    let told = open.ask("commit").await.unwrap_err();
    assert_eq!(told, ["58000"]);
    for sql in [
        "insert into marks values (3, 'c')",
        "insert into precious values (3)",
        "select count(*) from marks",
    ] {
        // Reads too: what cannot be written down does not happen.
        let mut fresh = Raw::ready(&login).await.unwrap();
        let told = fresh.ask(sql).await;
        let codes = told.clone().unwrap_or_else(|codes| codes);
        assert_eq!(codes, ["58000"], "{sql}: {told:?}");
    }
    assert_eq!(site.count("marks"), 1);
    assert_eq!(site.count("precious"), 0);
    life.end().await;

    // With room again it goes on from a sound journal.
    let life = site.live(Arc::new(SystemClock::default())).await;
    let login = Login {
        port: life.gate.local_addrs()[0].port(),
        ..login
    };
    let mut raw = Raw::ready(&login).await.unwrap();
    assert_eq!(
        raw.ask("insert into marks values (4, 'd')").await,
        Ok(vec![])
    );
    assert_eq!(site.count("marks"), 2);
    life.end().await;
    site.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_full_control_log_nobody_approves_and_nothing_is_spent() {
    let (site, life, person, login) = begin().await;
    let sql = "insert into precious values (1)";
    let mut raw = Raw::ready(&login).await.unwrap();
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let first = life.waiting().unwrap();
    let other = "insert into precious values (2)";
    assert_eq!(raw.ask(other).await, Ok(vec!["BK001".to_owned()]));
    site.approve(&life, &person, &first).await.unwrap();
    let second = life.waiting().unwrap();
    life.control.fill();
    // An approval cannot be spent, and another not be given.
    let told = raw.ask(sql).await;
    assert_eq!(told.unwrap_or_else(|codes| codes), ["58000"]);
    assert!(site.approve(&life, &person, &second).await.is_err());
    let mut raw = Raw::ready(&login).await.unwrap();
    let told = raw.ask(other).await;
    assert_ne!(told, Ok(vec![]));
    assert_eq!(site.count("precious"), 0);
    life.end().await;
}

/// Every way to write, sent while nothing becomes durable: nothing may be there before the journal has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_before_its_intent_is_durable() {
    let (site, life, person, login) = begin().await;
    let extended = [
        parse("", "insert into marks values (2, 'extended')"),
        message(b'B', &[0; 8]),
        message(b'E', &[0; 5]),
        message(b'S', b""),
    ]
    .concat();
    let copy = [
        query("copy marks from stdin"),
        message(b'd', b"3\tcopied\n"),
        message(b'c', b""),
    ]
    .concat();
    let script = query("begin; insert into marks values (4, 'script'); commit");
    let ways = [
        query("insert into marks values (1, 'simple')"),
        extended,
        copy,
        script,
    ];
    for (n, bytes) in (1..).zip(ways) {
        let mut raw = Raw::ready(&login).await.unwrap();
        // So that the session is open and the statement's objects known.
        assert_eq!(raw.ask("select count(*) from marks").await, Ok(vec![]));
        life.traffic.stall();
        raw.send(&bytes).await.unwrap();
        tokio::time::sleep(LONG).await;
        assert_eq!(site.count("marks"), n - 1, "way {n} was done too early");
        life.traffic.let_go();
        assert_eq!(
            raw.until(b'Z').await.unwrap(),
            Vec::<String>::new(),
            "way {n}"
        );
        assert_eq!(site.count("marks"), n);
    }

    // A transaction of several messages: before its COMMIT.
    let mut raw = Raw::ready(&login).await.unwrap();
    assert_eq!(raw.ask("begin").await, Ok(vec![]));
    life.traffic.stall();
    let mut sent = query("insert into marks values (5, 'block')");
    sent.extend(query("commit"));
    raw.send(&sent).await.unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(site.count("marks"), 4, "a commit came too early");
    life.traffic.let_go();
    assert!(raw.until(b'Z').await.unwrap().is_empty());
    assert!(raw.until(b'Z').await.unwrap().is_empty());
    assert_eq!(site.count("marks"), 5);

    // A held action: before its approval is durably spent, and before its intent.
    for (n, log) in (1..).zip([&life.control, &life.traffic]) {
        let sql = format!("insert into precious values ({n})");
        let mut raw = Raw::ready(&login).await.unwrap();
        assert_eq!(raw.ask(&sql).await, Ok(vec!["BK001".to_owned()]));
        let hold = life.waiting().unwrap();
        site.approve(&life, &person, &hold).await.unwrap();
        log.stall();
        raw.send(&query(&sql)).await.unwrap();
        tokio::time::sleep(LONG).await;
        assert_eq!(
            site.count("precious"),
            n - 1,
            "held action {n} was done too early"
        );
        log.let_go();
        assert!(raw.until(b'Z').await.unwrap().is_empty());
        assert_eq!(site.count("precious"), n);
    }
    life.end().await;
    site.assert_sound();
}
