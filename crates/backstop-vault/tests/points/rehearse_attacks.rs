//! What an agent tries from within a rehearsal, who may ask for one, and what a keeper of a copy that lies can do.

use std::sync::Arc;
use std::time::Duration;

use backstop_core::rehearsal::{Ended, Rehearsal, Why};
use backstop_vault::points::rehearse::{Ask, Copies, Server, rehearse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::rehearse::Shop;

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn no_road_leads_out_of_a_rehearsal_and_none_stays_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let mut shop = Shop::new("").await;
    let roads = [
        "COPY (SELECT 1) TO PROGRAM 'touch CANARY'",
        "COPY (SELECT 1) TO 'CANARY'",
        "COPY keyless FROM '/etc/passwd'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/tmp/drill/socket')",
        "SELECT lo_export(lo_create(0), 'CANARY')",
        "SELECT lo_import('/etc/passwd')",
        "CREATE EXTENSION dblink",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "GRANT pg_execute_server_program TO CURRENT_USER",
        "CREATE ROLE more LOGIN",
        "ALTER SYSTEM SET archive_command = 'touch CANARY'",
        "SET temp_file_limit = -1",
        "SELECT pg_reload_conf()",
        "CREATE FUNCTION f() RETURNS void LANGUAGE c AS '/lib/x86_64-linux-gnu/libc.so.6', 'abort'",
        "SELECT pg_create_physical_replication_slot('x')",
        // To psql these would be commands; here they are no SQL.
        "\\! touch CANARY",
        "SELECT 1 \\gexec",
    ];
    for road in roads {
        let told = shop
            .run(&road.replace("CANARY", &canary.display().to_string()))
            .await;
        assert_ne!(told.end, Ended::Ran, "{road}: {told:?}");
        assert!(!canary.exists(), "{road}");
    }
    shop.is_whole().await;
    assert!(!shop.copy.is_spent());
}

#[tokio::test]
async fn what_no_rollback_takes_back_is_put_back() {
    let mut shop = Shop::new("").await;
    // The next number is the same each time, whatever was drawn or set before.
    let next = "DO $$ BEGIN IF nextval('orders_id_seq') <> 1001 THEN RAISE EXCEPTION 'moved'; END IF; END $$";
    for text in [
        next,
        "SELECT setval('orders_id_seq', 5000)",
        next,
        "INSERT INTO orders (customer) SELECT id FROM customers",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_advisory_lock(1)",
        "LISTEN x",
        "SET statement_timeout = 60000",
        next,
    ] {
        let told = shop.run(text).await;
        assert_eq!(told.end, Ended::Ran, "{text}: {told:?}");
    }
    shop.is_whole().await;
}

/// A line of what the act raised must not come back, nor a value.
#[tokio::test]
async fn nothing_comes_back_but_figures() {
    let mut shop = Shop::new("").await;
    for text in [
        "DO $$ BEGIN RAISE EXCEPTION 'secret-%', (SELECT name FROM customers LIMIT 1); END $$",
        "SELECT name::integer, 'secret-c' FROM customers",
        "SELECT 'secret-c', name FROM customers",
        "INSERT INTO customers (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'secret-c')",
    ] {
        let told = serde_json::to_string(&shop.run(text).await).unwrap();
        assert!(!told.contains("secret") && !told.contains("c1"), "{told}");
    }
}

#[tokio::test]
async fn only_the_gates_user_is_let_in_and_one_comes_after_the_other() {
    let shop = Shop::new("").await;
    let ask = shop.ask("DELETE FROM customers WHERE id = 1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.sock");
    let user = rustix::process::geteuid().as_raw();

    let others = Server::bind(&path, &[user + 1]).unwrap();
    let copies = Arc::new(Copies::default());
    copies.put("shop", shop.copy);
    let serving = tokio::spawn({
        let copies = Arc::clone(&copies);
        async move { others.run(copies).await }
    });
    assert_eq!(
        rehearse(&path, &ask, PATIENCE).await,
        Rehearsal::not(Why::NoCopy)
    );
    serving.abort();
    let _ = serving.await;
    assert!(!path.exists());

    let ours = Server::bind(&path, &[user]).unwrap();
    let serving = tokio::spawn({
        let copies = Arc::clone(&copies);
        async move { ours.run(copies).await }
    });
    let (one, two) = tokio::join!(
        rehearse(&path, &ask, PATIENCE),
        rehearse(&path, &ask, PATIENCE)
    );
    assert_eq!(one.end, Ended::Ran, "{one:?}");
    assert_eq!((one.tables.clone(), two.end.clone()), (two.tables, one.end));
    let other = Ask {
        target: "books".to_owned(),
        ..ask.clone()
    };
    let told = rehearse(&path, &other, PATIENCE).await;
    assert_eq!(told, Rehearsal::not(Why::NoCopy));

    // What asks no question is shown out; so is what asks too long a one.
    for question in [b"nonsense\n".to_vec(), vec![b' '; 5 << 20]] {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        let _ = stream.write_all(&question).await;
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }

    // Whoever waits for an answer when the copy goes is not left waiting.
    let endless = Ask {
        statement: "SELECT pg_sleep(3600)".to_owned(),
        ..ask
    };
    let asking = rehearse(&path, &endless, PATIENCE);
    let going = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        serving.abort();
    };
    let (told, ()) = tokio::join!(asking, going);
    assert!(matches!(told.end, Ended::Not { .. }), "{told:?}");
}

#[tokio::test]
async fn a_keeper_that_lies_is_taken_at_its_word_and_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let long = "x".repeat(3 << 20);
    let names = vec!["\u{202e}<script>\n"; 5_000];
    let lie = serde_json::json!({
        "end": { "how": "failed", "sqlstate": "<b>no</b>" },
        "milliseconds": u64::MAX,
        "gone": names,
        "undo": { "how": "took", "milliseconds": u64::MAX },
    });
    let more = serde_json::json!({
        "end": { "how": "ran" }, "milliseconds": 1, "undo": { "how": "nothing" }, "html": "<script>",
    });
    let answers = [long, "{".to_owned(), more.to_string(), lie.to_string()];
    let lying = tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        // And one that never says anything.
        let (_kept, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let ask = Ask {
        target: "shop".to_owned(),
        role: "owner".to_owned(),
        earlier: vec![],
        statement: "SELECT 1".to_owned(),
        parameters: None,
        search_path: vec![],
        settings: vec![],
        objects: None,
    };
    for _ in 0..3 {
        let told = rehearse(&path, &ask, PATIENCE).await;
        assert_eq!(told, Rehearsal::not(Why::Lost));
    }
    let told = rehearse(&path, &ask, PATIENCE).await;
    assert_eq!(
        told.end,
        Ended::Failed {
            sqlstate: "XX000".to_owned()
        }
    );
    assert!(told.gone.len() <= 50 && told.gone_more > 4_000);
    assert!(!told.gone.iter().any(|name| name.contains('\n')));
    let told = rehearse(&path, &ask, Duration::from_millis(300)).await;
    assert_eq!(told, Rehearsal::not(Why::Lost));
    lying.abort();
}
