//! What is not a table: each act is tried as every role that the audit says a role becomes, and must agree both ways.

use std::collections::BTreeSet;
use std::process::Command;

use backstop_scopes::postgres::{Act, Audit, audit};
use backstop_testing::postgres::{Major, PostgresServer, Server};

use crate::truth::{PASSWORD, give_passwords};
use crate::world::{two, way};

const ROLES: &str = "\
create role nobody login; create role runs login; grant pg_execute_server_program to runs; \
create role writes login; grant pg_write_server_files to writes; create role reads login; grant pg_read_server_files to reads; \
create role runs_aloof login noinherit; grant runs to runs_aloof; \
create role opened login; grant execute on function pg_read_file(text) to opened; \
create role exporter login; grant execute on function lo_export(oid, text) to exporter; \
create role signals login; grant pg_signal_backend to signals; create role checks login; grant pg_checkpoint to checks; \
create role replicates login replication; create role under_replicates login; grant replicates to under_replicates; \
create role victim login; create role as_victim login; grant victim to as_victim; \
create role boss login superuser; \
create role lo_owner login; create role lo_friend login; create role lo_half login; create role lo_member login; grant lo_owner to lo_member; \
create role spare_owner login; create role in_spare_owner login; grant spare_owner to in_spare_owner; \
select lo_create(4711); alter large object 4711 owner to lo_owner; grant select, update on large object 4711 to lo_friend; grant update on large object 4711 to lo_half;";

const SPARE: &str = "create database spare owner spare_owner template template0";

fn audited(server: &Server, role: &str) -> Audit {
    let connection = server.owner().as_role(role, PASSWORD);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        audit(&way(&connection).connect().await.unwrap(), None)
            .await
            .unwrap()
    })
}

/// Whether a statement goes through as `role`, itself or as one of those that it becomes.
fn goes(server: &Server, role: &str, becomes: &[String], sql: &str) -> bool {
    let connection = server.owner().as_role(role, PASSWORD);
    becomes.iter().any(|other| {
        server
            .psql_as(&connection, &format!("set role {other};\n{sql}"))
            .is_ok()
    })
}

fn truth(server: &Server, role: &str, becomes: &[String], folder: &str) -> BTreeSet<Act> {
    let mut all = BTreeSet::new();
    let mut note = |act: Act, went: bool| {
        if went {
            all.insert(act);
        }
    };
    let go = |sql: &str| goes(server, role, becomes, sql);
    note(
        Act::RunPrograms,
        go("copy (select 1) to program 'cat > /dev/null'"),
    );
    note(
        Act::WriteFiles,
        go(&format!("copy (select 1) to '{folder}/{role}'")),
    );
    note(
        Act::WriteFiles,
        go(&format!(
            "begin; select lo_create(1); select lo_export(1, '{folder}/{role}-lo')"
        )),
    );
    note(
        Act::ReadFiles,
        go("create temp table t (x text); copy t from '/etc/hostname'"),
    );
    note(Act::ReadFiles, go("select pg_read_file('PG_VERSION')"));
    note(Act::Disturb, go("checkpoint"));
    note(Act::Unlink, go("begin; select lo_unlink(4711); rollback"));
    note(
        Act::Unlink,
        go("begin; select lo_put(4711, 0, 'x'); rollback"),
    );
    if go("drop database spare") {
        note(Act::Drop, true);
        server.psql(SPARE).unwrap();
    }
    if go("select pg_drop_replication_slot('standby')") {
        note(Act::DropSlot, true);
        server
            .psql("select pg_create_physical_replication_slot('standby')")
            .unwrap();
    }
    let dsn = format!(
        "{} replication=true",
        server.owner().as_role(role, PASSWORD).dsn()
    );
    let asked = Command::new(server.installation().client("psql").unwrap())
        .args(["--no-psqlrc", "-d", &dsn, "-c", "IDENTIFY_SYSTEM"])
        .output()
        .unwrap();
    note(Act::Replicate, asked.status.success());
    all
}

