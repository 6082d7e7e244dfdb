//! Held actions that are first run on the copy that a drill leaves: what they are seen to do, and what they cannot do.

use std::path::PathBuf;
use std::time::Duration;

use backstop_core::digest::Digest;
use backstop_core::rehearsal::{Bound, Ended, NotMeasured, Rehearsal, Rows, Undo, Why};
use backstop_testing::postgres::{Major, PostgresServer, Server};
use backstop_vault::points::drill::{Setup, drill};
use backstop_vault::points::objects::Act;
use backstop_vault::points::rehearse::{Ask, Bounds, Copy, Parameters};

use crate::database::point;
use crate::support::{majors, source};

/// Cascades, keys that are not integers, generated and identity columns, triggers, a function, partitions.
const SHOP: &str = r#"
CREATE TABLE public.customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    shout text GENERATED ALWAYS AS (upper(name)) STORED, since timestamptz NOT NULL DEFAULT '2026-01-01 12:00+02');
CREATE TABLE public.orders (id serial PRIMARY KEY, customer integer NOT NULL REFERENCES public.customers ON DELETE CASCADE,
    weight double precision, data bytea);
CREATE TABLE public."Odd ""lines" (order_id integer REFERENCES public.orders ON DELETE CASCADE, line text, value numeric,
    PRIMARY KEY (order_id, line));
CREATE TABLE public.keyless (a integer, b text);
CREATE TABLE public.parts (id integer, at integer, PRIMARY KEY (id, at)) PARTITION BY LIST (at);
CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES IN (1);
CREATE TABLE public.parts_2 PARTITION OF public.parts FOR VALUES IN (2);
CREATE VIEW public.names AS SELECT name FROM public.customers;
CREATE FUNCTION public.purge() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM public.orders WHERE id <= 10; RETURN 1; END $$;
INSERT INTO public.customers (name) SELECT 'c' || g FROM generate_series(1, 100) g;
INSERT INTO public.orders (customer, weight, data)
    SELECT 1 + g % 100, CASE g % 3 WHEN 0 THEN 'NaN' ELSE g / 7.0 END, decode(md5(g::text), 'hex') FROM generate_series(1, 1000) g;
INSERT INTO public."Odd ""lines" SELECT 1 + g % 1000, 'l' || g, g / 3.0 FROM generate_series(1, 3000) g;
INSERT INTO public.keyless SELECT g % 5, 'k' FROM generate_series(1, 50) g;
INSERT INTO public.parts SELECT g, 1 + g % 2 FROM generate_series(1, 100) g;
"#;

/// A copy of a server's database.
pub struct Shop {
    pub server: Server,
    pub copy: Copy,
    _scratch: tempfile::TempDir,
}

impl Shop {
    async fn of(major: Major, more: &str) -> Self {
        let server = PostgresServer::start(major).unwrap();
        server.psql_as(&server.owner(), SHOP).unwrap();
        if !more.is_empty() {
            server.psql_as(&server.owner(), more).unwrap();
        }
        let source = source(&server, &server.superuser()).await;
        let point = point(&source).await;
        let scratch = tempfile::tempdir().unwrap();
        let setup = Setup {
            tools: source.tools.clone(),
            scratch: scratch.path().to_owned(),
            hidden: vec![PathBuf::from("/var/lib")],
            longest: Duration::from_secs(600),
            stays: true,
        };
        let (drilled, copy) = drill(
            &Digest([7; 32]).to_hex(),
            &point.taken.manifest,
            &mut point.roles.as_slice(),
            &mut point.archive.as_slice(),
            &setup,
            &(),
        )
        .await
        .unwrap();
        assert!(drilled.succeeded(), "{:?}", drilled.differences);
        Self {
            server,
            copy: copy.expect("the server stays"),
            _scratch: scratch,
        }
    }

    pub async fn new(more: &str) -> Self {
        Self::of(Major::any().unwrap(), more).await
    }

