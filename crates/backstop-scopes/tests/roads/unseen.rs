//! Roads that measuring does not see: each is really there, is told, and is gone by the fix that is told.

use backstop_scopes::postgres::{Unseen, UnseenKind, unseen};
use backstop_testing::postgres::{Connection, PostgresServer, Server};

use crate::world::{two, way};

fn asked(connection: &Connection) -> Vec<Unseen> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        unseen(&way(connection).connect().await.unwrap())
            .await
            .unwrap()
    })
}

fn of(server: &Server) -> Vec<Unseen> {
    asked(&server.owner())
}

/// The one road that says this.
#[track_caller]
fn one<'a>(all: &'a [Unseen], kind: UnseenKind, part: &str) -> &'a Unseen {
    let found: Vec<&Unseen> = all
        .iter()
        .filter(|u| u.kind == kind && u.what.contains(part))
        .collect();
    assert_eq!(found.len(), 1, "{part}: {all:#?}");
    found[0]
}

/// What nothing is wrong with is no warning.
#[test]
fn a_database_without_such_roads_has_none() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql(
                "create extension hstore; create extension pgcrypto; create extension citext; create extension pg_trgm; \
                 create extension postgres_fdw; create extension file_fdw; create extension pg_stat_statements; \
                 create extension tablefunc; create extension amcheck; create extension btree_gist; \
                 create server nobodys foreign data wrapper postgres_fdw; \
                 create function plain() returns int language sql as 'select 1'; \
                 create function block() returns int language plpgsql as 'begin return 1; end'; \
                 create function other_name(text) returns text language internal immutable as 'upper'; \
                 create language closed handler plpgsql_call_handler",
            )
            .unwrap();
        assert_eq!(of(&server), vec![], "{major}");
    }
}

/// The same functions under any name, in any schema, by the file they come from.
#[test]
fn functions_in_c_are_known_by_their_library() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql(
                "create table kept (n int); insert into kept values (1); \
                 create extension dblink; create extension pg_surgery; \
                 create function nice_words(text, text) returns text language c as '$libdir/dblink', 'dblink_exec'; \
                 create role agent login password 'agent'",
            )
            .unwrap();
        // It is a road: rolled back, and yet gone.
        let dsn = server.superuser().dsn().replace('\'', "''");
        server
            .psql_as(
                &server.owner().as_role("agent", "agent"),
                &format!("begin; select nice_words('{dsn}', 'delete from kept'); rollback"),
            )
            .unwrap();
        assert_eq!(server.psql("select count(*) from kept").unwrap(), "0");

        let all = of(&server);
        let ours = one(
            &all,
            UnseenKind::Library,
            "everybody may run `nice_words` (library `dblink`)",
        );
        assert!(
            ours.what.contains("open connections of their own"),
            "{ours:?}"
        );
        server.psql(&ours.fix).unwrap();
        let theirs = one(&all, UnseenKind::Library, "of extension `dblink`");
        assert!(
            theirs.fix.starts_with("DROP EXTENSION dblink"),
            "{theirs:?}"
        );
        server.psql("drop extension dblink").unwrap();
        // pg_surgery keeps its functions to superusers until somebody opens them.
        assert_eq!(of(&server), vec![], "{major}");
        server
            .psql("grant execute on function heap_force_kill(regclass, tid[]) to public")
            .unwrap();
        let all = of(&server);
        let opened = one(&all, UnseenKind::Library, "destroy rows beneath");
        assert_eq!(
            opened.fix,
            "DROP EXTENSION pg_surgery, if nothing needs it; \
             else REVOKE EXECUTE ON ROUTINE public.heap_force_kill(reloid regclass, tids tid[]) FROM PUBLIC"
        );
        let fix = opened.fix.split_once("else ").unwrap().1;
        server.psql(fix).unwrap();
        assert_eq!(of(&server), vec![], "{major}");
        // Another name for a restricted built-in; a library of no known name.
        let copied = "create function readme(text) returns text language internal as 'pg_read_file_all'; \
             grant execute on function readme(text) to owner; revoke all on function readme(text) from public; \
             create function mine() returns trigger language c as '$libdir/tcn', 'triggered_change_notification'";
        server.psql(copied).unwrap();
        let all = of(&server);
        assert_eq!(all.len(), 2, "{all:#?}");
        one(
            &all,
            UnseenKind::Opened,
            "the gate's role, and so what is approved, may run `readme`, another name for the built-in `pg_read_file_all`",
        );
        one(&all, UnseenKind::Library, "send messages to every listener");
    }
}

