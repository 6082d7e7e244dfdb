//! What makes undoing hard: rows nobody could read, triggers that interfere, values that must be unique, cycles.

use super::scene::Scene;
use crate::postgres::undo::UndoError;

/// A table that the lease may not read, changed by a cascade and by a trigger that runs as its owner.
#[tokio::test]
async fn tables_that_the_lease_cannot_read_come_back_as_well() {
    let mut scene = Scene::new(
        "create table p(id int primary key, v text); insert into p select g, 'v' from generate_series(1, 9) g; \
         create schema hidden; create table hidden.c(id int primary key, p int references p on delete cascade); \
         insert into hidden.c select g, 1 + g % 9 from generate_series(1, 90) g; \
         create table hidden.audit(n int generated always as identity primary key, what text); \
         create function audit() returns trigger language plpgsql security definer as \
           $$ begin insert into hidden.audit(what) values (tg_op); return null; end $$; \
         create trigger a after update or delete on p for each row execute function audit()",
    )
    .await;
    let before = scene.everything();
    let taken = scene
        .run("delete from p where id = 3; update p set v = 'x' where id = 4")
        .await;
    let (_, own) = scene.undo(&[&taken], false).await.unwrap();
    assert_eq!(scene.everything(), before);
    scene.undo(&[&own], false).await.unwrap();
    // Where somebody changed such a row since, nobody can tell what the transaction left there.
    scene
        .stage
        .server
        .psql("update hidden.audit set what = 'other'")
        .unwrap();
    let now = scene.everything();
    let refused = scene.undo(&[&taken], true).await.unwrap_err();
    assert!(matches!(refused, UndoError::Refused(_)), "{refused}");
    assert_eq!(scene.everything(), now);
}

/// Triggers name tables as their authors do: without a schema.
#[tokio::test]
async fn triggers_that_name_no_schema_still_run() {
    let mut scene = Scene::new(
        "create table t(id int primary key); create table counted(n int); insert into counted values (0); \
         create function count_it() returns trigger language plpgsql as \
           $$ begin update counted set n = n + 1; return null; end $$; \
         create trigger c after insert or delete on t for each row execute function count_it(); \
         insert into t select g from generate_series(1, 5) g",
    )
    .await;
    let before = scene.everything();
    let taken = scene.run("delete from t where id < 3").await;
    scene.undo(&[&taken], false).await.unwrap();
    assert_eq!(scene.everything(), before);
}

/// A trigger that changes whatever comes back: the undo says so, and leaves everything as it is.
#[tokio::test]
async fn a_trigger_that_never_lets_go_ends_the_undo_and_nothing_is_lost() {
    let mut scene = Scene::new(
        "create table t(id int primary key, at timestamptz); \
         insert into t values (1, '2020-01-01'), (2, '2020-01-01'); create table other(id int primary key); \
         create function stamp() returns trigger language plpgsql as \
           $$ begin new.at = clock_timestamp(); return new; end $$; \
         create trigger s before insert or update on t for each row execute function stamp(); \
         alter table t enable always trigger s",
    )
    .await;
    let taken = scene
        .run("update t set at = now() where id = 1; insert into other values (5)")
        .await;
    let after = scene.everything();
    let refused = scene.undo(&[&taken], false).await.unwrap_err().to_string();
    assert!(
        refused.contains("public.t") && refused.contains("triggers"),
        "{refused}"
    );
    assert_eq!(scene.everything(), after);
    let before = scene
        .stage
        .server
        .psql("select at from t where id = 2")
        .unwrap();
    let (summary, _) = scene.undo_past_triggers(&taken).await.unwrap();
    assert_eq!(summary.triggers_off, ["\"s\" on \"public\".\"t\""]);
    let back = "select count(*) from t where at = '2020-01-01'";
    assert_eq!(
        scene.stage.server.psql(back).unwrap().trim(),
        "2",
        "{before}"
    );
    let mode = "select tgenabled from pg_trigger where tgname = 's'";
    assert_eq!(scene.stage.server.psql(mode).unwrap().trim(), "A");
    let after = scene.everything();
    // The connections are idle again, and other undos go on.
    let more = scene.run("insert into other values (6)").await;
    scene.undo(&[&more], false).await.unwrap();
    assert_eq!(scene.everything(), after);
}