    pub fn ask(&self, statement: &str) -> Ask {
        Ask {
            target: "shop".to_owned(),
            role: self.server.owner().user,
            earlier: vec![],
            statement: statement.to_owned(),
            parameters: None,
            search_path: vec!["public".to_owned()],
            settings: vec![("DateStyle".to_owned(), "SQL, DMY".to_owned())],
            objects: None,
        }
    }

    pub async fn run(&mut self, statement: &str) -> Rehearsal {
        let ask = self.ask(statement);
        self.copy.rehearse(&ask).await
    }

    async fn takes(&mut self, act: Act, names: &[&str], statement: &str) -> Rehearsal {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let ask = Ask {
            objects: Some((act, names)),
            ..self.ask(statement)
        };
        self.copy.rehearse(&ask).await
    }

    /// The copy is what it was.
    pub async fn is_whole(&mut self) {
        let differences = self.copy.differences().await.unwrap();
        assert_eq!(differences, Vec::<String>::new());
    }
}

fn rows(table: &str, inserted: u64, updated: u64, deleted: u64) -> Rows {
    Rows {
        table: table.to_owned(),
        inserted,
        updated,
        deleted,
    }
}

#[track_caller]
fn brought_back(told: &Rehearsal) {
    assert_eq!(told.end, Ended::Ran, "{told:?}");
    assert!(matches!(told.undo, Undo::Took { .. }), "{told:?}");
}

fn locked(told: &Rehearsal, relation: &str) -> String {
    let lock = told.locks.iter().find(|lock| lock.relation == relation);
    lock.map_or_else(String::new, |lock| lock.mode.clone())
}

#[tokio::test]
async fn rows_are_counted_and_brought_back_with_all_that_cascades() {
    for major in majors() {
        let mut shop = Shop::of(major, "").await;
        let told = shop.run("DELETE FROM customers WHERE id <= 10").await;
        brought_back(&told);
        assert_eq!(told.point, Some(Digest([7; 32])));
        assert_eq!(
            told.tables,
            [
                rows("public.\"Odd \"\"lines\"", 0, 0, 300),
                rows("public.customers", 0, 0, 10),
                rows("public.orders", 0, 0, 100),
            ]
        );
        assert_eq!(locked(&told, "public.customers"), "RowExclusiveLock");
        assert!(told.gone.is_empty());
        shop.is_whole().await;

        let told = shop.run("UPDATE orders SET weight = 0, data = NULL").await;
        brought_back(&told);
        assert_eq!(told.tables, [rows("public.orders", 0, 1000, 0)]);
        shop.is_whole().await;

        // What a function does shows, too, and what its rows take with them.
        let told = shop.run("SELECT purge()").await;
        brought_back(&told);
        assert_eq!(told.lost(), 10 + 30);
        shop.is_whole().await;

        // Rows that are only locked are not lost, nor are those that come.
        let told = shop
            .run("INSERT INTO orders (customer) SELECT id FROM customers")
            .await;
        assert_eq!(told.tables, [rows("public.orders", 100, 0, 0)]);
        assert_eq!(told.undo, Undo::Nothing);
        shop.is_whole().await;
    }
}

