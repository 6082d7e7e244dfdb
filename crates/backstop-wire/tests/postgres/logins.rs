//! This crate's startup, SCRAM and cancel messages against real servers.

use std::thread;
use std::time::Duration;

use backstop_testing::postgres::{Major, PostgresServer};
use backstop_wire::postgres::scram::Verifier;
use backstop_wire::postgres::startup::Minor;

use crate::connection::Connection;
use crate::relay::{Server, seen};
use crate::script::Message;

#[test]
fn a_real_server_believes_our_client_and_our_verifier() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let verifier = Verifier::generate("pencil\u{ad}s").unwrap();
        let verifier = verifier.to_postgres().unwrap();
        let sql = format!("CREATE ROLE agent LOGIN PASSWORD '{verifier}'");
        server.psql(&sql).unwrap();
        let right = server.superuser().as_role("agent", "pencils");
        let wrong = server.superuser().as_role("agent", "pencil");
        assert!(Connection::open(&right, Minor::V0).is_ok(), "{major}");
        let refused = Connection::open(&wrong, Minor::V0).err();
        assert_eq!(refused.as_deref(), Some("28P01"), "{major}");
    }
}

#[test]
fn a_real_verifier_is_read_and_written_alike() {
    let server = PostgresServer::start_any().unwrap();
    server.psql("CREATE ROLE agent PASSWORD 'pencil'").unwrap();
    let sql = "SELECT rolpassword FROM pg_authid WHERE rolname = 'agent'";
    let theirs = server.psql(sql).unwrap();
    let verifier: Verifier = theirs.trim().parse().unwrap();
    assert_eq!(verifier.to_postgres().as_deref(), Some(theirs.trim()));
}

#[test]
fn versions_are_negotiated_and_keys_cancel() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let address = server.owner();
        let mut session = Connection::open(&address, Minor::V2).unwrap();
        let key = session.key.clone().expect("a server gives a key");
        let speaks_3_2 = major.number() >= 18;
        assert_eq!(session.negotiated, (!speaks_3_2).then_some(0), "{major}");
        assert_eq!(key.secret.len() > 4, speaks_3_2, "{major}");
        session.write(&Message::Query("SELECT pg_sleep(60)").to_bytes());
        // A request that comes before the query has begun is lost, so it is repeated.
        let canceller = thread::spawn(move || {
            for _ in 0..5 {
                thread::sleep(Duration::from_millis(200));
                Connection::cancel(&address, &key);
            }
        });
        let mut all = Vec::new();
        while all.last().is_none_or(|last| last != "Z Idle") {
            let frame = session.read().expect("the session goes on");
            all.extend(seen(frame.tag, frame.body()));
        }
        canceller.join().unwrap();
        assert!(all.contains(&"E 57014".to_owned()), "{major}: {all:?}");
    }
}