#[test]
fn untrusted_languages_are_known_by_mark_and_handler() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql(
                "create language wild handler plpgsql_call_handler; \
                 create function shell(text) returns int language wild as 'begin return 1; end'; \
                 create function kept_close(text) returns int language wild as 'begin return 1; end'; \
                 revoke execute on function kept_close(text) from public",
            )
            .unwrap();
        let all = of(&server);
        assert_eq!(all.len(), 1, "{all:#?}");
        let found = one(
            &all,
            UnseenKind::Language,
            "everybody may run `shell`, written in `wild`",
        );
        server.psql(&found.fix).unwrap();
        assert_eq!(of(&server), vec![], "{major}");
        // A superuser may write functions in it.
        one(
            &asked(&server.superuser()),
            UnseenKind::Language,
            "language `wild` is not trusted",
        );

        // A mark is no proof: this handler hands its text to whoever wrote it.
        server
            .psql(
                "create function handle() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_validator'; \
                 create trusted language posing handler handle",
            )
            .unwrap();
        let all = of(&server);
        let found = one(
            &all,
            UnseenKind::Language,
            "language `posing` is marked as trusted, but",
        );
        assert!(
            found.what.contains("everybody may write functions in it"),
            "{found:?}"
        );
        server.psql(&found.fix).unwrap();
        assert_eq!(of(&server), vec![], "{major}");
    }
}

#[test]
fn foreign_servers_are_known_by_who_may_go_through_them() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        let superuser = server.superuser();
        server
            .psql(&format!(
                "create table kept (n int); insert into kept values (1); \
                 create extension postgres_fdw; create schema \"Odd one\"; \
                 create server \"a'way\" foreign data wrapper postgres_fdw options (host '{}', port '{}', dbname 'app'); \
                 create user mapping for public server \"a'way\" options (user 'postgres', password '{}'); \
                 create foreign table \"Odd one\".far (n int) server \"a'way\" options (schema_name 'public', table_name 'kept'); \
                 create role agent login password 'agent'; grant usage on schema \"Odd one\" to public; \
                 grant select, delete on \"Odd one\".far to public",
                superuser.host, superuser.port, superuser.password
            ))
            .unwrap();
        let agent = server.owner().as_role("agent", "agent");
        server
            .psql_as(&agent, "delete from \"Odd one\".far")
            .unwrap();
        assert_eq!(server.psql("select count(*) from kept").unwrap(), "0");

        let all = of(&server);
        assert_eq!(all.len(), 1, "{all:#?}");
        let found = one(
            &all,
            UnseenKind::Server,
            "foreign server `a'way` (`postgres_fdw`)",
        );
        for part in [
            "it has credentials for everybody",
            "everybody may use its `\"Odd one\".far`",
        ] {
            assert!(found.what.contains(part), "{found:?}");
        }
        server.psql(&found.fix).unwrap();
        assert_eq!(of(&server), vec![], "{major}");
        assert!(
            server
                .psql_as(&agent, "delete from \"Odd one\".far")
                .is_err()
        );

        server
            .psql(
                "grant usage on foreign server \"a'way\" to owner; grant usage on foreign data wrapper postgres_fdw to public; \
                 create user mapping for owner server \"a'way\"",
            )
            .unwrap();
        let all = of(&server);
        assert_eq!(all.len(), 2, "{all:#?}");
        let found = one(
            &all,
            UnseenKind::Server,
            "the gate's role may use it, it has credentials for the gate's role",
        );
        assert_eq!(found.fix, "DROP USER MAPPING FOR owner SERVER \"a'way\"");
        one(
            &all,
            UnseenKind::Server,
            "everybody may make foreign servers of `postgres_fdw`",
        );
    }
}

#[test]
fn files_and_programs_are_known_by_membership_and_by_what_was_opened() {
    for major in two() {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql(
                "create role ops; grant pg_write_server_files, pg_execute_server_program to ops; \
                 grant ops to owner; grant execute on function pg_read_file(text) to public; \
                 grant execute on function lo_export(oid, text) to ops",
            )
            .unwrap();
        let all = of(&server);
        assert_eq!(all.len(), 4, "{all:#?}");
        let program = one(
            &all,
            UnseenKind::Files,
            "run programs on the server's machine",
        );
        assert_eq!(program.fix, "REVOKE pg_execute_server_program FROM ops");
        let files = one(&all, UnseenKind::Files, "overwrite any file");
        let opened = one(&all, UnseenKind::Opened, "everybody may run `pg_read_file`");
        let exported = one(&all, UnseenKind::Opened, "may run `lo_export`");
        assert!(
            exported.fix.contains("pg_catalog.lo_export(oid, text)"),
            "{exported:?}"
        );
        for fix in [&program.fix, &files.fix, &opened.fix] {
            server.psql(fix).unwrap();
        }
        server
            .psql("revoke execute on function lo_export(oid, text) from ops")
            .unwrap();
        assert_eq!(of(&server), vec![], "{major}");
    }
}
