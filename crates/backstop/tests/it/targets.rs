//! Targets as they are: by socket, IPv6, private authorities and pinned certificates, and agents at every door.
//! Each goes through the whole binary: `init`, `serve`, a lease, a read, a write, an approval, a cancel.

use std::process::Output;

use backstop_core::digest::Digest;
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};
use backstop_testing::tls::{Authority, Identity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::middle::Middle;
use crate::person::Person;
use crate::support::{Installation, Ran, eventually, run};

fn plan() -> PostgresServer {
    PostgresServer::of(Major::any().unwrap())
}

/// Sets up before a server that is reached as `dsn` says, and works with it. How the server saw the agent's
/// connection is handed back: `address|tls`.
fn works(server: Server, dsn: &str, more: &[&str]) -> String {
    let installation = Installation::before(server, dsn, more);
    let (_serving, mut person) = installation.serve_with_person();
    let (_, agent) = installation.lease(&mut person, &["read", "insert:public.items"]);
    works_through(&installation, &mut person, &agent)
}

fn works_through(installation: &Installation, person: &mut Person, agent: &str) -> String {
    let read = installation
        .psql(agent, "select count(*) from items")
        .fine();
    assert_eq!(read.out.trim(), "100");
    installation
        .psql(agent, "insert into items values (101, 'new')")
        .fine();
    // What is approved goes by the gate's own way in.
    let child = installation
        .psql_command(agent, "delete from items where id = 101")
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    succeeded(&child.wait_with_output().unwrap());
    is_cancelled(installation, agent);
    let status = installation.run(&["--json", "status"]).fine().json();
    assert_eq!(status["targets"][0]["reachable"], true);
    // And the doctor's audit by the same.
    let doctor = installation.run(&["doctor"]);
    let none = "target `prod` has no road that measuring would not see";
    assert!(doctor.out.contains(none), "{}", doctor.out);
    let seen = "select coalesce(host(inet_client_addr()), 'socket'), ssl from pg_stat_ssl where pid = pg_backend_pid()";
    installation.psql(agent, seen).fine().out.trim().to_owned()
}

fn pin(identity: &Identity) -> String {
    let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
    Digest::of(&certificate).to_hex()
}

/// `init` alone, where it is expected to refuse.
fn init(folder: &TempDir, dsn: &str, more: &[&str]) -> Ran {
    let config = folder.path().join("backstop.toml");
    let ran = run(&[
        &[
            "init",
            "--no-enrol",
            "--config",
            config.to_str().unwrap(),
            "--target",
            "prod",
            "--dsn",
            dsn,
        ],
        more,
    ]
    .concat());
    assert!(ran.code == 0 || !config.exists(), "nothing is written");
    ran
}

fn succeeded(output: &Output) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
}

/// Ctrl-C reaches the server, by whatever way it is reached.
fn is_cancelled(installation: &Installation, agent: &str) {
    let child = installation
        .psql_command(agent, "select pg_sleep(60)")
        .spawn()
        .unwrap();
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'";
    let count = || installation.server.psql(running).unwrap();
    eventually("the query to run", || (count() == "1").then_some(()));
    let interrupted = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        err.contains("canceling statement due to user request"),
        "{err}"
    );
    assert_eq!(count(), "0");
}

#[test]
fn a_target_by_unix_socket() {
    let server = plan().run().unwrap();
    let owner = server.owner();
    let dsn = Connection {
        host: server.socket_folder().display().to_string(),
        ..owner
    }
    .dsn();
    assert_eq!(works(server, &dsn, &[]), "socket|f");
}

#[test]
fn a_target_by_ipv6() {
    let server = plan()
        .setting("listen_addresses", "127.0.0.1, ::1")
        .run()
        .unwrap();
    let dsn = server.owner().through("::1", server.port()).url() + "?sslmode=disable";
    assert_eq!(works(server, &dsn, &[]), "::1|f");
}

/// With everything in the connection string that managed services put there.
#[test]
fn a_target_whose_certificate_comes_from_a_private_authority() {
    let authority = Authority::new("a private authority").unwrap();
    let server = plan()
        .setting("listen_addresses", "127.0.0.1, ::1")
        .tls_only(authority.loopback().unwrap())
        .run()
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.certificate_pem()).unwrap();
    let dsn = format!(
        "{} sslmode=verify-full sslrootcert='{}' application_name=backstop connect_timeout=10 channel_binding=require",
        server.owner().through("::1", server.port()).dsn(),
        file.path().display()
    );
    assert_eq!(works(server, &dsn, &[]), "::1|t");
}

