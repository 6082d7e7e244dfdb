//! What leads to other servers and what waits for others: foreign tables, subscriptions, settings. Each is really done,
//! as every role, and the audit agrees both ways.

use std::time::Duration;

use backstop_scopes::postgres::{Act, Audit, Object, audit};
use backstop_testing::postgres::{Major, PostgresServer, Server};

use crate::truth::{PASSWORD, give_passwords};
use crate::world::{two, way};

fn audited(server: &Server, role: &str) -> Audit {
    let connection = server.owner().as_role(role, PASSWORD);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        audit(&way(&connection).connect().await.unwrap(), None)
            .await
            .unwrap()
    })
}

/// Whether a statement goes through as `role`.
fn goes(server: &Server, role: &str, sql: &str) -> bool {
    let connection = server.owner().as_role(role, PASSWORD);
    server.psql_as(&connection, sql).is_ok()
}

fn has(found: &Audit, act: Act, is: impl Fn(&Object) -> bool) -> bool {
    found.roads.iter().any(|r| r.act == act && is(&r.object))
}

fn table(named: &'static str) -> impl Fn(&Object) -> bool {
    move |object| matches!(object, Object::Table { name, .. } if name == named)
}

/// Until it is so; what flows between servers takes its time.
#[track_caller]
fn eventually(server: &Server, what: &str, is: impl Fn() -> bool) {
    for _ in 0..1200 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}\n{}", server.log());
}

#[test]
fn writes_through_foreign_tables_agree_with_what_happens() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let (host, port) = (server.host(), server.port());
        server
            .psql(&format!(
                "create extension postgres_fdw; create extension file_fdw; create role far login; \
                 create table far_rows (id int primary key, n int); insert into far_rows values (1, 1); alter table far_rows owner to far; \
                 create server far_away foreign data wrapper postgres_fdw options (host '{host}', port '{port}', dbname 'app'); \
                 create server nobodys foreign data wrapper postgres_fdw options (host '{host}', port '{port}', dbname 'app'); \
                 create server files foreign data wrapper file_fdw; \
                 create foreign table near (id int, n int) server far_away options (table_name 'far_rows'); \
                 create foreign table fixed (id int, n int) server far_away options (table_name 'far_rows', updatable 'false', truncatable 'false'); \
                 create foreign table unmapped (id int, n int) server nobodys options (table_name 'far_rows'); \
                 create foreign table file (line text) server files options (filename '/dev/null'); \
                 create role mapped login; create role open login; create role stranger login; create role child login; grant mapped to child; \
                 create role by_view login; create role by_vain_view login; create role near_owner login; \
                 create user mapping for mapped server far_away options (user 'far', password '{PASSWORD}'); \
                 create user mapping for near_owner server far_away options (user 'far', password '{PASSWORD}'); \
                 grant delete, update, select, insert, truncate on near, fixed, unmapped, file to mapped, stranger, child; \
                 create view seen as select * from near; alter view seen owner to mapped; grant select, delete, update on seen to by_view; \
                 create view unseen as select * from near; alter view unseen owner to stranger; grant select, delete, update on unseen to by_vain_view; \
                 alter foreign table near owner to near_owner"
            ))
            .unwrap();
        give_passwords(&server);
        let mut happened = 0;
        for role in [
            "mapped",
            "stranger",
            "child",
            "by_view",
            "by_vain_view",
            "near_owner",
            "open",
        ] {
            let found = audited(&server, role);
            for (name, through) in [
                ("near", &["near", "seen", "unseen"][..]),
                ("fixed", &["fixed"]),
                ("unmapped", &["unmapped"]),
                ("file", &["file"]),
            ] {
                for (act, sql) in [
                    (Act::Delete, "delete from"),
                    (Act::Update, "update"),
                    (Act::Truncate, "truncate"),
                ] {
                    let set = if act == Act::Update {
                        if name == "file" {
                            " set line = ''"
                        } else {
                            " set n = 2"
                        }
                    } else {
                        ""
                    };
                    // Itself, and as whatever it can become.
                    let went = found.becomes.iter().any(|other| {
                        through.iter().any(|at| {
                            let sql = format!("set role {other}; begin; {sql} {at}{set}; rollback");
                            goes(&server, role, &sql)
                        })
                    });
                    happened += u32::from(went);
                    let told = has(&found, act, table(name));
                    assert_eq!(
                        told, went,
                        "{major} {role} {act:?} {name}: {:#?}",
                        found.roads
                    );
                }
            }
        }
        assert!(happened >= 9, "{happened}");
    }
}