#[tokio::test]
async fn unique_values_that_were_swapped_swap_back() {
    let mut scene = Scene::new(
        "create table a(id int primary key, u int unique); create table b(id int primary key, u int not null unique); \
         create table c(id int primary key, b int references b on delete cascade); \
         create table d(id int primary key, u int unique deferrable initially immediate); \
         create table e(id int primary key, r int4range, exclude using gist (r with &&)); \
         insert into a values (1, 1), (2, 2); insert into b values (1, 1), (2, 2); insert into c values (1, 1), (2, 2); \
         insert into d values (1, 1), (2, 2); insert into e values (1, '[1,5)'), (2, '[5,9)')",
    )
    .await;
    let before = scene.everything();
    let taken = scene
        .run("update a set u = null where id = 1; update a set u = 1 where id = 2; update a set u = 2 where id = 1; \
              update b set u = 3 where id = 1; update b set u = 1 where id = 2; update b set u = 2 where id = 1; \
              update d set u = 3 - u; \
              update e set r = '[20,21)' where id = 1; update e set r = '[1,5)' where id = 2; update e set r = '[5,9)' where id = 1")
        .await;
    let after = scene.everything();
    let (_, own) = scene.undo(&[&taken], false).await.unwrap();
    assert_eq!(scene.everything(), before);
    scene.undo(&[&own], false).await.unwrap();
    assert_eq!(scene.everything(), after);
}

#[tokio::test]
async fn references_in_circles_and_to_oneself_come_back() {
    let mut scene = Scene::new(
        "create table a(id int primary key, b int); create table b(id int primary key, a int references a); \
         alter table a add foreign key (b) references b; \
         create table tree(id int primary key, up int references tree); \
         create table r(id int primary key); create table rc(id int primary key, r int references r on delete restrict on update cascade); \
         insert into a values (1, null), (2, null); insert into b values (1, 1), (2, 2); update a set b = id; \
         insert into tree select g, nullif(g / 2, 0) from generate_series(1, 15) g; \
         insert into r values (1), (2); insert into rc values (1, 1), (2, 2)",
    )
    .await;
    let before = scene.everything();
    let taken = scene
        .run(
            "with x as (delete from a), y as (delete from b) select 1; delete from tree; \
              update r set id = id + 10; delete from rc where id = 2; delete from r where id = 12",
        )
        .await;
    let after = scene.everything();
    let (_, own) = scene.undo(&[&taken], false).await.unwrap();
    assert_eq!(scene.everything(), before);
    scene.undo(&[&own], false).await.unwrap();
    assert_eq!(scene.everything(), after);
}

#[tokio::test]
async fn many_transactions_fold_into_one_and_others_between_are_seen() {
    let mut scene = Scene::new(
        "create table t(id int primary key, v text); insert into t select g, 'v' from generate_series(1, 9) g; \
         create table bag(v text); insert into bag values ('a'), ('a'), ('b')",
    )
    .await;
    let before = scene.everything();
    let one = scene
        .run("update t set v = 'one' where id < 4; insert into t values (20, 'x'); delete from bag where v = 'b'; insert into bag values ('c')")
        .await;
    let two = scene
        .run("update t set v = 'two' where id < 3; delete from t where id = 20; delete from t where id = 9; delete from bag where v = 'c'")
        .await;
    let three = scene
        .run("insert into t values (9, 'back'); update t set v = 'v' where id = 1; insert into bag values ('b')")
        .await;
    let planned = scene.plan(&[&three, &two, &one]).await.unwrap();
    let t = planned.tables.iter().find(|t| t.name == "t").unwrap();
    // 2, 3 and 9; the first row and the twentieth are as they were.
    assert_eq!((t.revert, t.back, t.remove, t.already), (3, 0, 0, 2));
    let (_, own) = scene.undo(&[&three, &two, &one], false).await.unwrap();
    assert_eq!(scene.everything(), before);
    scene.undo(&[&own], false).await.unwrap();
    // Somebody changed a row between two of the agent's transactions: the older content is not what to go back to.
    scene
        .stage
        .server
        .psql("update t set v = 'person' where id = 2")
        .unwrap();
    let four = scene.run("update t set v = 'four' where id = 2").await;
    let refused = scene
        .undo(&[&four, &three, &two, &one], false)
        .await
        .unwrap_err();
    let UndoError::Conflicts(summary) = refused else {
        panic!("{refused}")
    };
    assert_eq!(summary.conflicts.len(), 1);
    assert_eq!(summary.conflicts[0].key.as_deref(), Some("(2)"));
    assert!(summary.conflicts[0].why.contains("between"));
    scene
        .undo(&[&four, &three, &two, &one], true)
        .await
        .unwrap();
    let left = scene
        .stage
        .server
        .psql("select id, v from t where v <> 'v'")
        .unwrap();
    assert_eq!(left, "2|four");
}

#[tokio::test]
async fn a_row_without_a_key_that_is_gone_is_a_conflict() {
    let mut scene =
        Scene::new("create table bag(v text, n int); insert into bag values ('a', 1), ('a', 1)")
            .await;
    let taken = scene
        .run("insert into bag values ('x', 1), ('x', 1), ('y', 2); delete from bag where ctid = '(0,1)'")
        .await;
    scene
        .stage
        .server
        .psql("delete from bag where ctid in (select ctid from bag where v = 'x' limit 1)")
        .unwrap();
    let refused = scene.undo(&[&taken], false).await.unwrap_err();
    let UndoError::Conflicts(summary) = refused else {
        panic!("{refused}")
    };
    assert_eq!(summary.conflicts.len(), 1);
    assert_eq!(summary.conflicts[0].expected.as_deref(), Some("(x,1)"));
    scene.undo(&[&taken], true).await.unwrap();
    let rows = scene
        .stage
        .server
        .psql("select v, n from bag order by 1")
        .unwrap();
    assert_eq!(rows, "a|1\na|1\nx|1");
}

