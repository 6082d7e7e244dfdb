//! The conformance programs are deterministic: two runs, straight at the server, are
//! equal to the byte. Without that, comparing one with a run through the gate says nothing.

use std::process::Command;

use backstop_testing::clients::{self, HTTP_NAMES, NAMES, SOCKET_NAMES};
use backstop_testing::postgres::{Major, PostgresServer, Server};
use backstop_testing::rental;
use backstop_testing::tls::Authority;

/// Too short a transcript means that the program did not do its work.
const SHORTEST: usize = 40;

fn runs_the_same_twice(name: &str, server: &Server, dsn: &str) {
    let first = clients::transcript(name, dsn).unwrap();
    let second = clients::transcript(name, dsn).unwrap();
    assert_eq!(first, second, "{name}");
    assert!(first.lines().count() > SHORTEST, "{name}: {first}");
    for secret in [
        &server.port().to_string(),
        "throwaway-client",
        "client_role",
    ] {
        assert!(!first.contains(secret), "{name} tells `{secret}`: {first}");
    }
    let left = server.psql("SELECT count(*), max(id) FROM notes").unwrap();
    assert_eq!(left, "10|10", "{name} left notes behind");
}

#[test]
fn every_program_runs_the_same_twice_on_the_oldest_and_the_newest_version() {
    let available = Major::available().unwrap();
    for major in [available.first().unwrap(), available.last().unwrap()] {
        let server = PostgresServer::start(*major).unwrap();
        rental::load(&server).unwrap();
        let client = rental::make_client(&server, "client_role", "throwaway-client").unwrap();
        for name in NAMES {
            runs_the_same_twice(name, &server, &client.dsn());
        }
    }
}

#[test]
fn every_program_verifies_the_servers_certificate() {
    let authority = Authority::new("a test authority").unwrap();
    let server = PostgresServer::of(Major::any().unwrap())
        .tls_only(authority.loopback().unwrap())
        .run()
        .unwrap();
    rental::load(&server).unwrap();
    let client = rental::make_client(&server, "client_role", "throwaway-client").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let dsn = format!(
        "{} sslmode=verify-full sslrootcert='{}'",
        client.dsn(),
        file.path().display()
    );
    for name in NAMES {
        std::fs::write(file.path(), authority.certificate_pem()).unwrap();
        clients::transcript(name, &dsn).unwrap();
        std::fs::write(
            file.path(),
            Authority::new("another").unwrap().certificate_pem(),
        )
        .unwrap();
        assert!(
            clients::transcript(name, &dsn).is_err(),
            "{name} trusted a stranger"
        );
    }
}

#[test]
fn the_runner_names_the_programs_that_this_crate_knows() {
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/clients/run");
    for (list, names) in [
        ("list", &NAMES[..]),
        ("list-http", &HTTP_NAMES),
        ("list-sockets", &SOCKET_NAMES),
    ] {
        let listed = Command::new(run).arg(list).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert_eq!(listed.lines().collect::<Vec<_>>(), names);
    }
}
