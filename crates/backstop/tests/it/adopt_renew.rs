//! Standing leases that come to their end, runs that do not wait, and what programs read of all that.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;

use crate::adopt::{adopt, dsn, folder, read, run, start};
use crate::support::{Installation, Ran, eventually};

/// The only value on standard output.
fn told(ran: &Ran) -> Value {
    ran.json()
}

#[test]
fn a_lease_that_is_nearly_over_is_shown_and_renewed_by_a_person() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    adopt(&installation, &mut person, &["--ttl", "8d"], &path);
    let old = dsn(&path);
    let first = read(&path);

    let doctor = installation.run(&["doctor"]).out;
    assert!(
        doctor.contains("ends in 7d") && doctor.contains("backstop adopt --renew"),
        "{doctor}"
    );
    let status = installation.run(&["status"]).fine().out;
    assert!(
        status.contains("ends in 7d") && status.contains("adopt --renew"),
        "{status}"
    );
    let ending = installation.run(&["--json", "status"]).fine().json();
    assert_eq!(ending["leases_ending"].as_array().unwrap().len(), 1);

    // Until a person says yes, and when one says no, all is as it was.
    let child = start(&installation, &["adopt", "--renew"], &path);
    person
        .deny(&installation.wait_for_hold(), "not yet")
        .unwrap();
    let denied = Ran::of(&child.wait_with_output().unwrap());
    assert!(
        denied.code == 1 && denied.err.contains("not yet"),
        "{}",
        denied.err
    );
    assert_eq!(read(&path), first);
    installation.psql(&old, "select 1").fine();

    // Every adopted file, if none is named.
    let mut command = installation.command(&["--json", "adopt", "--renew"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    let renewed = Ran::of(&child.wait_with_output().unwrap()).fine();
    promised(&told(&renewed));
    let new = dsn(&path);
    assert_ne!(new, old);
    assert_eq!(
        read(&path),
        first.replace(&old, &new),
        "all other bytes are the same"
    );
    let counted = installation.psql(&new, "select count(*) from items").fine();
    assert_eq!(counted.out.trim(), "100");
    assert_ne!(
        installation.psql(&old, "select 1").code,
        0,
        "the old one has ended"
    );
    let secret = new.split(':').nth(2).unwrap().split('@').next().unwrap();
    assert!(!renewed.out.contains(secret) && !renewed.err.contains(secret));
    let doctor = installation.run(&["doctor"]).out;
    assert!(!doctor.contains("adopt --renew"), "{doctor}");
    let status = installation.run(&["--json", "status"]).fine().json();
    assert_eq!(status["leases_ending"], serde_json::json!([]));

    // And all of it is taken back at once.
    run(&installation, &["adopt", "--undo"], &path).fine();
    assert_eq!(std::fs::read(&path).unwrap(), original);
    assert_ne!(installation.psql(&new, "select 1").code, 0);
    let none = run(&installation, &["adopt", "--renew"], &path);
    assert!(
        none.code == 2 && none.err.contains("no lease stands"),
        "{}",
        none.err
    );
}

#[test]
fn a_lease_that_is_over_lets_nobody_in_and_is_renewed_all_the_same() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    adopt(&installation, &mut person, &["--ttl", "12s"], &path);
    let old = dsn(&path);
    eventually("the lease to be over", || {
        (installation.psql(&old, "select 1").code != 0).then_some(())
    });
    let doctor = installation.run(&["doctor"]);
    assert!(
        doctor.code == 1 && doctor.out.contains("the program is not let in"),
        "{}",
        doctor.out
    );
    let child = start(&installation, &["adopt", "--renew"], &path);
    person.approve(&installation.wait_for_hold()).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).fine();
    installation.psql(&dsn(&path), "select 1 from items").fine();
    run(&installation, &["adopt", "--undo"], &path).fine();
    assert_eq!(std::fs::read(&path).unwrap(), original);
}

