//! The throwaway servers start, are what they claim, and leave nothing behind.

use std::process::Command;

use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::tls::Authority;

#[test]
fn every_version_here_starts_and_its_owner_is_no_superuser() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let version = server.psql("SHOW server_version_num").unwrap();
        assert!(
            version.starts_with(&major.number().to_string()),
            "{version}"
        );
        let owner = server
            .psql_as(&server.owner(), "SELECT rolsuper, rolcreaterole, current_database() FROM pg_roles WHERE rolname = current_user")
            .unwrap();
        assert_eq!(owner, "f|t|app");
        server
            .psql_as(
                &server.owner(),
                "CREATE ROLE made LOGIN; DROP ROLE made; CREATE TABLE t (a int)",
            )
            .unwrap();
    }
}

#[test]
fn passwords_are_asked_for_on_tcp_and_on_the_socket() {
    let server = PostgresServer::start_any().unwrap();
    let wrong = server.owner().as_role("owner", "wrong");
    let error = server.psql_as(&wrong, "SELECT 1").unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
    let socket = server.socket_folder().display().to_string();
    let by_socket = server.owner().through(&socket, server.port());
    assert_eq!(
        server
            .psql_as(&by_socket, "SELECT inet_client_addr() IS NULL")
            .unwrap(),
        "t"
    );
    let method = server
        .psql("SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'owner'")
        .unwrap();
    assert_eq!(method, "SCRAM-SHA-256");
}

#[test]
fn restart_and_kill_keep_port_and_data() {
    let mut server = PostgresServer::start_any().unwrap();
    let port = server.port();
    server
        .psql_as(
            &server.owner(),
            "CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)",
        )
        .unwrap();
    server.restart().unwrap();
    server.kill().unwrap();
    assert!(server.psql("SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(server.psql("SELECT a FROM kept").unwrap(), "7");
    assert!(
        server.log().contains("automatic recovery")
            || server.log().contains("not properly shut down"),
        "{}",
        server.log()
    );
}

#[test]
fn settings_and_tls_are_as_asked() {
    let authority = Authority::new("a test authority").unwrap();
    let server = PostgresServer::of(Major::any().unwrap())
        .fsync(true)
        .setting("application_name", "it's set")
        .tls_only(authority.loopback().unwrap())
        .run()
        .unwrap();
    let answer = server
        .psql("SELECT current_setting('fsync'), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .unwrap();
    assert_eq!(answer, "on|t");
    assert_eq!(
        server
            .psql("SELECT reset_val FROM pg_settings WHERE name = 'max_connections'")
            .unwrap(),
        "200"
    );

    let trusted = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trusted.path(), authority.certificate_pem()).unwrap();
    let verified = |mode: &str, root: &std::path::Path| {
        let dsn = format!(
            "{} sslmode={mode} sslrootcert={}",
            server.owner().dsn(),
            root.display()
        );
        let psql = server.installation().client("psql").unwrap();
        Command::new(psql)
            .args(["-XAtc", "SELECT 1", &dsn])
            .output()
            .unwrap()
    };
    assert!(verified("verify-full", trusted.path()).status.success());
    std::fs::write(
        trusted.path(),
        Authority::new("another").unwrap().certificate_pem(),
    )
    .unwrap();
    let refused = String::from_utf8(verified("verify-full", trusted.path()).stderr).unwrap();
    assert!(refused.contains("certificate verify failed"), "{refused}");
    let refused = String::from_utf8(verified("disable", trusted.path()).stderr).unwrap();
    assert!(refused.contains("no pg_hba.conf entry"), "{refused}");
}

#[test]
fn nothing_stays_behind() {
    let server = PostgresServer::start_any().unwrap();
    let folder = server.socket_folder().parent().unwrap().to_owned();
    let main: u32 = std::fs::read_to_string(folder.join("data/postmaster.pid"))
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    drop(server);
    assert!(!folder.exists());
    assert!(!std::path::Path::new(&format!("/proc/{main}")).exists());

    let mut killed = PostgresServer::start_any().unwrap();
    let folder = killed.socket_folder().parent().unwrap().to_owned();
    let pid_file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let segment = pid_file
        .lines()
        .nth(6)
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned();
    killed.kill().unwrap();
    drop(killed);
    assert!(!folder.exists());
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let left = segments
        .lines()
        .any(|line| line.split_whitespace().nth(1) == Some(segment.as_str()));
    assert!(!left, "shared memory segment {segment} was left behind");
}
