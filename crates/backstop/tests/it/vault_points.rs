//! Recovery points through the whole binary: a served vault takes a database and the objects that an action took;
//! `vault drill` proves the point, `vault restore` brings both back after the server's data directory is gone.

use backstop_core::secret::Secret;
use backstop_testing::postgres::{Connection, Installation, PostgresServer, Server};
use backstop_vault::points::objects::{Act, Address, Patience, closure, confirm, hold_still};
use backstop_vault::points::{Question, Session, Source, Tls, Tools, keep};
use backstop_vault::{Class, Label};

use crate::vault::{Made, flip};

const SHOP: &str = "
CREATE TABLE public.customers (id integer PRIMARY KEY, name text);
CREATE TABLE public.orders (id integer PRIMARY KEY, customer integer REFERENCES public.customers);
INSERT INTO public.customers SELECT g, 'n' || g FROM pg_catalog.generate_series(1, 1000) g;
INSERT INTO public.orders SELECT g, g FROM pg_catalog.generate_series(1, 1000) g;";

const ROWS: &str = "SELECT pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(c::text, ',' ORDER BY id)) FROM public.customers c";

/// A server as recovery points are taken from it.
pub(crate) async fn source(server: &Server, at: &Connection) -> Source {
    let installation = Installation::find(server.major()).unwrap();
    let bin = installation.whole().unwrap();
    Source {
        host: at.host.clone(),
        port: at.port,
        user: at.user.clone(),
        password: Some(Secret::new(at.password.clone())),
        database: at.database.clone(),
        tls: Tls::Off,
        tools: Tools::at(&bin, server.major().number()).await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_and_a_dropped_table_come_back_from_the_vault() {
    let made = Made::new();
    let serving = made.serve();
    let client = made.client();
    let server = PostgresServer::start_any().unwrap();
    let owner = server.owner();
    server.psql_as(&owner, SHOP).unwrap();
    let before = server.psql_as(&owner, ROWS).unwrap();
    let from = source(&server, &owner).await;
    let (point, index, taken) = keep::store_point(&client, "shop", &from, &())
        .await
        .unwrap();
    assert_eq!(taken.manifest.rows(), 2000);
    assert_eq!(index.archive.bytes, taken.archive.1);

    // What one action takes, in the order that the gate keeps.
    let mut acting = Session::open(&from).await.unwrap();
    acting.ask("BEGIN READ WRITE").await.unwrap();
    let oid = acting
        .ask("SELECT 'public.customers'::pg_catalog.regclass::pg_catalog.oid")
        .await
        .unwrap()[0][0]
        .clone()
        .unwrap();
    let roots = [Address::relation(oid.parse().unwrap())];
    let found = closure(&mut acting, Act::Drop { cascade: true }, &roots)
        .await
        .unwrap();
    let (held, snapshot) = hold_still(&mut acting, &found, Patience::default())
        .await
        .unwrap();
    let label = Label {
        class: Class::Objects,
        target: "shop".to_owned(),
        lease: None,
        note: "public.customers".to_owned(),
    };
    let (copied, stored) = keep::store_copy(&client, &label, &held, &from, &snapshot)
        .await
        .unwrap();
    assert_eq!(stored.plain.to_hex(), copied.sha256);
    confirm(&mut acting, &held, Patience::default())
        .await
        .unwrap();
    acting
        .ask("DROP TABLE public.customers CASCADE")
        .await
        .unwrap();
    acting.ask("COMMIT").await.unwrap();
    acting.close().await;

    let recovery = made.path("recovery");
    let back = |name: &str, into: &Connection| {
        let dsn = format!("{}?sslmode=disable", into.url());
        made.vault(
            "restore",
            &[
                "--json",
                "--point",
                name,
                "--into",
                &dsn,
                "--identity",
                &recovery,
            ],
        )
    };
    let copy = stored.name.to_hex();
    back(&copy, &owner).fine();
    assert_eq!(server.psql_as(&owner, ROWS).unwrap(), before);
    assert!(
        server
            .psql_as(&owner, "INSERT INTO public.orders VALUES (0, 0)")
            .is_err()
    );
    // A second time there is something in its place, and nothing changes.
    assert_eq!(back(&copy, &owner).code, 1);
    let refused = back(&copy, &server.superuser());
    assert!(refused.err.contains("is a superuser"), "{}", refused.err);

    // The whole data directory is gone.
    drop(server);
    let bin = from.tools.bin().display().to_string();
    let drill = made.path("drill");
    let drilled = made
        .vault(
            "drill",
            &[
                "--json",
                "--identity",
                &drill,
                "--target",
                "shop",
                "--pg-bin",
                &bin,
            ],
        )
        .fine()
        .json();
    assert_eq!(drilled["point"], point.name.to_hex());
    assert_eq!(drilled["rows"], 2000);
    assert_eq!(drilled["differences"], serde_json::json!([]));
    let other = PostgresServer::start_any().unwrap();
    let restored = back(&point.name.to_hex()[..12], &other.owner())
        .fine()
        .json();
    assert_eq!(restored["differences"], serde_json::json!([]));
    assert_eq!(other.psql_as(&other.owner(), ROWS).unwrap(), before);
    serving.stop();

    // A damaged point is told from one that merely does not fit.
    flip(&made.dir(), &index.archive.object, 3000);
    let broken = made.vault("drill", &["--identity", &drill, "--pg-bin", &bin]);
    assert_eq!(broken.code, 4, "{}", broken.err);
    let third = PostgresServer::start_any().unwrap();
    let broken = back(&point.name.to_hex(), &third.owner());
    assert_eq!(broken.code, 4, "{}", broken.err);
}

#[test]
fn what_is_not_there_is_said_with_a_hint() {
    let made = Made::new();
    let drill = made.path("drill");
    let none = made.vault("drill", &["--identity", &drill]);
    assert_eq!(none.code, 2, "{}", none.err);
    assert!(
        none.err
            .contains("no recovery point of a database to drill"),
        "{}",
        none.err
    );
    let none = made.vault(
        "restore",
        &[
            "--point",
            "00",
            "--into",
            "postgresql://a@127.0.0.1:1/b?sslmode=disable",
            "--identity",
            &drill,
        ],
    );
    assert_eq!(none.code, 2, "{}", none.err);
    assert!(none.err.contains("nothing is named `00`"), "{}", none.err);
    let missing = made.path("no-such-key");
    let unread = made.vault("drill", &["--identity", &missing]);
    assert!(unread.err.contains("cannot read the key"), "{}", unread.err);
}
