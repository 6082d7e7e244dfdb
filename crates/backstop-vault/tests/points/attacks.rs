//! What somebody who can write to the database, or to it at the wrong moment, tries against copies.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use backstop_testing::postgres::PostgresServer;
use backstop_vault::points::objects::{
    Act, Address, Patience, bring_back, closure, confirm, copy, hold_still,
};
use backstop_vault::points::{PointError, Question, Session};
use tokio::io::{AsyncRead, ReadBuf};

use crate::support::{
    COMPANY, REST, acting, assert_same, destroy, majors, oid, picture, psql_alone, source,
};

const DROP: Act = Act::Drop { cascade: true };

/// Others get little time here.
const SHORT: Patience = Patience {
    tries: 3,
    pause: Duration::from_millis(20),
};

#[tokio::test]
async fn names_with_line_breaks_are_no_commands() {
    for major in majors() {
        let folder = tempfile::tempdir().unwrap();
        let canary = folder.path().join("canary");
        let name = format!("x\n\\! touch {}\n", canary.display());
        let server = PostgresServer::start(major).unwrap();
        let owner = server.owner();
        server
            .psql_as(
                &owner,
                &format!(
                    "CREATE TABLE public.\"{name}\" (\"{name}\" text PRIMARY KEY);
                     COMMENT ON TABLE public.\"{name}\" IS '{name}';
                     INSERT INTO public.\"{name}\" VALUES ('{name}'), (E'\\\\.\\n\\\\! touch {0}\\n');
                     CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$ SELECT '
COPY public.t FROM stdin;
\\.
\\! touch {0}
' $$;
                     CREATE VIEW public.v AS SELECT public.f() AS f, x.* FROM public.\"{name}\" x;",
                    canary.display()
                ),
            )
            .unwrap();
        let source = source(&server, &owner).await;
        let before = picture(&server);
        let mut session = acting(&source).await;
        let table = session
            .ask("SELECT oid FROM pg_catalog.pg_class WHERE relname LIKE 'x%' AND relkind = 'r'")
            .await
            .unwrap();
        session.close().await;
        let root = Address::relation(table[0][0].clone().unwrap().parse().unwrap());
        let statement = format!("DROP TABLE public.\"{name}\" CASCADE");
        let (_, _, script) = destroy(&source, DROP, &[root], &statement).await.unwrap();
        bring_back(&mut script.as_slice(), &source).await.unwrap();
        assert_same(&before, &picture(&server), &format!("{major:?}"));
        assert!(!canary.exists(), "a name ran as a command");
    }
}

#[tokio::test]
async fn what_comes_between_copy_and_act_stops_the_act() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server.psql_as(&owner, COMPANY).unwrap();
    server.psql_as(&owner, REST).unwrap();
    let source = source(&server, &owner).await;
    let before = picture(&server);
    // Each is possible though writers are held off, and would go, or be lost, unseen.
    for between in [
        "CREATE VIEW public.late AS SELECT * FROM public.customers",
        "CREATE FUNCTION public.late() RETURNS SETOF public.customers LANGUAGE sql AS 'SELECT * FROM public.customers'",
        "GRANT DELETE ON public.customers TO reader",
        "GRANT REFERENCES (id) ON public.customers TO reader",
    ] {
        let mut session = acting(&source).await;
        let root = Address::relation(oid(&mut session, "public.customers").await);
        let found = closure(&mut session, DROP, &[root]).await.unwrap();
        let (held, snapshot) = hold_still(&mut session, &found, SHORT).await.unwrap();
        copy(&held, &source, &snapshot, &mut Vec::new())
            .await
            .unwrap();
        server.psql_as(&owner, between).unwrap();
        let outcome = confirm(&mut session, &held, SHORT).await;
        assert!(
            matches!(outcome, Err(PointError::Changed(_))),
            "{between}: {outcome:?}"
        );
        session.ask("ROLLBACK").await.unwrap();
        session.close().await;
    }
    server
        .psql_as(
            &owner,
            "DROP VIEW public.late; DROP FUNCTION public.late();
             REVOKE DELETE ON public.customers FROM reader; REVOKE REFERENCES (id) ON public.customers FROM reader",
        )
        .unwrap();
    assert_same(&before, &picture(&server), "nothing was destroyed");
}

