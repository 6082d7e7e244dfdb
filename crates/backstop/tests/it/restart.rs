//! What survives: leases and holds over a kill, the store over its own loss.

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
