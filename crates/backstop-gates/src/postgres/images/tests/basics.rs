//! What is captured, and what is not.

use super::stage::{AMPLE, Stage};
use crate::postgres::images::{Budget, CaptureError, Hint, Sight};

const SHOP: &str = "create table orders(id int primary key, note text, big text); \
    insert into orders select g, 'n' || g, repeat('x', 400) from generate_series(1, 3000) g; \
    create table lines(id int primary key, of int references orders on delete cascade, n int); \
    insert into lines select g, g, 0 from generate_series(1, 3000) g; \
    create index on lines(of); \
    grant select, insert, update, delete on orders, lines to agent;";

#[tokio::test]
async fn old_and_new_rows_are_told_exactly() {
    let mut stage = Stage::new(SHOP).await;
    stage
        .say("begin; update orders set note = 'changed' where id = 7; delete from orders where id = 9; \
              insert into lines values (9000, 7, 1); select * from orders where id = 11 for update")
        .await;
    let taken = stage.capture().await.unwrap();
    let big = "x".repeat(400);
    assert_eq!(
        taken.of_table("orders"),
        (
            vec![
                format!("7\tn7\t{big}").as_str(),
                format!("9\tn9\t{big}").as_str()
            ],
            vec![format!("7\tchanged\t{big}").as_str()]
        )
    );
    assert_eq!(
        taken.of_table("lines"),
        (vec!["9\t9\t0"], vec!["9000\t7\t1"])
    );
    assert_eq!(taken.captured.bytes, taken.bytes.len() as u64);
    assert_eq!(
        taken.captured.digest,
        backstop_core::digest::Digest::of(&taken.bytes)
    );
    stage.say("commit").await;
    assert_eq!(
        stage.server.psql("select count(*) from orders").unwrap(),
        "2999"
    );
}

/// The statement's own condition suffices where the counters account for everything, and no table is looked through.
#[tokio::test]
async fn conditions_that_account_for_everything_suffice() {
    let mut stage = Stage::new(SHOP).await;
    stage.say("begin").await;
    stage
        .say("update orders set note = 'x' where id in (5, 6, 1500); insert into orders values (8000, 'new', '')")
        .await;
    let mut wrote = stage.wrote().await;
    wrote[0].hints = vec![Hint::plain("id in (5, 6, 1500)").into()];
    let tight = Budget {
        bytes: 1 << 20,
        millis: 10_000,
    };
    let scans = "select pg_stat_force_next_flush(); select seq_scan from pg_stat_user_tables where relname = 'orders'";
    let before = stage.gate.ask(scans).await.unwrap();
    let taken = stage.capture_of(&wrote, &tight).await.unwrap();
    stage.say("commit").await;
    let (old, new) = taken.of_table("orders");
    assert_eq!((old.len(), new.len()), (3, 4));
    assert!(new.iter().any(|row| row.starts_with("8000\tnew\t")));
    let _ = stage.gate.ask("select pg_stat_force_next_flush()").await;
    let after = stage.gate.ask(scans).await.unwrap();
    assert_eq!(before, after, "a table was looked through");
}

#[tokio::test]
async fn settings_and_cursors_of_the_agent_stay_as_they_were() {
    let mut stage = Stage::new(SHOP).await;
    stage
        .say(
            "set datestyle = 'German'; begin; set local search_path = 'public', 'pg_catalog'; \
              declare c cursor for select id from orders order by id; fetch 2 from c; savepoint s; \
              update orders set note = 'y' where id = 1",
        )
        .await;
    stage.capture().await.unwrap();
    let rows = stage
        .say("show datestyle; show search_path; show statement_timeout; fetch 1 from c; rollback to s; commit")
        .await;
    let rows: Vec<String> = rows.into_iter().flatten().flatten().collect();
    assert_eq!(rows, ["German, DMY", "public, pg_catalog", "0", "3"]);
}

#[tokio::test]
async fn what_costs_too_much_is_refused_and_the_transaction_goes_on() {
    let mut stage = Stage::new(SHOP).await;
    stage.say("begin; update orders set note = 'z'").await;
    let wrote = stage.wrote().await;
    let few = Budget {
        bytes: 10_000,
        ..AMPLE
    };
    let refused = stage.capture_of(&wrote, &few).await.unwrap_err();
    assert!(matches!(refused, CaptureError::OverBudget(_)), "{refused}");
    let taken = stage.capture_of(&wrote, &AMPLE).await.unwrap();
    let (old, new) = taken.of_table("orders");
    assert_eq!((old.len(), new.len()), (3000, 3000));
    stage.say("commit").await;
}

#[tokio::test]
async fn a_table_that_the_agent_may_not_read_still_gives_its_old_rows() {
    let mut stage = Stage::new(
        "create table p(id int primary key); insert into p values (1), (2), (3); \
         create table hidden(id int primary key, of int references p on delete cascade); \
         insert into hidden select g, 1 + g % 3 from generate_series(1, 30) g; \
         grant select, insert, delete on p to agent; grant insert on hidden to agent",
    )
    .await;
    stage
        .say("begin; delete from p where id = 2; insert into hidden values (77, 1)")
        .await;
    let taken = stage.capture().await.unwrap();
    let (old, new) = taken.of_table("hidden");
    assert_eq!((old.len(), new.len()), (10, 0));
    let hidden = taken.captured.relations.iter().find(|r| r.name == "hidden");
    assert_eq!(hidden.unwrap().sight, Sight::AtLeastOld);
    stage.say("commit").await;
}

#[tokio::test]
async fn what_cannot_be_told_is_said_in_a_sentence() {
    let mut stage = Stage::new(
        "create table t(id int primary key); insert into t values (1); \
         create table cleared(id int primary key); insert into cleared values (1); \
         create materialized view m as select id from t; \
         grant select, insert, update, delete, truncate on t, cleared to agent",
    )
    .await;
    stage.say("begin; insert into cleared values (2); truncate cleared; insert into cleared values (3)").await;
    let refused = stage.capture().await.unwrap_err().to_string();
    assert!(refused.contains("locked against readers"), "{refused}");
    stage.say("rollback").await;
    stage
        .server
        .psql("alter system set track_counts = off")
        .unwrap();
    stage.server.psql("select pg_reload_conf()").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    stage.say("select 1").await;
    stage.say("begin; insert into t values (4)").await;
    let refused = stage.capture().await.unwrap_err().to_string();
    assert!(refused.contains("track_counts"), "{refused}");
    stage.say("rollback").await;
}