#[test]
fn a_lease_in_two_files_goes_on_in_the_one_that_was_not_renewed() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, one, _) = folder(&installation);
    let two = one.with_file_name("two.env");
    std::fs::copy(&one, &two).unwrap();
    let mut command = installation.command(&["adopt"]);
    command
        .arg(&one)
        .arg(&two)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).fine();
    let child = start(&installation, &["adopt", "--renew"], &one);
    person.approve(&installation.wait_for_hold()).unwrap();
    let renewed = Ran::of(&child.wait_with_output().unwrap()).fine();
    assert!(
        renewed.err.contains("stands in other files"),
        "{}",
        renewed.err
    );
    assert_ne!(dsn(&one), dsn(&two));
    for path in [&one, &two] {
        installation.psql(&dsn(path), "select 1").fine();
    }
}

#[test]
fn a_run_that_does_not_wait_prints_the_hold_and_goes_on_once_it_is_approved() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    let first = run(&installation, &["adopt", "--no-wait"], &path).fine();
    let hold = first.out.trim().to_owned();
    assert_eq!(hold, installation.wait_for_hold());
    assert!(
        first.err.contains("nothing was changed yet"),
        "{}",
        first.err
    );
    assert_eq!(std::fs::read(&path).unwrap(), original);
    // Asked again it is the same hold, and nothing is done.
    let again = run(&installation, &["adopt", "--no-wait"], &path).fine();
    assert_eq!(again.out.trim(), hold);
    assert_eq!(std::fs::read(&path).unwrap(), original);
    person.approve(&hold).unwrap();
    run(&installation, &["adopt", "--no-wait"], &path).fine();
    installation.psql(&dsn(&path), "select 1").fine();
    let leases = installation.run(&["--json", "lease", "list"]).fine().out;
    assert_eq!(leases.lines().count(), 1, "{leases}");
}

fn paths(value: &Value, at: &str, out: &mut BTreeSet<(String, &'static str)>) {
    let kind = match value {
        Value::Object(object) => {
            for (name, value) in object {
                let to = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                paths(value, &to, out);
            }
            return;
        }
        Value::Array(all) => {
            all.iter()
                .for_each(|value| paths(value, &format!("{at}[]"), out));
            return;
        }
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "truth",
        Value::Null => "null",
    };
    out.insert((at.to_owned(), kind));
}

/// Whatever is printed stands on its page, with its type.
fn promised(value: &Value) -> BTreeSet<(String, &'static str)> {
    let mut found = BTreeSet::new();
    paths(value, "", &mut found);
    let page = include_str!("../../../../docs/adopt-json.md");
    for (path, kind) in &found {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{path}` | ")));
        let row = row.unwrap_or_else(|| panic!("`{path}` is not on the page: {value}"));
        let kinds = row.split(" | ").nth(1).unwrap();
        assert!(
            kinds.split(" or ").any(|one| one == *kind),
            "`{path}` is {kind}"
        );
    }
    found
}

#[test]
fn what_programs_read_is_as_its_page_promises() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, path, _) = folder(&installation);
    let has = |found: &BTreeSet<(String, &'static str)>, path: &str| {
        assert!(found.iter().any(|(found, _)| found == path), "{path}");
    };
    let dry = run(&installation, &["--json", "adopt", "--dry-run"], &path).fine();
    let found = promised(&told(&dry));
    for path in [
        "files[].changes[].writes",
        "files[].left[].why",
        "files[].replaced[].scopes[]",
    ] {
        has(&found, path);
    }
    let done = adopt(
        &installation,
        &mut person,
        &["--json", "--seal-others"],
        &path,
    );
    let value = told(&done);
    let found = promised(&value);
    for path in [
        "files[].sealed[].kind",
        "rotate[].how",
        "files[].replaced[].lease",
    ] {
        has(&found, path);
    }
    assert_eq!(value["files"][0]["written"], true);
    let undone = run(&installation, &["--json", "adopt", "--undo"], &path).fine();
    let found = promised(&told(&undone));
    has(&found, "leases_ended[]");
    // Whatever failed comes as JSON, too.
    let failed = run(&installation, &["--json", "adopt", "--undo"], &path);
    assert_eq!(failed.code, 2);
    let error: Value = serde_json::from_str(failed.err.trim()).unwrap();
    assert!(error.to_string().contains("was not adopted"), "{error}");
}
