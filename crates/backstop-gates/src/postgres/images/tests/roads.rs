//! Roads an agent could take to have its rows overlooked, or others' taken for its own.

use std::time::Duration;

use super::stage::{AMPLE, Stage};
use crate::postgres::images::{Budget, CaptureError, Hint, Reader, Sight};

const TABLE: &str = "create table t(id int primary key, v text); \
    insert into t select g, 'v' || g || repeat('.', 200) from generate_series(1, 4000) g; \
    grant select, insert, update, delete on t to agent; ";

/// Names in the agent's session may mean anything: temporary tables, functions, operators of its own.
#[tokio::test]
async fn names_that_the_agent_shadows_are_not_met() {
    let mut stage = Stage::new(&format!(
        "{TABLE} create schema evil; grant all on schema evil to agent; grant temporary on database app to agent"
    ))
    .await;
    stage
        .say("create function evil.age(xid) returns int language sql as 'select 1'; \
              create function evil.evil_eq(xid, xid) returns bool language sql as 'select false'; \
              create operator evil.= (function = evil.evil_eq, leftarg = xid, rightarg = xid); \
              create function evil.le(int, int) returns bool language sql as 'select false'; \
              create operator evil.<= (function = evil.le, leftarg = int, rightarg = int); \
              create function evil.eq(tid, tid) returns bool language sql as 'select true'; \
              create operator evil.= (function = evil.eq, leftarg = tid, rightarg = tid); \
              create temp table t(id int, v text); create temp table pg_class(relname text); \
              set search_path = evil, pg_temp, public, pg_catalog; set standard_conforming_strings = off; \
              set enable_indexscan = off; set row_security = off; set lock_timeout = 1")
        .await;
    stage
        .say("begin; update public.t set v = 'x' where id operator(pg_catalog.=) 5; delete from public.t where id operator(pg_catalog.=) 6")
        .await;
    let taken = stage.capture().await.unwrap();
    let (old, new) = taken.of_table("t");
    assert_eq!((old.len(), new), (2, vec!["5\tx"]));
    stage.say("commit").await;
}

/// A lock names the agent in `xmax` as well, alone, in a multixact, in a subtransaction, and is no change.
#[tokio::test]
async fn a_lock_is_no_change_and_a_change_under_locks_is_one() {
    let mut stage = Stage::new(TABLE).await;
    let mut other = stage.another().await;
    other
        .ask("begin; select id from t where id < 40 for key share")
        .await
        .unwrap();
    stage
        .say("begin; select id from t where id < 20 for share; savepoint a; \
              select id from t where id between 20 and 30 for no key update; \
              update t set v = 'in' where id in (1, 25); release a; savepoint b; \
              update t set v = 'out' where id in (2, 26); delete from t where id = 3999; rollback to b; \
              do $$ begin begin update t set v = 'deep' where id = 35; exception when others then null; end; end $$")
        .await;
    for _ in 0..2 {
        let taken = stage.capture().await.unwrap();
        let (old, new) = taken.of_table("t");
        assert_eq!(new, ["1\tin", "25\tin", "35\tdeep"]);
        let ids: Vec<&str> = old.iter().map(|l| l.split('\t').next().unwrap()).collect();
        assert_eq!(ids, ["1", "25", "35"]);
    }
    stage.say("commit").await;
    other.ask("rollback").await.unwrap();
}

/// What others commit between the looks is not the agent's, whatever it sees of it.
#[tokio::test]
async fn what_others_commit_meanwhile_is_theirs() {
    let mut stage = Stage::new(TABLE).await;
    let mut other = stage.another().await;
    for level in ["read committed", "repeatable read", "serializable"] {
        stage
            .say(&format!(
                "begin isolation level {level}; update t set v = '{level}' where id = 7"
            ))
            .await;
        other
            .ask("insert into t values (5000, 'theirs'); update t set v = 'theirs' where id = 8; delete from t where id = 9")
            .await
            .unwrap();
        let taken = stage.capture().await.unwrap();
        let (old, new) = taken.of_table("t");
        assert_eq!(old.len(), 1, "{level}: {old:?}");
        assert_eq!(new, [format!("7\t{level}")]);
        stage.say("commit").await;
        other
            .ask("delete from t where id = 5000; insert into t values (9, 'again')")
            .await
            .unwrap();
    }
}