#[tokio::test]
async fn what_changed_its_structure_since_is_refused_by_name() {
    let mut scene =
        Scene::new("create table t(id int primary key, v text); insert into t values (1, 'a')")
            .await;
    let taken = scene.run("update t set v = 'b'").await;
    scene
        .stage
        .server
        .psql("alter table t add column w int")
        .unwrap();
    for refused in [
        scene.undo(&[&taken], true).await.unwrap_err(),
        scene.plan(&[&taken]).await.unwrap_err(),
    ] {
        assert!(
            refused.to_string().contains("structure of `public.t`"),
            "{refused}"
        );
    }
    assert_eq!(scene.stage.server.psql("select v from t").unwrap(), "b");
}

/// Code that a lease left in the way of triggers would run with the gate's rights.
#[tokio::test]
async fn code_of_a_lease_in_reach_of_triggers_stops_an_undo() {
    let mut scene =
        Scene::new("create table t(id int primary key); insert into t values (1)").await;
    let taken = scene.run("delete from t").await;
    scene
        .stage
        .server
        .psql("create role lease_0123456789abcdef; grant create, usage on schema public to lease_0123456789abcdef; \
               set role lease_0123456789abcdef; \
               create function public.lower(varchar) returns text language sql as 'select $1'")
        .unwrap();
    let refused = scene.undo(&[&taken], false).await.unwrap_err().to_string();
    assert!(refused.contains("`lower`"), "{refused}");
    assert_eq!(
        scene.stage.server.psql("select count(*) from t").unwrap(),
        "0"
    );
}

/// The gate's role is no superuser, and nothing is switched off for it.
#[tokio::test]
async fn a_constraint_that_holds_now_ends_the_undo_and_nothing_is_lost() {
    let mut scene = Scene::new(
        "create table p(id int primary key); create table c(id int primary key, p int references p); \
         insert into p values (1), (2); insert into c values (1, 1), (2, 2)",
    )
    .await;
    let taken = scene.run("delete from c where id = 1").await;
    scene
        .stage
        .server
        .psql("delete from p where id = 1")
        .unwrap();
    let now = scene.everything();
    let refused = scene.undo(&[&taken], false).await.unwrap_err().to_string();
    assert!(refused.contains("23503"), "{refused}");
    assert_eq!(scene.everything(), now);
    assert_eq!(
        scene
            .stage
            .server
            .psql("select rolsuper from pg_roles where rolname = 'owner'")
            .unwrap(),
        "f"
    );
}

/// Others' rows that refer to what the agent added: a cascade must not take them along.
#[tokio::test]
async fn rows_of_others_that_refer_to_what_goes_are_not_taken_along() {
    for action in ["cascade", "set null", "set default", "no action"] {
        let mut scene = Scene::new(&format!(
            "create table p(id int primary key); insert into p values (1); \
             create table c(id int primary key, p int default 1 references p on delete {action})"
        ))
        .await;
        let taken = scene.run("insert into p values (2)").await;
        scene
            .stage
            .server
            .psql("insert into c values (7, 2)")
            .unwrap();
        let now = scene.everything();
        let refused = scene.undo(&[&taken], false).await.unwrap_err();
        assert!(
            matches!(refused, UndoError::Refused(_)),
            "{action}: {refused}"
        );
        assert_eq!(scene.everything(), now, "{action}");
    }
}

/// Tables that inherit, and tables that a crash would empty.
#[tokio::test]
async fn inheriting_and_unlogged_tables_come_back() {
    let mut scene = Scene::new(
        "create table up(id int primary key, v text); create table down(extra int, primary key (id)) inherits (up); \
         create unlogged table fast(id int primary key); create table nothing(); insert into nothing default values; \
         insert into up values (1, 'u'); insert into down values (1, 'd', 5), (2, 'd', 6); insert into fast values (1)",
    )
    .await;
    let before = scene.everything();
    let taken = scene
        .run(
            "update up set v = v || '!'; delete from up where id = 2; delete from fast; \
              insert into nothing default values; insert into nothing default values",
        )
        .await;
    let after = scene.everything();
    let (_, own) = scene.undo(&[&taken], false).await.unwrap();
    assert_eq!(scene.everything(), before);
    scene.undo(&[&own], false).await.unwrap();
    assert_eq!(scene.everything(), after);
}