#[tokio::test]
async fn what_its_transaction_did_before_is_run_before_and_counted() {
    let mut shop = Shop::new("").await;
    let inside = |shop: &Shop, earlier: &[&str], statement: &str| Ask {
        earlier: earlier.iter().map(|text| (*text).to_owned()).collect(),
        ..shop.ask(statement)
    };
    let ask = inside(
        &shop,
        &[
            "INSERT INTO customers (name) VALUES ('new')",
            "DELETE FROM orders WHERE id <= 10",
            "savepoint s",
            "DELETE FROM orders WHERE id <= 500",
            "rollback to s",
        ],
        "DELETE FROM orders WHERE id BETWEEN 5 AND 20",
    );
    let told = shop.copy.rehearse(&ask).await;
    brought_back(&told);
    assert_eq!(
        told.tables,
        [
            // The server counts what was rolled back to a savepoint as well, there as here.
            rows("public.\"Odd \"\"lines\"", 0, 0, 60 + 1470),
            rows("public.customers", 1, 0, 0),
            rows("public.orders", 0, 0, 20 + 490),
        ]
    );
    shop.is_whole().await;

    // What it was before is not what it is on the copy.
    let ask = inside(&shop, &["DELETE FROM nowhere"], "DELETE FROM orders");
    let told = shop.copy.rehearse(&ask).await;
    let missing = "42P01".to_owned();
    assert_eq!(told.end, Ended::Failed { sqlstate: missing });
    // Nothing of it may end the transaction that everything is taken back with.
    for way_out in [
        "commit",
        "select 1; commit",
        "rollback",
        "prepare transaction 'x'",
    ] {
        let ask = inside(&shop, &["DELETE FROM orders", way_out], "select 1");
        let told = shop.copy.rehearse(&ask).await;
        let why = Why::NoTransaction;
        assert_eq!(told.end, Ended::Not { why }, "{way_out}");
    }
    shop.is_whole().await;

    // Objects in the middle of a transaction are counted, and bringing them back is not timed.
    let ask = Ask {
        objects: Some((
            Act::Drop { cascade: true },
            vec!["public.orders".to_owned()],
        )),
        ..inside(
            &shop,
            &["DELETE FROM orders WHERE id <= 10"],
            "DROP TABLE orders CASCADE",
        )
    };
    let told = shop.copy.rehearse(&ask).await;
    assert_eq!(told.end, Ended::Ran, "{told:?}");
    let why = NotMeasured::Unsuited;
    assert_eq!(told.undo, Undo::Not { why });
    assert!(told.gone.iter().any(|name| name == "table public.orders"));
    shop.is_whole().await;
}

#[tokio::test]
async fn whole_objects_are_counted_and_brought_back_with_what_goes_with_them() {
    for major in majors() {
        let mut shop = Shop::of(major, "").await;
        let drop = Act::Drop { cascade: true };
        let told = shop
            .takes(drop, &["public.orders"], "DROP TABLE orders CASCADE")
            .await;
        brought_back(&told);
        assert_eq!(told.tables, [rows("public.orders", 0, 0, 1000)]);
        assert_eq!(
            told.gone,
            [
                "table public.orders",
                "sequence public.orders_id_seq",
                "constraint Odd \"lines_order_id_fkey on table public.\"Odd \"\"lines\"",
            ]
        );
        assert_eq!(locked(&told, "public.orders"), "AccessExclusiveLock");
        shop.is_whole().await;

        let truncate = Act::Truncate {
            cascade: true,
            restart_identity: false,
        };
        let told = shop
            .takes(
                truncate,
                &["public.customers"],
                "TRUNCATE customers CASCADE",
            )
            .await;
        brought_back(&told);
        assert_eq!(told.lost(), 100 + 1000 + 3000);
        assert!(told.gone.is_empty());
        shop.is_whole().await;

        // Each partition tells for itself.
        let told = shop
            .takes(drop, &["public.parts"], "DROP TABLE public.parts")
            .await;
        brought_back(&told);
        assert_eq!(told.lost(), 100);
        shop.is_whole().await;

        // What an action that changes a table's form would take is not known to be rehearsable.
        let told = shop
            .takes(
                Act::Rewrite,
                &["public.orders"],
                "ALTER TABLE orders DROP COLUMN data",
            )
            .await;
        assert_eq!(told.gone, ["column data of table public.orders"]);
        assert_eq!(
            told.undo,
            Undo::Not {
                why: NotMeasured::Unsuited
            }
        );
        shop.is_whole().await;
    }
}

