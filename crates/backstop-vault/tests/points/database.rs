//! Recovery points of whole databases: taken, restored into another server, drilled.

use std::path::PathBuf;
use std::time::Duration;

use backstop_testing::postgres::{PostgresServer, Server};
use backstop_vault::points::database::{Manifest, Taken, restore, take};
use backstop_vault::points::drill::{Drilled, Setup, drill};
use backstop_vault::points::moment::{self, Reach};
use backstop_vault::points::{PointError, Session, Source};

use crate::support::{COMPANY, REST, majors, source};

/// A point in memory; real ones are streams.
pub struct Point {
    pub taken: Taken,
    pub archive: Vec<u8>,
    pub roles: Vec<u8>,
}

pub async fn point(source: &Source) -> Point {
    let (mut archive, mut roles) = (Vec::new(), Vec::new());
    let taken = take(source, &mut archive, &mut roles, &()).await.unwrap();
    assert_eq!(taken.archive.1, archive.len() as u64);
    Point {
        taken,
        archive,
        roles,
    }
}

/// A company and its superuser's things: what a real database has.
pub fn fill(server: &Server) {
    server.psql_as(&server.owner(), COMPANY).unwrap();
    server.psql_as(&server.owner(), REST).unwrap();
    // Counting must not run a cast, nor take a column for the row.
    server
        .psql_as(
            &server.owner(),
            "CREATE TABLE public.x (x text, a text); INSERT INTO public.x VALUES ('same', '1'), ('same', '2');
             CREATE FUNCTION public.shout(public.x) RETURNS text LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'a cast ran'; END $$;
             CREATE CAST (public.x AS text) WITH FUNCTION public.shout(public.x) AS IMPLICIT",
        )
        .unwrap();
    server
        .psql(
            "ALTER ROLE reader SET work_mem = '5MB'; GRANT reader TO owner WITH ADMIN OPTION;
             CREATE ROLE chief SUPERUSER; GRANT pg_read_server_files TO reader;
             CREATE TABLE public.secret (a text); ALTER TABLE public.secret FORCE ROW LEVEL SECURITY;
             ALTER TABLE public.secret ENABLE ROW LEVEL SECURITY; INSERT INTO public.secret VALUES ('x')",
        )
        .unwrap();
}

pub async fn drilled(point: &Point, source: &Source) -> Result<Drilled, PointError> {
    let setup = Setup {
        tools: source.tools.clone(),
        scratch: std::env::temp_dir(),
        hidden: vec![PathBuf::from("/var/lib")],
        longest: Duration::from_secs(600),
        stays: false,
    };
    drill(
        "a-point",
        &point.taken.manifest,
        &mut point.roles.as_slice(),
        &mut point.archive.as_slice(),
        &setup,
        &(),
    )
    .await
    .map(|(drilled, _)| drilled)
}

#[tokio::test]
async fn a_point_is_restored_into_a_throwaway_server_and_compared() {
    for major in majors() {
        let server = PostgresServer::start(major).unwrap();
        fill(&server);
        let source = source(&server, &server.superuser()).await;
        let point = point(&source).await;
        let bytes = point.taken.manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), point.taken.manifest);
        assert!(point.taken.manifest.rows() > 490, "{:?}", point.taken);
        let outcome = drilled(&point, &source).await.unwrap();
        assert_eq!(outcome.differences, Vec::<String>::new(), "{major:?}");
        let left_out: Vec<&str> = outcome
            .left_out
            .iter()
            .map(|left| left.what.as_str())
            .collect();
        assert_eq!(
            left_out,
            ["TABLE secret postgres"],
            "{:?}",
            outcome.left_out
        );
        assert!(outcome.isolation.network && outcome.isolation.files);
        assert_eq!(outcome.rows, point.taken.manifest.rows());

        // Other rows, as many, are found by their digest, in any column.
        server
            .psql_as(&server.owner(), "UPDATE public.x SET a = '3' WHERE a = '2'")
            .unwrap();
        let later = crate::database::point(&source).await;
        let found = backstop_vault::points::database::differences(
            &point.taken.manifest,
            &later.taken.manifest.tables,
        );
        assert_eq!(found, ["\"public\".\"x\" has other rows, though as many"]);

        // What is not as the manifest says is found, in rows and in roles.
        let mut other = point;
        other.taken.manifest.tables[0].rows += 1;
        other.taken.manifest.tables[1].digest.push('0');
        other
            .taken
            .manifest
            .roles
            .retain(|role| role.name != "reader");
        other.taken.manifest.roles[0].connection_limit = 7;
        let outcome = drilled(&other, &source).await.unwrap();
        assert_eq!(outcome.differences.len(), 3, "{:?}", outcome.differences);
    }
}

#[tokio::test]
async fn a_point_is_restored_into_another_server_by_its_owner() {
    for major in majors() {
        let server = PostgresServer::start(major).unwrap();
        server.psql_as(&server.owner(), COMPANY).unwrap();
        server.psql_as(&server.owner(), REST).unwrap();
        // A role that owns everything takes a point without being a superuser.
        let from = source(&server, &server.owner()).await;
        let point = point(&from).await;
        let other = PostgresServer::start(major).unwrap();
        let into = source(&other, &other.owner()).await;
        let manifest = &point.taken.manifest;
        let restored = restore(manifest, &mut point.archive.as_slice(), &into, &())
            .await
            .unwrap();
        assert_eq!(restored.differences, Vec::<String>::new(), "{restored:?}");
        assert_eq!(restored.left_out, vec![], "{restored:?}");

        let again = restore(manifest, &mut point.archive.as_slice(), &into, &()).await;
        assert!(again.unwrap_err().to_string().contains("already holds"));
        other
            .psql("GRANT pg_execute_server_program TO owner")
            .unwrap();
        let mighty = restore(manifest, &mut point.archive.as_slice(), &into, &()).await;
        assert!(mighty.unwrap_err().to_string().contains("programs"));
        let chief = source(&other, &other.superuser()).await;
        let refused = restore(manifest, &mut point.archive.as_slice(), &chief, &()).await;
        assert!(refused.unwrap_err().to_string().contains("is a superuser"));
    }
}

#[tokio::test]
async fn a_server_that_archives_is_told_from_one_that_does_not() {
    let plain = PostgresServer::start_any().unwrap();
    let from = source(&plain, &plain.owner()).await;
    let mut session = Session::open(&from).await.unwrap();
    let none = moment::reach(&moment::ask(&mut session).await.unwrap());
    assert!(
        matches!(&none, Reach::PointsOnly { why } if why == "archive_mode is off"),
        "{none:?}"
    );

    let archiving = PostgresServer::of(plain.major())
        .setting("archive_mode", "on")
        .setting("archive_command", "true")
        .run()
        .unwrap();
    let from = source(&archiving, &archiving.owner()).await;
    let mut session = Session::open(&from).await.unwrap();
    let none = moment::reach(&moment::ask(&mut session).await.unwrap());
    assert!(
        matches!(&none, Reach::PointsOnly { why } if why.contains("nothing has been archived")),
        "{none:?}"
    );
    archiving
        .psql("CREATE TABLE public.t (a text); SELECT pg_catalog.pg_switch_wal()")
        .unwrap();
    for _ in 0..200 {
        let mut session = Session::open(&from).await.unwrap();
        let asked = moment::ask(&mut session).await.unwrap();
        if matches!(moment::reach(&asked), Reach::AnyMoment { .. }) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing was archived");
}
