//! Old logins tried as the agent's user, and servers that are known by their certificate.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use backstop_core::digest::Digest;
use backstop_testing::postgres::{Connection, Major, PostgresServer};
use backstop_testing::tls::Identity;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::adopt::{adopt, read, run};
use crate::support::{Installation, Ran};

/// By the socket the server tells users apart: what root is refused, the agent's user may have. Only root becomes
/// another user, so that the test says so and fails where it must not be left out.
#[test]
fn root_tries_an_old_login_as_the_agents_user() {
    if !rustix::process::geteuid().is_root() {
        let required = ["CI", "BACKSTOP_REQUIRE_ALL"].map(std::env::var_os);
        assert!(required.iter().all(Option::is_none), "this needs root");
        eprintln!("NOT TESTED: doctor --as, which needs root");
        return;
    }
    let server = PostgresServer::start_any().unwrap();
    // The target is reached by the socket, too: what is tried is the target's own address.
    let by_socket = Connection {
        host: server.socket_folder().display().to_string(),
        ..server.owner()
    };
    let installation = Installation::before(server, &by_socket.dsn(), &[]);
    let (_serving, mut person) = installation.serve_with_person();
    let (server, owner) = (&installation.server, installation.server.owner());
    server
        .psql_as(
            &owner,
            "create role nobody login password 'nobody-pass-7xk'; grant select on items to nobody",
        )
        .unwrap();
    // The socket is where that user gets to.
    let socket = server.socket_folder();
    for folder in socket
        .ancestors()
        .filter(|f| f.starts_with(std::env::temp_dir()) || f.starts_with("/dev/shm"))
    {
        if let Ok(meta) = folder.metadata() {
            let mode = meta.permissions().mode() | 0o011;
            std::fs::set_permissions(folder, PermissionsExt::from_mode(mode)).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let by_socket = format!(
        "postgresql://nobody:nobody-pass-7xk@/{}?host={}&port={}",
        owner.database,
        socket.display().to_string().replace('/', "%2F"),
        server.port()
    );
    std::fs::write(&path, format!("DATABASE_URL=\"{by_socket}\"\n")).unwrap();
    adopt(&installation, &mut person, &[], &path);
    // The old password is another one; the machine's user of that name needs none.
    server
        .psql_as(&owner, "alter role nobody password 'another-one-9'")
        .unwrap();
    let hba = server.psql("show hba_file").unwrap();
    let usual = std::fs::read_to_string(hba.trim()).unwrap();
    std::fs::write(hba.trim(), format!("local all nobody peer\n{usual}")).unwrap();
    server.psql("select pg_reload_conf()").unwrap();

    // A copy that every user can run.
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("backstop");
    std::fs::copy(env!("CARGO_BIN_EXE_backstop"), &program).unwrap();
    for file in [programs.path(), &program] {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let doctor = |user: &[&str]| {
        let mut command = Command::new(&program);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
            .args(["doctor", "--config"])
            .arg(installation.config())
            .args(user);
        Ran::of(&command.output().unwrap())
    };
    let line = |ran: &Ran| {
        let all = ran
            .out
            .lines()
            .find(|l| l.contains("the old login of DATABASE_URL"));
        all.unwrap_or_else(|| panic!("{}{}", ran.out, ran.err))
            .to_owned()
    };
    let own = doctor(&[]);
    assert!(
        line(&own).contains("is refused by the server"),
        "{}",
        line(&own)
    );
    let agents = doctor(&["--as", "nobody"]);
    assert!(
        line(&agents).contains("still opens the database round the gate"),
        "{}",
        line(&agents)
    );
    assert_eq!(agents.code, 1);
    for ran in [&own, &agents] {
        assert!(!ran.out.contains("nobody-pass-7xk") && !ran.err.contains("nobody-pass-7xk"));
    }
    // A program that this user cannot run tells nothing, and that is said.
    std::fs::set_permissions(programs.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let closed = doctor(&["--as", "nobody"]);
    assert!(
        line(&closed).contains("could not be tried"),
        "{}",
        line(&closed)
    );
}

/// A certificate that no authority here vouches for: only with its fingerprint, and never with another's.
#[test]
fn a_server_behind_a_self_made_certificate_is_adopted_by_its_fingerprint() {
    let identity = Identity::self_signed().unwrap();
    let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
    let pin = Digest::of(&certificate).to_hex();
    let plan = PostgresServer::of(Major::any().unwrap());
    let server = plan.tls_only(identity).run().unwrap();
    let dsn = server.owner().url();
    let installation = Installation::before(server, &dsn, &["--pin", &pin]);
    let (_serving, mut person) = installation.serve_with_person();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let owner: Connection = installation.server.owner();
    let original = format!("DATABASE_URL=\"{}?sslmode=verify-full\"\n", owner.url());
    std::fs::write(&path, &original).unwrap();
    for (more, why) in [
        (&[][..], "vouches for it"),
        (&["--pin", &"0".repeat(64)][..], "does not show the pinned"),
        (&["--pin", "abc"][..], "not a SHA-256"),
    ] {
        let ran = run(&installation, &[&["adopt"], more].concat(), &path);
        assert!(ran.code != 0 && ran.err.contains(why), "{why}: {}", ran.err);
        assert_eq!(read(&path), original);
    }
    let holds = installation.run(&["--json", "holds", "--all"]).fine();
    assert_eq!(holds.out, "", "nobody was asked");
    adopt(&installation, &mut person, &["--pin", &pin], &path);
    let new = crate::adopt::dsn(&path);
    let counted = installation.psql(&new, "select count(*) from items").fine();
    assert_eq!(counted.out.trim(), "100");
    // The old login is tried by the same certificate.
    let doctor = installation.run(&["doctor"]);
    assert!(
        doctor
            .out
            .contains("still opens the database round the gate"),
        "{}",
        doctor.out
    );
    run(&installation, &["adopt", "--undo"], &path).fine();
    assert_eq!(read(&path), original);
}