/// A publisher and a subscriber in one server, whose subscription is a superuser's. It is enabled last: a worker that is
/// just beginning can miss that its owner changed, and goes on as the old one.
fn replicated(major: Major) -> Server {
    let mut server = PostgresServer::start(major).unwrap();
    server.psql("alter system set wal_level = logical").unwrap();
    // A worker that failed is begun again at once.
    server
        .psql("alter system set wal_retrieve_retry_interval = '200ms'")
        .unwrap();
    server.restart().unwrap();
    server.psql("create database source").unwrap();
    let source = server.superuser().in_database("source");
    let rows =
        "create table flows (id int primary key, n int); create table calm (id int primary key)";
    server
        .psql_as(&source, &format!("{rows}; create publication all_of_it for table flows; select pg_create_logical_replication_slot('flow', 'pgoutput')"))
        .unwrap();
    let from = source.dsn().replace('\'', "''");
    server
        .psql(&format!(
            "{rows}; create role rider login; create role stays login; create role sub_owner login superuser; create role ex_owner login; \
             alter table flows owner to rider; alter table calm owner to stays; grant create on schema public to rider; \
             create subscription flow connection '{from}' publication all_of_it with (create_slot = false, slot_name = 'flow', copy_data = false, enabled = false); \
             alter subscription flow owner to sub_owner; alter subscription flow enable"
        ))
        .unwrap();
    give_passwords(&server);
    server
}

const TRIGGER: &str = "create function ride() returns trigger language plpgsql as $$ begin execute 'create role planted_by_' || current_user; return null; end $$; \
     create trigger ride after insert on flows for each row execute function ride(); alter table flows enable always trigger ride";

#[test]
fn code_on_a_table_rides_on_a_subscription_where_it_is_told_and_nowhere_else() {
    for major in Major::available().unwrap() {
        let server = replicated(major);
        let rides = |found: &Audit| {
            has(
                found,
                Act::RunAs,
                |o| matches!(o, Object::Role { name } if name == "sub_owner"),
            )
        };
        let ends = |found: &Audit| {
            has(
                found,
                Act::Drop,
                |o| matches!(o, Object::Subscription { name } if name == "flow"),
            )
        };
        let (rider, stays) = (audited(&server, "rider"), audited(&server, "stays"));
        assert!(!rides(&stays) && !ends(&rider), "{major}");
        assert!(ends(&audited(&server, "sub_owner")), "{major}");
        let source = server.superuser().in_database("source");
        assert!(goes(&server, "rider", TRIGGER), "{major}");
        server
            .psql_as(&source, "insert into flows values (1, 1)")
            .unwrap();
        let ran = |by: &str| {
            let asked = format!("select count(*) from pg_roles where rolname = 'planted_by_{by}'");
            server.psql(&asked).unwrap() == "1"
        };
        if major >= Major::V16 {
            // The worker is the table's owner, who may make no role: nothing comes through.
            assert!(!rides(&rider), "{:#?}", rider.roads);
            eventually(&server, "the worker's complaint", || {
                server.log().contains("permission denied to create role")
            });
            assert!(!ran("sub_owner") && !ran("rider"));
            server
                .psql("alter subscription flow set (run_as_owner = true)")
                .unwrap();
            assert!(rides(&audited(&server, "rider")));
        } else {
            assert!(rides(&rider), "{:#?}", rider.roads);
        }
        eventually(
            &server,
            "the planted code runs as the subscription's owner",
            || ran("sub_owner"),
        );
        ended(&server, major);
    }
}