/// Whether one of the victim's and one of the superuser's sessions can really be ended.
fn ends(server: &Server, role: &str, becomes: &[String], of: &str) -> bool {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = way(&server.owner().as_role(of, PASSWORD))
            .connect()
            .await
            .unwrap();
        let pid: i32 = open
            .query_one("select pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        let went = goes(
            server,
            role,
            becomes,
            &format!("select 1 / pg_terminate_backend({pid})::int"),
        );
        for _ in 0..100 {
            if !went || open.is_closed() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(open.is_closed(), went);
        went
    })
}

#[test]
fn the_server_as_a_whole_agrees_too() {
    for major in two() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let server = PostgresServer::start(major).unwrap();
        server.psql(ROLES).unwrap();
        server.psql(SPARE).unwrap();
        server
            .psql("select pg_create_physical_replication_slot('standby')")
            .unwrap();
        give_passwords(&server);
        let roles = server
            .psql("select rolname from pg_roles where rolcanlogin and rolname not in ('postgres', 'owner') order by 1")
            .unwrap();
        for role in roles.lines() {
            // Sessions that could be ended are open while it asks.
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let _open: Vec<_> = ["victim", "boss"]
                .iter()
                .map(|of| {
                    runtime
                        .block_on(way(&server.owner().as_role(of, PASSWORD)).connect())
                        .unwrap()
                })
                .collect();
            let found = audited(&server, role);
            drop(_open);
            let mut happened = truth(
                &server,
                role,
                &found.becomes,
                &folder.path().display().to_string(),
            );
            let told: BTreeSet<Act> = found
                .roads
                .iter()
                .filter(|r| !matches!(r.act, Act::Terminate | Act::RunCode | Act::Plant))
                .filter(|r| r.certainty == backstop_scopes::postgres::Certainty::Proved)
                .map(|r| r.act)
                .collect();
            // A superuser's checkpoint is the least of it.
            if role == "boss" {
                happened.remove(&Act::Disturb);
            }
            assert_eq!(told, happened, "{major} {role}: {:#?}", found.roads);
            for of in ["victim", "boss"] {
                let told = found.roads.iter().any(|r| {
                    r.act == Act::Terminate
                        && matches!(&r.object, backstop_scopes::postgres::Object::Sessions { role, .. } if role == of)
                });
                assert_eq!(
                    told,
                    ends(&server, role, &found.becomes, of),
                    "{major} {role} {of}"
                );
            }
        }
        backups(&server, major);
    }
}

fn backups(server: &Server, major: Major) {
    let none = audited(server, "nobody").backups;
    assert_eq!(
        (none.archives, none.within_reach),
        (Some(false), vec![]),
        "{major}"
    );
    let all = audited(server, "boss").backups.within_reach;
    assert_eq!(all.len(), 3, "{all:#?}");
}

/// Everybody may execute `pg_terminate_backend` and `lo_unlink`: that alone is no road.
#[test]
fn what_everybody_may_call_and_hits_nothing_is_no_road() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        server.psql("create role nobody login").unwrap();
        give_passwords(&server);
        assert_eq!(audited(&server, "nobody").roads, vec![], "{major}");
    }
}

/// It says so where it is set, by whatever road.
#[test]
fn read_only_by_default_is_no_protection() {
    let server = PostgresServer::start_any().unwrap();
    server
        .psql("create role nobody login; create role shy login; alter role shy set default_transaction_read_only = on; create table t (n int); grant delete on t to shy")
        .unwrap();
    give_passwords(&server);
    assert_eq!(audited(&server, "nobody").notes, Vec::<String>::new());
    let shy = audited(&server, "shy");
    assert!(shy.notes[0].contains("no protection"), "{:?}", shy.notes);
    assert_eq!(shy.roads.len(), 1, "{:#?}", shy.roads);
    let connection = server.owner().as_role("shy", PASSWORD);
    assert!(server.psql_as(&connection, "delete from t").is_err());
    server
        .psql_as(
            &connection,
            "set default_transaction_read_only = off; delete from t",
        )
        .unwrap();
    server
        .psql("alter database app set default_transaction_read_only = on")
        .unwrap();
    assert_eq!(audited(&server, "nobody").notes.len(), 1);
}
