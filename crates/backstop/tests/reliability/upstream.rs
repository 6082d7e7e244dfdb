//! The target's server goes away: clients are told, the gate goes on, and the journal says what was lost.

use std::time::Duration;

use serde_json::Value;

use crate::raw::{Raw, query};
use crate::setup::Setup;

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
    let mut raw = Raw::ready(&setup.login).await.unwrap();
    let mut told = raw.ask(sql).await;
    if told == Err(vec!["58000".to_owned()]) {
        // The gate found its own connection for questions broken, and said that nothing has run.
        raw = Raw::ready(&setup.login).await.unwrap();
        told = raw.ask(sql).await;
    }
    assert_eq!(told, Ok(vec![]));
    assert_eq!(raw.ask(sql).await, Ok(vec!["BK001".to_owned()]));
    let server = setup.direct().await;
    let rows = server.query_one("select count(*) from precious", &[]).await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 1);
}