/// Whoever owns it ends it, and nobody else does.
fn ended(server: &Server, major: Major) {
    // Only superusers own one before 16; one that is no more keeps it.
    server.psql("alter role sub_owner nosuperuser").unwrap();
    let end = "alter subscription flow disable; alter subscription flow set (slot_name = none); drop subscription flow";
    for role in ["rider", "stays", "ex_owner"] {
        assert!(!goes(server, role, end), "{major} {role}");
    }
    let found = audited(server, "sub_owner");
    assert!(
        has(&found, Act::Drop, |o| matches!(
            o,
            Object::Subscription { .. }
        )),
        "{major}"
    );
    assert!(goes(server, "sub_owner", end), "{major}");
}

#[test]
fn who_may_subscribe_is_told_and_nobody_else() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let roles = if major >= Major::V16 {
            "grant pg_create_subscription to half, able; "
        } else {
            ""
        };
        server
            .psql(&format!(
                "create role half login; create role other_half login; create role able login; create role in_able login; grant able to in_able; \
                 {roles} grant create on database app to other_half, able"
            ))
            .unwrap();
        give_passwords(&server);
        for role in ["half", "other_half", "able", "in_able"] {
            let found = audited(&server, role);
            let told = has(&found, Act::Connect, |o| *o == Object::Server);
            let subscribes = format!(
                "create subscription s_{role} connection 'host=127.0.0.1 port=1 password=x' publication p with (connect = false)"
            );
            let went = goes(&server, role, &subscribes);
            assert_eq!(told, went, "{major} {role}: {:#?}", found.roads);
            assert_eq!(
                went,
                major >= Major::V16 && role.contains("able"),
                "{major} {role}"
            );
        }
    }
}

#[test]
fn settings_that_were_granted_agree_with_what_happens() {
    for major in Major::available().unwrap() {
        let mut server = PostgresServer::start(major).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), everybody).unwrap();
        server
            .psql(
                "create role plain login; create role archivist login; create role loader login; create role later login; create role remover login; \
                 create role harmless login; create role in_archivist login; grant archivist to in_archivist; \
                 grant alter system on parameter archive_command to archivist; grant set on parameter session_preload_libraries to loader; \
                 grant alter system on parameter shared_preload_libraries to later; grant set on parameter lo_compat_privileges to remover; \
                 grant set, alter system on parameter log_min_messages to harmless; grant set on parameter archive_command to harmless; \
                 select lo_create(4711); alter system set archive_mode = on",
            )
            .unwrap();
        server.restart().unwrap();
        give_passwords(&server);
        let of_server = |o: &Object| *o == Object::Server;
        for role in [
            "plain",
            "archivist",
            "loader",
            "later",
            "remover",
            "harmless",
            "in_archivist",
        ] {
            let found = audited(&server, role);
            // As a role of that right, ALTER SYSTEM and SET go by inheritance.
            let mark = folder.path().join(role);
            let programs = format!(
                "alter system set archive_command = 'touch {}'",
                mark.display()
            );
            let runs = goes(&server, role, &programs);
            assert_eq!(
                has(&found, Act::RunPrograms, of_server),
                runs,
                "{major} {role}"
            );
            if runs {
                server.psql("select pg_reload_conf()").unwrap();
                server.psql("create table if not exists t (n int); insert into t values (1); select pg_switch_wal()").unwrap();
                eventually(&server, "the program runs", || mark.exists());
            }
            // What a role sets for itself its next session begins with.
            let begins =
                format!("alter role {role} set session_preload_libraries = 'auto_explain'");
            let loads = goes(&server, role, &begins);
            if loads {
                let shown = server.psql_as(
                    &server.owner().as_role(role, PASSWORD),
                    "show auto_explain.log_level",
                );
                assert_eq!(shown.unwrap().trim(), "log", "the library is loaded");
            }
            let waits = goes(
                &server,
                role,
                "alter system set shared_preload_libraries = ''",
            );
            assert_eq!(
                has(&found, Act::RunCode, of_server),
                loads || waits,
                "{major} {role}"
            );
            let removes = goes(
                &server,
                role,
                "begin; set lo_compat_privileges = on; select lo_unlink(4711); rollback",
            );
            assert_eq!(
                has(&found, Act::Unlink, |_| true),
                removes,
                "{major} {role}"
            );
        }
    }
}

