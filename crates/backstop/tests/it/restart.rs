//! What survives: leases and holds over a kill, the store over its own loss.

use serde_json::json;

use crate::support::Installation;

#[test]
fn a_kill_keeps_leases_holds_and_people() {
    let installation = Installation::new();
    let (mut serving, mut person) = installation.serve_with_person();
    let (lease, dsn) = installation.lease(&mut person, &["read"]);
    let ask = [
        "--json",
        "lease",
        "create",
        "--target",
        "prod",
        "--task",
        "waits",
        "--scope",
        "read",
        "--no-wait",
    ];
    let hold = installation.run(&ask).fine().json()["hold"]
        .as_str()
        .unwrap()
        .to_owned();
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();

    let again = installation.serve();
    assert!(again.invitation().is_none(), "somebody is enrolled");
    installation.psql(&dsn, "select 1").fine();
    assert_eq!(installation.wait_for_hold(), hold);
    person.sign_in().unwrap();
    person.approve(&hold).unwrap();
    installation.run(&ask).fine();
    assert!(
        installation
            .run(&["lease", "list"])
            .fine()
            .out
            .contains(&lease)
    );
    installation.run(&["journal", "verify"]).fine();
}

/// Three denials in a row halt a lease, also when the gate was killed between them.
#[test]
fn denials_count_towards_the_halt_across_a_restart() {
    let installation = Installation::new();
    let (mut serving, mut person) = installation.serve_with_person();
    let (lease, dsn) = installation.lease(&mut person, &["read"]);
    let state = || installation.run(&["--json", "lease", "list"]).fine().json()["state"].clone();
    let deny = |person: &mut crate::person::Person| {
        let child = installation
            .psql_command(&dsn, "drop table items")
            .spawn()
            .unwrap();
        person.deny(&installation.wait_for_hold(), "no").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
    };
    deny(&mut person);
    deny(&mut person);
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();

    let _again = installation.serve();
    person.sign_in().unwrap();
    assert_eq!(state(), json!("active"));
    deny(&mut person);
    assert_eq!(state(), json!("halted"), "{lease}");
    assert!(installation.psql(&dsn, "select 1").err.contains("halted"));
}

#[test]
fn the_store_is_built_anew_from_the_journal() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (lease, _) = installation.lease(&mut person, &["read"]);
    assert_eq!(serving.stop(), 0);
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        let _ = std::fs::remove_file(installation.data().join(name));
    }
    let rebuilt = installation
        .run(&["--json", "journal", "rebuild"])
        .fine()
        .json();
    assert!(rebuilt["entries"].as_u64().unwrap() >= 6, "{rebuilt}");
    let _serving = installation.serve();
    assert!(
        installation
            .run(&["lease", "list"])
            .fine()
            .out
            .contains(&lease)
    );
}

/// The first person's link is nowhere else, so it is told to the quiet and to programs as well.
#[test]
fn the_invitation_is_told_in_every_way_of_talking() {
    use std::io::BufRead as _;
    let installation = Installation::new();
    let told = |arguments: &[&str], out: bool| {
        let mut child = installation
            .command(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        if out {
            let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
            lines.read_line(&mut line).unwrap();
        } else {
            let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
            lines.read_line(&mut line).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        line
    };
    let quiet = told(&["--quiet", "serve"], false);
    assert!(quiet.contains("/enrol/"), "{quiet}");
    let line = told(&["--json", "serve"], true);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["serving"], true);
    assert!(
        value["invitation"].as_str().unwrap().contains("/enrol/"),
        "{line}"
    );
}