/// Refused, cut off, or not run at all; and the copy is what it was.
#[tokio::test]
async fn what_does_not_end_answers_without_end_or_fails_is_cut_off_and_told() {
    let mut shop = Shop::new("").await;
    shop.copy = shop.copy.bounded(Bounds {
        act: Duration::from_secs(4),
        answer: 1 << 20,
        ..Bounds::default()
    });
    let cut = |at| Ended::CutOff { at };
    let failed = |sqlstate: &str| Ended::Failed {
        sqlstate: sqlstate.to_owned(),
    };
    let not = |why| Ended::Not { why };
    let cases = [
        ("SELECT pg_sleep(3600)", cut(Bound::Time)),
        (
            "SET statement_timeout = 0; DELETE FROM orders; SELECT count(*) FROM generate_series(1, 1000000000000)",
            cut(Bound::Time),
        ),
        (
            "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)",
            cut(Bound::Answer),
        ),
        ("SELECT repeat('x', 20000000)", cut(Bound::Answer)),
        ("SELECT 1/0", failed("22012")),
        ("DELETE FROM nowhere", failed("42P01")),
        ("COPY orders FROM STDIN", failed("57014")),
        ("VACUUM orders", failed("25001")),
        ("DROP TABLE orders", failed("2BP01")),
        ("COMMIT", not(Why::NoTransaction)),
        (
            "DELETE FROM orders; COMMIT; BEGIN; SELECT 1",
            not(Why::NoTransaction),
        ),
        (
            "DELETE FROM orders; ROLLBACK; DELETE FROM keyless",
            not(Why::NoTransaction),
        ),
        ("PREPARE TRANSACTION 'x'", not(Why::NoTransaction)),
        (
            "DO $$ BEGIN DELETE FROM orders; COMMIT; END $$",
            failed("2D000"),
        ),
        ("this is no SQL", not(Why::NoTransaction)),
    ];
    for (text, end) in cases {
        let told = shop.run(text).await;
        assert_eq!(told.end, end, "{text}: {told:?}");
        assert!(told.tables.is_empty(), "{text}");
        shop.is_whole().await;
    }
    assert!(!shop.copy.is_spent());
    let ask = Ask {
        role: "nobody".to_owned(),
        ..shop.ask("SELECT 1")
    };
    assert_eq!(shop.copy.rehearse(&ask).await.end, not(Why::NoRole));
    let ask = Ask {
        role: "postgres".to_owned(),
        ..shop.ask("SELECT 1")
    };
    assert_eq!(shop.copy.rehearse(&ask).await.end, not(Why::NoRole));
}

#[tokio::test]
async fn parameters_settings_and_names_mean_there_what_they_mean_at_the_gate() {
    let mut shop = Shop::new(
        "CREATE SCHEMA other; CREATE TABLE other.orders (id integer); INSERT INTO other.orders VALUES (1), (2);
         CREATE TABLE public.days (day date PRIMARY KEY); INSERT INTO public.days VALUES ('2026-03-02')",
    )
    .await;
    let ask = Ask {
        search_path: vec!["other".to_owned(), "public".to_owned()],
        parameters: Some(Parameters {
            types: vec![23],
            formats: vec![1],
            values: vec![Some("00000002".to_owned())],
        }),
        ..shop.ask("DELETE FROM orders WHERE id < $1")
    };
    let told = shop.copy.rehearse(&ask).await;
    // Without a key, what was deleted can still go back.
    brought_back(&told);
    assert_eq!(told.tables, [rows("other.orders", 0, 0, 1)]);
    // The day comes first there.
    let told = shop.run("DELETE FROM days WHERE day = '02/03/2026'").await;
    assert_eq!(told.lost(), 1, "{told:?}");
    // Rows that have no key cannot be found again once they were changed.
    let told = shop.run("UPDATE keyless SET b = 'x'").await;
    assert_eq!(
        told.undo,
        Undo::Not {
            why: NotMeasured::NoKey
        }
    );
    shop.is_whole().await;
}
