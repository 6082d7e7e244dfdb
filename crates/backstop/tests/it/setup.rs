//! `init`: what it writes, what it refuses, and that it never destroys.

use std::os::unix::fs::PermissionsExt;

use backstop_testing::pgbouncer::{PgBouncer, PoolMode};
use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::tls::Identity;

use crate::support::{Installation, files, run};

#[test]
fn what_it_writes_is_closed_to_others_and_done_again_changes_nothing() {
    let installation = Installation::new();
    let mode = |p: &std::path::Path| p.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&installation.data()), 0o700);
    let before: Vec<_> = files(&installation.data())
        .into_iter()
        .filter(|p| !p.ends_with("prod"))
        .map(|p| (p.clone(), std::fs::read(p).unwrap()))
        .collect();
    assert!(before.len() >= 7, "{before:?}");
    for file in [
        "keys/seal.key",
        "keys/journal-control.key",
        "keys/journal-traffic.key",
        "keys/ca-key.pem",
        "credentials/prod",
    ] {
        assert_eq!(mode(&installation.data().join(file)), 0o600, "{file}");
    }
    assert_eq!(
        mode(&installation.folder.path().join("backstop-ca.pem")),
        0o644
    );
    let config = std::fs::read(installation.config()).unwrap();
    installation.init(&[]).fine();
    assert_eq!(std::fs::read(installation.config()).unwrap(), config);
    for (path, bytes) in before {
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}

/// The password is nowhere in clear.
#[test]
fn the_password_is_sealed() {
    let installation = Installation::new();
    let password = installation.server.owner().password;
    for path in files(installation.folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(password.len())
            .any(|w| w == password.as_bytes());
        assert!(!found, "{} holds the password", path.display());
    }
}

#[test]
fn another_target_under_the_same_name_is_refused() {
    let installation = Installation::new();
    let dsn = installation.server.superuser().url();
    let ran = installation.run(&[
        "init",
        "--no-enrol",
        "--target",
        "prod",
        "--dsn",
        &format!("{dsn}?sslmode=disable"),
    ]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("there is another target `prod` already"),
        "{}",
        ran.err
    );
}