/// A condition may be of others' rows, of none, or cannot be asked at all.
#[tokio::test]
async fn conditions_that_are_not_of_the_agents_rows_prove_nothing() {
    let mut stage = Stage::new(TABLE).await;
    stage
        .say("begin; update t set v = 'x' where id = 100")
        .await;
    let mut wrote = stage.wrote().await;
    for given in [
        vec![],
        vec!["id = 1"],
        vec!["id = 3", "false"],
        vec!["t.ctid = '(4294967294,1)'"],
        vec!["id = 100", "nonsense"],
        vec!["id / 0 = 1"],
        vec!["true"],
    ] {
        let hint = |condition: &str| Hint::plain(condition).into();
        wrote[0].hints = given.into_iter().map(hint).collect();
        let taken = stage.capture_of(&wrote, &AMPLE).await.unwrap();
        let (old, new) = taken.of_table("t");
        assert_eq!((old.len(), new), (1, vec!["100\tx"]));
        assert!(old[0].starts_with("100\tv100"));
    }
    stage.say("rollback").await;
}

/// Grants are usually on the partitioned table alone; on partitions the agent then has none.
#[tokio::test]
async fn partitions_are_read_through_the_table_above() {
    let mut stage = Stage::new(
        "create table m(id int, at date, v text, primary key (at, id)) partition by range (at); \
         create table m1 partition of m for values from ('2026-01-01') to ('2026-02-01'); \
         create table m2 (v text, at date not null, id int not null); \
         alter table m attach partition m2 for values from ('2026-02-01') to ('2026-03-01'); \
         insert into m select g, '2026-01-05', repeat('x', 300) from generate_series(1, 2000) g; \
         insert into m select g, '2026-02-05', repeat('y', 300) from generate_series(1, 2000) g; \
         grant select, insert, update, delete on m to agent",
    )
    .await;
    stage
        .say("begin; update m set at = '2026-02-07' where id = 5 and at < '2026-02-01'; update m set v = 'z' where id = 6; \
              insert into m values (9000, '2026-02-09', 'new')")
        .await;
    let taken = stage.capture().await.unwrap();
    assert!(
        taken
            .captured
            .relations
            .iter()
            .all(|r| r.sight == Sight::Whole)
    );
    let (old, new) = taken.of_table("m1");
    assert_eq!((old.len(), new), (2, vec!["6\t2026-01-05\tz"]));
    let (old, new) = taken.of_table("m2");
    assert_eq!(old.len(), 1);
    assert_eq!(new.len(), 3);
    assert!(new.contains(&"new\t2026-02-09\t9000") && new.contains(&"z\t2026-02-05\t6"));
    stage.say("commit").await;
}

/// With `ctid` and `xmin` alone, which show nobody's content, the old rows are exact.
#[tokio::test]
async fn two_system_columns_are_enough_for_exact_old_rows() {
    let mut stage = Stage::new(&format!(
        "{TABLE} create table c(id int primary key, of int references t on delete cascade); \
         insert into c select g, g from generate_series(1, 4000) g; grant select (ctid, xmin) on c to agent"
    ))
    .await;
    stage
        .say("begin; insert into t values (6000, ''); delete from t where id = 44")
        .await;
    let taken = stage.capture().await.unwrap();
    assert_eq!(taken.of_table("c").0, ["44\t44"]);
    let c = taken.captured.relations.iter().find(|r| r.name == "c");
    assert_eq!(c.unwrap().sight, Sight::Old);
    stage.say("commit").await;
}

/// Rows that are short on disk and long in memory do not fill the gate's.
#[tokio::test]
async fn long_values_are_read_a_few_at_a_time() {
    let mut stage = Stage::new(&format!(
        "{TABLE} create table long(id int primary key, v text); \
         insert into long select g, repeat('x', 1000000) from generate_series(1, 60) g; \
         grant select, update on long to agent"
    ))
    .await;
    stage.say("begin; update long set v = v || 'y'").await;
    let taken = stage.capture().await.unwrap();
    let (old, new) = taken.of_table("long");
    assert_eq!((old.len(), new.len()), (60, 60));
    let wrote = stage.wrote().await;
    let few = Budget {
        bytes: 4 << 20,
        ..AMPLE
    };
    let refused = stage.capture_of(&wrote, &few).await.unwrap_err();
    assert!(matches!(refused, CaptureError::OverBudget(_)), "{refused}");
    stage
        .say("update long set v = 'short' where id = 1; commit")
        .await;
}