#[tokio::test]
async fn rows_swapped_before_the_lock_are_in_the_copy_and_none_come_after() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server
        .psql_as(
            &owner,
            "CREATE TABLE public.t (a text); INSERT INTO public.t VALUES ('old')",
        )
        .unwrap();
    let source = source(&server, &owner).await;
    let mut session = acting(&source).await;
    let root = Address::relation(oid(&mut session, "public.t").await);
    let found = closure(&mut session, DROP, &[root]).await.unwrap();
    // As many rows, but others.
    server
        .psql_as(&owner, "UPDATE public.t SET a = 'swapped'")
        .unwrap();
    let (held, snapshot) = hold_still(&mut session, &found, SHORT).await.unwrap();
    let late = server.psql_as(
        &owner,
        "SET lock_timeout = '100ms'; UPDATE public.t SET a = 'too late'",
    );
    assert!(late.unwrap_err().to_string().contains("lock timeout"));
    // Reading goes on.
    server.psql_as(&owner, "SELECT * FROM public.t").unwrap();
    let mut script = Vec::new();
    copy(&held, &source, &snapshot, &mut script).await.unwrap();
    confirm(&mut session, &held, SHORT).await.unwrap();
    session.ask("DROP TABLE public.t").await.unwrap();
    session.ask("COMMIT").await.unwrap();
    bring_back(&mut script.as_slice(), &source).await.unwrap();
    let rows = server.psql_as(&owner, "SELECT a FROM public.t").unwrap();
    assert_eq!(rows, "swapped");
}

#[tokio::test]
async fn a_writer_is_not_waited_for_in_the_queue() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server
        .psql_as(&owner, "CREATE TABLE public.t (a text)")
        .unwrap();
    let source = source(&server, &owner).await;
    let mut writer = acting(&source).await;
    writer
        .ask("INSERT INTO public.t VALUES ('mine')")
        .await
        .unwrap();
    let mut session = acting(&source).await;
    let root = Address::relation(oid(&mut session, "public.t").await);
    let found = closure(&mut session, DROP, &[root]).await.unwrap();
    let outcome = hold_still(&mut session, &found, SHORT).await;
    assert!(matches!(outcome, Err(PointError::Busy(_))), "{outcome:?}");
    // The transaction is still good, and once the writer is done the copy can be made.
    writer.ask("COMMIT").await.unwrap();
    let (held, snapshot) = hold_still(&mut session, &found, SHORT).await.unwrap();
    let copied = copy(&held, &source, &snapshot, &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(copied.rows.values().copied().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_transaction_that_is_not_fit_is_refused() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server
        .psql_as(&owner, "CREATE TABLE public.t (a text)")
        .unwrap();
    let source = source(&server, &owner).await;
    for (statements, why) in [
        (
            &["BEGIN READ WRITE", "INSERT INTO public.t VALUES ('unseen')"][..],
            "already written",
        ),
        (
            &["BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"],
            "not READ COMMITTED",
        ),
        (
            &["BEGIN READ WRITE", "SET LOCAL search_path = public"],
            "search_path is not empty",
        ),
        (&[], "SAVEPOINT can only be used in transaction blocks"),
    ] {
        let mut session = Session::open(&source).await.unwrap();
        for statement in statements {
            session.ask(statement).await.unwrap();
        }
        let root = Address::relation(oid(&mut session, "public.t").await);
        let found = closure(&mut session, DROP, &[root]).await.unwrap();
        let refused = hold_still(&mut session, &found, SHORT)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_copied_exactly_is_refused_in_words() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server
        .psql_as(
            &owner,
            "CREATE TABLE public.hidden (a text); ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY;
             ALTER TABLE public.hidden FORCE ROW LEVEL SECURITY; INSERT INTO public.hidden SELECT 'x' WHERE false;
             CREATE TABLE public.one (id integer PRIMARY KEY);
             CREATE TABLE public.two (id integer PRIMARY KEY REFERENCES public.one);
             ALTER TABLE public.one ADD FOREIGN KEY (id) REFERENCES public.two;
             CREATE FUNCTION public.more() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN DELETE FROM public.one; RETURN NULL; END';
             CREATE TABLE public.bait (a text);
             CREATE TRIGGER more BEFORE TRUNCATE ON public.bait EXECUTE FUNCTION public.more()",
        )
        .unwrap();
    let source = source(&server, &owner).await;
    let mut session = acting(&source).await;
    session
        .ask("CREATE TEMPORARY TABLE mine (a text)")
        .await
        .unwrap();
    let temporary = Address::relation(oid(&mut session, "pg_temp.mine").await);
    let refused = closure(&mut session, DROP, &[temporary])
        .await
        .unwrap()
        .check()
        .unwrap_err();
    assert!(refused.to_string().contains("is temporary"), "{refused}");
    let language = session
        .ask("SELECT 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid, oid FROM pg_catalog.pg_extension")
        .await
        .unwrap()
        .remove(0);
    let extension = Address {
        class: language[0].clone().unwrap().parse().unwrap(),
        object: language[1].clone().unwrap().parse().unwrap(),
        column: 0,
    };
    let refused = closure(&mut session, DROP, &[extension])
        .await
        .unwrap()
        .check()
        .unwrap_err();
    assert!(
        refused.to_string().contains("CREATE EXTENSION"),
        "{refused}"
    );
    session.close().await;

    // Row-level security that would leave rows out fails the copy instead.
    let mut session = acting(&source).await;
    let hidden = Address::relation(oid(&mut session, "public.hidden").await);
    let one = Address::relation(oid(&mut session, "public.one").await);
    session.close().await;
    let failed = destroy(&source, DROP, &[hidden], "DROP TABLE public.hidden")
        .await
        .unwrap_err();
    assert!(
        failed.to_string().contains("row-level security"),
        "{failed}"
    );
    let truncate = Act::Truncate {
        cascade: true,
        restart_identity: false,
    };
    let mut session = acting(&source).await;
    let bait = Address::relation(oid(&mut session, "public.bait").await);
    session.close().await;
    let failed = destroy(&source, truncate, &[bait], "TRUNCATE public.bait")
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("may destroy more"), "{failed}");
    let failed = destroy(&source, truncate, &[one], "TRUNCATE public.one CASCADE")
        .await
        .unwrap_err();
    assert!(failed.to_string().contains("in a circle"), "{failed}");
    assert_eq!(
        server
            .psql("SELECT count(*) FROM pg_class WHERE relname IN ('hidden', 'one')")
            .unwrap(),
        "2"
    );
}

/// A reader that breaks off with an error, as the vault's does when an object is not what it was.
struct Broken<'a>(&'a [u8]);