#[test]
fn one_database_cannot_be_two_environments() {
    let installation = Installation::new();
    let dsn = format!("{}?sslmode=disable", installation.server.owner().url());
    let ran = installation.run(&[
        "init",
        "--no-enrol",
        "--target",
        "stage",
        "--environment",
        "staging",
        "--dsn",
        &dsn,
    ]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("are the same database"), "{}", ran.err);
    // Nor by hand.
    installation.edit(|text| {
        let target = text.split("\n[[target]]").nth(1).unwrap().to_owned();
        let stage = target
            .replace("\"prod\"", "\"stage\"")
            .replace("production", "staging");
        format!("{text}\n[[target]]{stage}")
    });
    for part in ["credentials", "targets"] {
        let dir = installation.data().join(part);
        std::fs::copy(dir.join("prod"), dir.join("stage")).unwrap();
    }
    let ran = installation.run(&["serve"]);
    assert_ne!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_wrong_password_writes_nothing() {
    let server = PostgresServer::start_any().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("backstop.toml");
    let dsn = format!(
        "{}?sslmode=disable",
        server.owner().as_role("owner", "hunter2").url()
    );
    let ran = run(&[
        "init",
        "--no-enrol",
        "--config",
        config.to_str().unwrap(),
        "--target",
        "prod",
        "--dsn",
        &dsn,
    ]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("refused the gate's own credential") && !ran.err.contains("hunter2"),
        "{}",
        ran.err
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What is approved runs as the gate's role, so a superuser's is no role for it.
#[test]
fn a_superuser_is_refused() {
    let server = PostgresServer::start_any().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("backstop.toml");
    let dsn = format!("{}?sslmode=disable", server.superuser().url());
    let ran = run(&[
        "init",
        "--no-enrol",
        "--config",
        config.to_str().unwrap(),
        "--target",
        "prod",
        "--dsn",
        &dsn,
    ]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.contains("is a superuser's") && ran.err.contains("hint: `create role"),
        "{}",
        ran.err
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// What cannot be reached or does not let the gate in is told with what to look at.
#[test]
fn what_cannot_be_used_says_what_to_try() {
    let server = PostgresServer::start_any().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("backstop.toml");
    let owner = server.owner();
    let closed = format!(
        "postgresql://u:p@127.0.0.1:{}/app",
        crate::support::free_port()
    );
    for (dsn, hint) in [
        (closed, "hint: is the server up"),
        (
            owner.clone().as_role("owner", "wrong").url(),
            "hint: the password comes from",
        ),
        (
            owner.in_database("nowhere").url(),
            "hint: try the same DSN with psql",
        ),
    ] {
        let ran = run(&[
            "init",
            "--no-enrol",
            "--config",
            config.to_str().unwrap(),
            "--target",
            "prod",
            "--dsn",
            &format!("{dsn}?sslmode=disable"),
        ]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains(hint), "{}", ran.err);
    }
}

#[test]
fn a_self_made_certificate_is_pinned_only_when_its_fingerprint_is_given() {
    let server = PostgresServer::of(Major::any().unwrap())
        .tls_only(Identity::self_signed().unwrap())
        .run()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("backstop.toml");
    let dsn = server.owner().url();
    let arguments = [
        "init",
        "--no-enrol",
        "--config",
        config.to_str().unwrap(),
        "--target",
        "prod",
        "--dsn",
        &dsn,
    ];
    let ran = run(&arguments);
    assert_eq!(ran.code, 1);
    let (_, rest) = ran
        .err
        .split_once("--pin ")
        .unwrap_or_else(|| panic!("{}", ran.err));
    let pin: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let wrong = run(&[&arguments[..], &["--pin", &"0".repeat(64)]].concat());
    assert_eq!(wrong.code, 1, "{}", wrong.err);
    assert!(
        ran.err.contains("vouches for it") && wrong.err.contains("does not show the pinned"),
        "{}\n{}",
        ran.err,
        wrong.err
    );
    assert!(!config.exists());
    run(&[&arguments[..], &["--pin", &pin]].concat()).fine();
    assert!(std::fs::read_to_string(&config).unwrap().contains(&pin));
}

#[test]
fn a_transaction_pooler_is_refused_with_a_hint() {
    let server = PostgresServer::start_any().unwrap();
    let pooler = PgBouncer::start(&server, PoolMode::Transaction, &[server.owner()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("backstop.toml");
    let dsn = format!(
        "{}?sslmode=disable",
        pooler.connection(&server.owner()).url()
    );
    let ran = run(&[
        "init",
        "--no-enrol",
        "--config",
        config.to_str().unwrap(),
        "--target",
        "prod",
        "--dsn",
        &dsn,
    ]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.contains("is a transaction pooler") && ran.err.contains("direct address"),
        "{}",
        ran.err
    );
}

#[test]
fn an_origin_for_phones_needs_a_name_and_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("backstop.toml");
    let init = |more: &[&str]| {
        run(&[
            &["init", "--no-enrol", "--config", config.to_str().unwrap()],
            more,
        ]
        .concat())
    };
    for origin in [
        "https://192.0.2.7",
        "http://backstop.example.com",
        "https://backstop.example.com/console",
    ] {
        let ran = init(&["--origin", origin]);
        assert_eq!(ran.code, 2, "{origin}: {}", ran.err);
        assert!(
            ran.err.contains("hint:") && !config.exists(),
            "{origin}: {}",
            ran.err
        );
    }
    let identity = Identity::self_signed().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, &identity.certificate_pem).unwrap();
    std::fs::write(&key, &identity.key_pem).unwrap();
    let files = [
        "--certificate",
        certificate.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    init(&[&["--origin", "https://backstop.example.com"][..], &files].concat()).fine();
    // Phones come by the origin's port, and not to a loopback address.
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("listen = \"0.0.0.0:443\""), "{text}");
    let ran = init(&["--console", "127.0.0.1:9000"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("another address of the console already"),
        "{}",
        ran.err
    );
    let ran = init(
        &[
            &["--origin", "https://backstop.example.com"][..],
            &files[..2],
        ]
        .concat(),
    );
    assert_eq!(ran.code, 2, "a certificate without its key: {}", ran.err);
    let ran = init(&["--origin", "https://other.example.com"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("has another origin already"),
        "{}",
        ran.err
    );
}

/// Without `--no-enrol` it opens the console for the first person, and ends when they are enrolled.
#[test]
fn the_first_person_enrols_during_init() {
    let installation = Installation::new();
    let mut child = installation
        .command(&["--json", "init"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let link = loop {
        let mut line = String::new();
        assert!(
            std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0,
            "no invitation"
        );
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(link) = value["invitation"].as_str() {
            break link.to_owned();
        }
    };
    crate::person::Person::enrol(&link, "Kim").unwrap();
    assert!(child.wait().unwrap().success());
    let serving = installation.serve();
    assert!(serving.invitation().is_none(), "{}", serving.said);
    assert_eq!(
        installation.run(&["--json", "status"]).fine().json()["people"],
        1
    );
}