/// An owner of a database has everybody who comes there run code of its own; nobody else has.
#[test]
fn a_path_set_for_a_database_catches_who_connects_there() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql("create role keeps login; create role visitor login; create role in_keeps login; grant keeps to in_keeps; create table of_superuser (n int); alter database app owner to keeps")
            .unwrap();
        give_passwords(&server);
        let set = "set role keeps; create schema snare; grant usage on schema snare to public; \
             create function snare.lower(varchar) returns text language plpgsql as $$ begin execute 'drop table if exists public.of_superuser'; return 'caught'; end $$; \
             alter database app set search_path = snare, pg_catalog, public";
        for role in ["visitor", "keeps", "in_keeps"] {
            let told = has(
                &audited(&server, role),
                Act::Plant,
                |o| matches!(o, Object::Database { name } if name == "app"),
            );
            assert_eq!(told, role != "visitor", "{major} {role}");
        }
        assert!(!goes(
            &server,
            "visitor",
            "alter database app set search_path = snare"
        ));
        assert!(goes(&server, "in_keeps", set), "{major}");
        // A superuser who asks something harmless.
        let there = server.superuser().in_database("app");
        assert_eq!(
            server
                .psql_as(&there, "select lower('X'::varchar)")
                .unwrap()
                .trim(),
            "caught"
        );
        let left = "select count(*) from pg_class where relname = 'of_superuser'";
        assert_eq!(server.psql_as(&there, left).unwrap().trim(), "0", "{major}");
    }
}

/// What a line of `pg_hba.conf` lets in without a password is told, and nothing else is.
#[test]
fn lines_that_ask_for_no_password_agree_with_what_happens() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql("create role ann login; create role bob login")
            .unwrap();
        give_passwords(&server);
        let hba = std::path::PathBuf::from(server.psql("show hba_file").unwrap().trim());
        let usual = std::fs::read_to_string(&hba).unwrap();
        for (lines, open) in [
            ("", &[][..]),
            ("host all ann 127.0.0.1/32 trust", &["ann"]),
            (
                "host all all 127.0.0.1/32 reject\nhost all ann 127.0.0.1/32 trust",
                &[],
            ),
            (
                "host all bob 127.0.0.1/32 scram-sha-256\nhost all ann,bob 127.0.0.1/32 trust",
                &["ann"],
            ),
            (
                "host replication all 127.0.0.1/32 reject\nhost all bob 127.0.0.1 255.255.255.255 trust",
                &["bob"],
            ),
        ] {
            // The tests' superuser stays in.
            let text = format!("host all postgres 127.0.0.1/32 scram-sha-256\n{lines}\n{usual}");
            std::fs::write(&hba, &text).unwrap();
            server.psql("select pg_reload_conf()").unwrap();
            let went: Vec<&str> = ["ann", "bob"]
                .into_iter()
                .filter(|role| {
                    let nothing = server.owner().as_role(role, "");
                    let own = server.owner().as_role(role, PASSWORD);
                    // Until it has read its settings anew, the second try tells nothing; asking twice is enough.
                    std::thread::sleep(Duration::from_millis(300));
                    let _ = server.psql_as(&own, "select 1");
                    server.psql_as(&nothing, "select 1").is_ok()
                })
                .collect();
            assert_eq!(went, open, "{major} {lines}");
            let mut look = backstop_scopes::find::Look::new().unwrap();
            look.paths = vec![hba.clone()];
            let found = look.run().unwrap().findings;
            let told: Vec<String> = found
                .iter()
                .filter(|f| f.kind == "postgres.trust" && lines.contains(f.facts["user"].as_str()))
                .map(|f| f.facts["user"].clone())
                .collect();
            match open {
                [] => assert_eq!(told, Vec::<String>::new(), "{major} {lines}"),
                open => assert!(
                    told.iter()
                        .all(|users| open.iter().any(|o| users.contains(o)))
                        && !told.is_empty(),
                    "{major} {lines}: {told:?}"
                ),
            }
        }
    }
}
