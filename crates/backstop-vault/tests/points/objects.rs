//! What DROP, TRUNCATE and ALTER take, copied first and brought back.

use backstop_testing::postgres::PostgresServer;
use backstop_vault::points::objects::{Act, Address, bring_back};
use backstop_vault::points::{Question, Source};

use crate::support::{COMPANY, REST, acting, assert_same, destroy, majors, oid, picture, source};

/// Each a statement that takes something, and what it names.
const DROPS: &[(&str, &[&str])] = &[
    ("DROP TABLE public.customers CASCADE", &["public.customers"]),
    ("DROP TABLE public.parts CASCADE", &["public.parts"]),
    ("DROP TABLE public.parts_old CASCADE", &["public.parts_old"]),
    ("DROP TABLE public.of_parts", &["public.of_parts"]),
    ("DROP VIEW public.glad CASCADE", &["public.glad"]),
    (
        "DROP MATERIALIZED VIEW public.names CASCADE",
        &["public.names"],
    ),
    (
        "DROP SEQUENCE public.customers_serial_number_seq CASCADE",
        &["public.customers_serial_number_seq"],
    ),
    (
        r#"DROP TABLE "Odd ""schema"""."orders; -- ""#,
        &[r#""Odd ""schema"""."orders; -- ""#],
    ),
];

fn cascades(statement: &str) -> bool {
    statement.ends_with("CASCADE")
}

#[tokio::test]
async fn what_a_drop_takes_comes_back_as_it_was() {
    for major in majors() {
        let server = PostgresServer::start(major).unwrap();
        let owner = server.owner();
        server.psql_as(&owner, COMPANY).unwrap();
        server.psql_as(&owner, REST).unwrap();
        let source = source(&server, &owner).await;
        for (statement, names) in DROPS {
            let before = picture(&server);
            let mut session = acting(&source).await;
            let mut roots = vec![];
            for name in *names {
                roots.push(Address::relation(oid(&mut session, name).await));
            }
            session.close().await;
            let act = Act::Drop {
                cascade: cascades(statement),
            };
            let (held, copied, script) = destroy(&source, act, &roots, statement).await.unwrap();
            assert_ne!(picture(&server), before, "{statement} did nothing");
            assert_eq!(copied.bytes, script.len() as u64);
            bring_back(&mut script.as_slice(), &source)
                .await
                .unwrap_or_else(|why| panic!("{major:?}: {statement}: {why}"));
            let after = picture(&server);
            assert_same(
                &before,
                &after,
                &format!("{major:?}: {statement}\n{held:#?}"),
            );
        }
    }
}

/// Statements that take more than relations, each with a question for what it names.
const WIDER: &[(&str, &str)] = &[
    (
        r#"DROP SCHEMA "Odd ""schema""" CASCADE"#,
        r#"SELECT 'pg_namespace'::regclass::oid, oid, 0 FROM pg_namespace WHERE nspname LIKE 'Odd%'"#,
    ),
    (
        "DROP FUNCTION public.noted() CASCADE",
        "SELECT 'pg_proc'::regclass::oid, 'public.noted()'::regprocedure::oid, 0",
    ),
    (
        "DROP SCHEMA public CASCADE",
        "SELECT 'pg_namespace'::regclass::oid, 'public'::regnamespace::oid, 0",
    ),
];

#[tokio::test]
async fn schemas_and_functions_come_back_with_what_they_took() {
    for major in majors() {
        let server = PostgresServer::start(major).unwrap();
        let owner = server.owner();
        // A schema that belongs to the superuser cannot be dropped by anybody else.
        server.psql("ALTER SCHEMA public OWNER TO owner").unwrap();
        server.psql_as(&owner, COMPANY).unwrap();
        server.psql_as(&owner, REST).unwrap();
        let source = source(&server, &owner).await;
        for (statement, question) in WIDER {
            let before = picture(&server);
            let root = address(&source, question).await;
            let act = Act::Drop { cascade: true };
            let (held, _, script) = destroy(&source, act, &[root], statement).await.unwrap();
            assert_ne!(picture(&server), before, "{statement} did nothing");
            bring_back(&mut script.as_slice(), &source)
                .await
                .unwrap_or_else(|why| panic!("{major:?}: {statement}: {why}"));
            // A schema `public` that was made anew is written out, one that came with the database is not.
            let own = |text: String| {
                let lines = text.lines().filter(|line| !line.contains("SCHEMA public"));
                let lines = lines.filter(|line| !line.starts_with("-- Name: public; Type:"));
                lines.map(|line| format!("{line}\n")).collect::<String>()
            };
            let (before, after) = (own(before), own(picture(&server)));
            assert_same(
                &before,
                &after,
                &format!("{major:?}: {statement}\n{held:#?}"),
            );
        }
    }
}

async fn address(source: &Source, question: &str) -> Address {
    let mut session = acting(source).await;
    let row = session.ask(question).await.unwrap().remove(0);
    let number = |column: usize| row[column].clone().unwrap();
    Address {
        class: number(0).parse().unwrap(),
        object: number(1).parse().unwrap(),
        column: number(2).parse().unwrap(),
    }
}

#[tokio::test]
async fn emptied_tables_are_filled_again_and_their_triggers_stay_silent() {
    for major in majors() {
        let server = PostgresServer::start(major).unwrap();
        let owner = server.owner();
        server.psql_as(&owner, COMPANY).unwrap();
        server.psql_as(&owner, REST).unwrap();
        let source = source(&server, &owner).await;
        for (statement, name, restart_identity) in [
            (
                "TRUNCATE public.customers CASCADE",
                "public.customers",
                false,
            ),
            (
                "TRUNCATE public.customers RESTART IDENTITY CASCADE",
                "public.customers",
                true,
            ),
            ("TRUNCATE public.parts CASCADE", "public.parts", false),
        ] {
            let before = picture(&server);
            let mut session = acting(&source).await;
            let root = Address::relation(oid(&mut session, name).await);
            session.close().await;
            let act = Act::Truncate {
                cascade: true,
                restart_identity,
            };
            let (_, copied, script) = destroy(&source, act, &[root], statement).await.unwrap();
            assert!(copied.rows.values().sum::<u64>() > 3, "{copied:?}");
            assert_ne!(picture(&server), before, "{statement} did nothing");
            bring_back(&mut script.as_slice(), &source)
                .await
                .unwrap_or_else(|why| panic!("{major:?}: {statement}: {why}"));
            assert_same(
                &before,
                &picture(&server),
                &format!("{major:?}: {statement}"),
            );
        }
    }
}

#[tokio::test]
async fn what_an_alter_changes_comes_back_beside_it() {
    for major in majors() {
        let server = PostgresServer::start(major).unwrap();
        let owner = server.owner();
        server.psql_as(&owner, COMPANY).unwrap();
        server.psql_as(&owner, REST).unwrap();
        let rows = "SELECT c::text FROM public.customers c ORDER BY id";
        let before = server.psql_as(&owner, rows).unwrap();
        let source = source(&server, &owner).await;
        let mut session = acting(&source).await;
        let table = oid(&mut session, "public.customers").await;
        session.close().await;
        let (held, copied, script) = destroy(
            &source,
            Act::Rewrite,
            &[Address::relation(table)],
            "ALTER TABLE public.customers ALTER COLUMN ratio TYPE integer USING 0",
        )
        .await
        .unwrap();
        assert_ne!(server.psql_as(&owner, rows).unwrap(), before);
        assert!(
            held.notes.iter().any(|note| note.contains("beside it")),
            "{held:?}"
        );
        bring_back(&mut script.as_slice(), &source).await.unwrap();
        let schema = copied.beside.unwrap();
        let beside = format!("SELECT c::text FROM \"{schema}\".customers_{table} c ORDER BY id");
        assert_eq!(server.psql_as(&owner, &beside).unwrap(), before);
    }
}
