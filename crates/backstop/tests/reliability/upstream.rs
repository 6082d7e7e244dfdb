//! The target's server goes away: clients are told, the gate goes on, and the journal says what was lost.

use std::time::Duration;

use serde_json::Value;

use crate::raw::{Raw, field, query};
use crate::setup::Setup;
use crate::support::{Serving, eventually};

/// Every entry of the traffic log, from the running gate.
fn traffic(setup: &Setup) -> Vec<Value> {
    let told = setup
        .installation
        .run(&[
            "--json", "journal", "tail", "--log", "traffic", "--lines", "400",
        ])
        .fine();
    told.out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].clone())
        .collect()
}

fn lost(setup: &Setup) -> usize {
    traffic(setup)
        .iter()
        .filter(|e| e["entry"] == "outcome" && e["result"] == "lost")
        .count()
}

async fn works(setup: &Setup) {
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    assert_eq!(raw.ask("select count(*) from marks").await, Ok(vec![]));
    assert_eq!(
        raw.ask("insert into marks values (1, 'after')").await,
        Ok(vec![])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_mid_transaction_loses_the_transaction_and_says_so() {
    let (mut setup, _serving) = Setup::new();
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    assert_eq!(raw.ask("begin").await, Ok(vec![]));
    assert_eq!(
        raw.ask("insert into marks values (7, 'lost')").await,
        Ok(vec![])
    );
    setup.installation.server.restart().unwrap();
    let told = raw.ask("commit").await.unwrap_err();
    assert!(
        told.iter()
            .any(|code| code == "57P01" || code.starts_with("08")),
        "the client is told why: {told:?}"
    );
    works(&setup).await;
    let server = setup.direct().await;
    let rows = server
        .query_one("select count(*) from marks where marker = 7", &[])
        .await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_under_a_running_statement_is_journaled_as_lost() {
    let (mut setup, _serving) = Setup::new();
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    raw.send(&query("select pg_sleep(60)")).await.unwrap();
    let mut writer = Raw::ready(&setup.login).await.unwrap();
    let writing = "insert into marks values (8, 'lost'); select pg_sleep(60)";
    writer.send(&query(writing)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(lost(&setup), 0);
    setup.installation.server.kill().unwrap();
    for mut raw in [raw, writer] {
        raw.until_closed().await;
    }
    // While it is down, the gate answers for itself.
    let mut early = Raw::ready(&setup.login).await.unwrap();
    let told = early.ask("select 1").await;
    let codes = told.clone().unwrap_or_else(|codes| codes);
    assert!(
        codes
            .iter()
            .any(|c| c.starts_with("08") || c.starts_with("57") || c.starts_with("58")),
        "{told:?}"
    );
    setup.installation.server.start_again().unwrap();
    works(&setup).await;
    assert!(lost(&setup) >= 2, "{:#?}", traffic(&setup));
    let server = setup.direct().await;
    let rows = server
        .query_one("select count(*) from marks where marker = 8", &[])
        .await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_outlives_the_servers_restart_and_is_spent_once() {
    let (mut setup, _serving) = Setup::new();
    let sql = "insert into precious values (9)";
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let hold = setup.installation.wait_for_hold();
    setup.installation.server.restart().unwrap();
    setup.person.lock().unwrap().approve(&hold).unwrap();
    // The gate's own connection was lost with the restart; it makes a new one for this.
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    let told = raw.ask(sql).await;
    assert_eq!(told, Ok(vec![]));
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let server = setup.direct().await;
    let rows = server.query_one("select count(*) from precious", &[]).await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 1);
}

/// Ends the server's process behind a session as the kernel would for want of memory: no last word.
async fn kill_behind(raw: &mut Raw) {
    raw.send(&query("select pg_backend_pid()")).await.unwrap();
    let mut pid = String::new();
    loop {
        match raw.next().await.unwrap() {
            (b'D', row) => pid = String::from_utf8_lossy(&row[6..]).into_owned(),
            (b'Z', _) => break,
            _ => {}
        }
    }
    let pid: i32 = pid.parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// The error with which the gate ends a session whose server is gone.
async fn farewell(raw: &mut Raw) -> Vec<u8> {
    let mut last = vec![];
    while let Ok((kind, body)) = raw.next().await {
        if kind == b'E' {
            assert!(last.is_empty(), "it is told once");
            last = body;
        }
    }
    last
}

fn assert_lost(error: &[u8], when: &str) {
    assert_eq!(field(error, b'C'), "08006", "{when}");
    assert_eq!(field(error, b'S'), "FATAL", "{when}");
    assert_eq!(
        field(error, b'M'),
        "the connection to the target was lost",
        "{when}"
    );
    assert_eq!(
        field(error, b'H'),
        "connect again; look whether what was running was done",
        "{when}"
    );
}

/// Whatever a session does when its server is lost, the client is told so, and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_told_when_the_targets_connection_is_lost() {
    let (setup, _serving) = Setup::new();
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    kill_behind(&mut raw).await;
    assert_lost(&farewell(&mut raw).await, "idle");

    let mut raw = again(&setup).await;
    assert_eq!(raw.ask("begin").await, Ok(vec![]));
    let writing = "insert into marks values (10, 'lost')";
    assert_eq!(raw.ask(writing).await, Ok(vec![]));
    kill_behind(&mut raw).await;
    assert_lost(&farewell(&mut raw).await, "in a transaction");

    let mut raw = again(&setup).await;
    let pid_of_sleeper = "select pid from pg_stat_activity where query like '%pg_sleep(77)%' and pid <> pg_backend_pid()";
    raw.send(&query("select pg_sleep(77)")).await.unwrap();
    let pid = eventually("the statement to run", || {
        let found = setup.installation.server.psql(pid_of_sleeper).ok()?;
        found.trim().parse::<i32>().ok()
    });
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_lost(&farewell(&mut raw).await, "while a statement runs");

    let mut raw = again(&setup).await;
    assert_eq!(raw.ask("select 1").await, Ok(vec![]));
    let server = setup.direct().await;
    let rows = server
        .query_one("select count(*) from marks where marker = 10", &[])
        .await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 0);
}

/// A session at the server, which recovers from the loss of a process for a moment.
async fn again(setup: &Setup) -> Raw {
    for _ in 0..100 {
        let mut raw = Raw::ready(&setup.login).await.unwrap();
        if raw.ask("select 1").await == Ok(vec![]) {
            return raw;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the server does not come back");
}

/// The gate finds its own connection to the target lost when it is about to look at an approved action.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_spent_though_the_gates_own_connection_was_lost() {
    let (setup, _serving) = Setup::new();
    let sql = "insert into precious values (12)";
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let hold = setup.installation.wait_for_hold();
    setup.person.lock().unwrap().approve(&hold).unwrap();
    let owner = setup.installation.server.owner().user;
    let server = setup.direct().await;
    let ended = server
        .query(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1",
            &[&owner],
        )
        .await
        .unwrap();
    assert!(!ended.is_empty(), "the gate has connections of its own");
    assert_eq!(raw.ask(sql).await, Ok(vec![]));
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let rows = server.query_one("select count(*) from precious", &[]).await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 1);
}

/// The server restarts while a call waits for its person, and then the person says yes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_while_a_call_waits_repeats_nothing_and_loses_nothing() {
    let (mut setup, serving) = Setup::new();
    assert_eq!(serving.stop(), 0);
    let lengthen = |text: String| text.replace("pause = \"2s\"", "pause = \"40s\"");
    setup.installation.edit(lengthen);
    let _serving: Serving = setup.installation.serve();
    setup.person.lock().unwrap().sign_in().unwrap();
    let sql = "insert into precious values (11)";
    let mut raw = again(&setup).await;
    raw.send(&query(sql)).await.unwrap();
    let hold = setup.installation.wait_for_hold();
    setup.installation.server.restart().unwrap();
    setup.person.lock().unwrap().approve(&hold).unwrap();
    let told = raw.until(b'Z').await;
    let count = || {
        let sql = "select count(*) from precious";
        let owner = setup.installation.server.owner();
        setup.installation.server.psql_as(&owner, sql).unwrap()
    };
    eprintln!("told {told:?}");
    if told.as_ref().is_ok_and(Vec::is_empty) {
        assert_eq!(count().trim(), "1");
    } else {
        // The session went with its server and said so; the approval is there for the identical statement.
        let said = format!("{told:?}");
        assert!(said.contains("57P01") || said.contains("08006"), "{said}");
        assert_eq!(count().trim(), "0");
        let mut raw = again(&setup).await;
        assert_eq!(raw.ask(sql).await, Ok(vec![]));
        assert_eq!(count().trim(), "1");
    }
    // Once, in either case: the same again is another action.
    let mut raw = again(&setup).await;
    raw.send(&query(sql)).await.unwrap();
    assert_ne!(setup.installation.wait_for_hold(), hold);
    assert_eq!(count().trim(), "1");
}