impl AsyncRead for Broken<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(io::Error::other("not what was stored")));
        }
        let some = self.0.len().min(buffer.remaining());
        buffer.put_slice(&self.0[..some]);
        self.0 = &self.0[some..];
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_copy_that_breaks_off_brings_nothing_back() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server.psql_as(&owner, COMPANY).unwrap();
    server.psql_as(&owner, REST).unwrap();
    let source = source(&server, &owner).await;
    let mut session = acting(&source).await;
    let root = Address::relation(oid(&mut session, "public.customers").await);
    session.close().await;
    let before = picture(&server);
    let statement = "DROP TABLE public.customers CASCADE";
    let (_, _, script) = destroy(&source, DROP, &[root], statement).await.unwrap();
    let without = picture(&server);
    let copy_ends = script
        .windows(4)
        .position(|part| part == b"\n\\.\n")
        .unwrap();
    for end in [0, 100, copy_ends - 5, copy_ends + 4, script.len() - 1] {
        let broken = bring_back(&mut Broken(&script[..end]), &source)
            .await
            .unwrap_err();
        assert!(!broken.to_string().is_empty());
        assert_same(&without, &picture(&server), &format!("cut at {end}"));
    }
    bring_back(&mut script.as_slice(), &source).await.unwrap();
    assert_same(&before, &picture(&server), "whole");
}

#[tokio::test]
async fn psql_and_zstd_alone_bring_it_back() {
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server.psql_as(&owner, COMPANY).unwrap();
    server.psql_as(&owner, REST).unwrap();
    let source = source(&server, &owner).await;
    let mut session = acting(&source).await;
    let root = Address::relation(oid(&mut session, "public.parts").await);
    session.close().await;
    let before = picture(&server);
    let (_, _, script) = destroy(&source, DROP, &[root], "DROP TABLE public.parts CASCADE")
        .await
        .unwrap();
    let packed = zstd::encode_all(script.as_slice(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("object.zst");
    std::fs::write(&file, packed).unwrap();
    let unpacked = std::process::Command::new("zstd")
        .args(["-d", "-c", "-q"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    psql_alone(&server, &owner, &unpacked.stdout).unwrap();
    assert_same(&before, &picture(&server), "by psql and zstd");
}