/// Row-level security that hides rows from the agent, or from the gate.
#[tokio::test]
async fn row_security_hides_nothing_silently() {
    let mut stage = Stage::new(&format!(
        "{TABLE} alter table t enable row level security; create policy p on t to agent using (id < 100) with check (true); \
         create table f(id int primary key); insert into f values (1); alter table f enable row level security; \
         alter table f force row level security; create policy p on f using (true); grant select, insert, delete on f to agent"
    ))
    .await;
    stage
        .say("begin; update t set v = 'x' where id = 5; insert into t values (7000, 'hidden from itself')")
        .await;
    let taken = stage.capture().await.unwrap();
    assert_eq!(taken.captured.relations[0].sight, Sight::AtLeastOld);
    let (old, new) = taken.of_table("t");
    assert_eq!((old.len(), new.len()), (1, 0));
    stage.say("rollback; begin; delete from f").await;
    let refused = stage.capture().await.unwrap_err().to_string();
    assert!(refused.contains("row-level security"), "{refused}");
    stage.say("rollback").await;
}

/// A change of structure by somebody else waits for the agent, and the gate must not wait for that.
#[tokio::test]
async fn a_waiting_change_of_structure_costs_half_a_second_at_most() {
    let mut stage = Stage::new(TABLE).await;
    stage.say("begin; delete from t where id = 5").await;
    let owner = stage.server.owner();
    let altering = super::stage::upstream(&owner);
    let mut altering = altering
        .connect(&crate::postgres::question::settings())
        .await
        .unwrap();
    let waiting =
        tokio::spawn(async move { altering.ask("alter table public.t add column w int").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let refused = stage.capture().await.unwrap_err().to_string();
    assert!(refused.contains("locked against readers"), "{refused}");
    stage.say("rollback").await;
    waiting.await.unwrap().unwrap();
}

/// A renamed or dropped table is not taken for another of its name.
#[tokio::test]
async fn a_name_that_moves_in_the_same_transaction_is_noticed() {
    let mut stage = Stage::new(&format!(
        "{TABLE} create schema s; create table s.a(id int primary key); insert into s.a values (1); \
         grant usage on schema s to agent; grant all on s.a to agent;"
    ))
    .await;
    stage
        .server
        .psql("alter schema s owner to agent; grant usage on schema s to owner; grant create on database app to agent")
        .unwrap();
    stage
        .say("begin; delete from s.a; alter schema s rename to moved")
        .await;
    let refused = stage.capture().await.unwrap_err().to_string();
    assert!(refused.contains("dropped or renamed"), "{refused}");
    stage.say("rollback").await;
}

/// A file that was cut or changed in any place is refused, and never half read.
#[tokio::test]
async fn a_damaged_file_is_refused() {
    let mut stage = Stage::new(TABLE).await;
    stage
        .say("begin; update t set v = E'a\\tb' where id = 5; delete from t where id = 6; insert into t values (8000, null)")
        .await;
    let bytes = stage.capture().await.unwrap().bytes;
    let whole = |bytes: &[u8]| -> Result<usize, crate::postgres::error::GateError> {
        let mut reader = Reader::new(bytes)?;
        let mut count = 0;
        while reader.row()?.is_some() {
            count += 1;
        }
        assert!(reader.trailer().is_some());
        Ok(count)
    };
    assert_eq!(whole(&bytes).unwrap(), 4);
    for n in 0..bytes.len() {
        assert!(whole(&bytes[..n]).is_err(), "cut at {n}");
        let mut flipped = bytes.clone();
        // A flipped bit inside a value is a value; its hash, which the vault checks, tells.
        flipped[n] ^= 0x80;
        assert!(whole(&flipped).is_err(), "flipped at {n}");
    }
    let longer = [bytes.as_slice(), b"\n"].concat();
    assert!(whole(&longer).is_err());
    stage.say("rollback").await;
}