#[test]
fn a_target_whose_self_made_certificate_is_pinned() {
    let identity = Identity::self_signed().unwrap();
    let pin = pin(&identity);
    let server = plan().tls_only(identity).run().unwrap();
    let dsn = server.owner().url();
    assert_eq!(works(server, &dsn, &["--pin", &pin]), "127.0.0.1|t");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("a private authority").unwrap();
    let server = plan()
        .tls_only(authority.server(&["db.internal"]).unwrap())
        .run()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.certificate_pem()).unwrap();
    let dsn = format!(
        "{}?sslmode=verify-full&sslrootcert={}",
        server.owner().url(),
        ca.display()
    );
    let ran = init(&folder, &dsn, &[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    for part in ["127.0.0.1", "db.internal", "hint:", "a name that it is for"] {
        assert!(ran.err.contains(part), "`{part}` is not in: {}", ran.err);
    }
}

/// Somebody in the middle with the server's own key hears SCRAM-SHA-256-PLUS and nothing else; with another
/// certificate, though the same authority vouches for it, the server and the gate do not come together.
#[test]
fn channel_binding_is_used_over_tls() {
    let authority = Authority::new("a private authority").unwrap();
    let identity = authority.loopback().unwrap();
    let server = plan().tls_only(identity.clone()).run().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.certificate_pem()).unwrap();
    let way = |port: u16| {
        format!(
            "{}?sslmode=verify-full&sslrootcert={}",
            server.owner().through("127.0.0.1", port).url(),
            file.path().display()
        )
    };
    let other = Middle::start(&authority.loopback().unwrap(), &authority, server.port());
    let folder = tempfile::tempdir().unwrap();
    let ran = init(&folder, &way(other.port), &[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("channel binding"), "{}", ran.err);

    let middle = Middle::start(&identity, &authority, server.port());
    let dsn = way(middle.port);
    assert_eq!(works(server, &dsn, &[]), "127.0.0.1|t");
    let heard = middle.mechanisms();
    // The gate's own logins, and the lease's.
    assert!(heard.len() > 3, "{heard:?}");
    assert!(heard.iter().all(|m| m == "SCRAM-SHA-256-PLUS"), "{heard:?}");
}

/// A server that would let anybody in is no server whose login is bound.
#[test]
fn where_channel_binding_is_required_no_other_login_will_do() {
    let identity = Identity::self_signed().unwrap();
    let pin = pin(&identity);
    for method in ["trust", "password"] {
        let server = plan()
            .hba(&format!("hostssl all owner 127.0.0.1/32 {method}"))
            .tls_only(identity.clone())
            .run()
            .unwrap();
        let dsn = server.owner().url() + "?channel_binding=require";
        let folder = tempfile::tempdir().unwrap();
        let ran = init(&folder, &dsn, &["--pin", &pin]);
        assert_eq!(ran.code, 1, "{method}: {}", ran.err);
        assert!(ran.err.contains("channel_binding=require"), "{}", ran.err);
    }
}

#[test]
fn agents_come_in_by_unix_socket_and_ipv6() {
    let installation = Installation::new();
    let (port, folder) = (installation.gate, installation.folder.path().to_owned());
    installation.edit(|text| {
        text.replace(
            &format!("listen = [\"127.0.0.1:{port}\"]"),
            &format!("listen = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]"),
        )
        .replace(
            "# unix_socket = \"/run/backstop\"",
            &format!("unix_socket = \"{}\"", folder.display()),
        )
    });
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read", "insert:public.items"]);
    let six = dsn.replace("@127.0.0.1:", "@[::1]:");
    let socket = format!("{dsn}&host={}", folder.display());
    for way in [&six, &socket] {
        works_through(&installation, &mut person, way);
    }
    // Over IPv6 without TLS it is refused, as over IPv4; a socket has none and needs none.
    let plain = six.replace("sslmode=verify-full", "sslmode=disable");
    let refused = installation.psql(&plain, "select 1");
    assert!(
        refused.code != 0 && refused.err.contains("only encrypted connections"),
        "{}",
        refused.err
    );
    assert_eq!(serving.stop(), 0);
    assert!(
        !folder.join(format!(".s.PGSQL.{port}")).exists(),
        "the socket goes"
    );
}
