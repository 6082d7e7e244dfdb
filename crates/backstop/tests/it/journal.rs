//! `journal tail|show|verify`, and `doctor`.

use serde_json::Value;

use crate::support::{Installation, files};

#[test]
fn the_journal_is_read_while_it_serves_and_after() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (lease, dsn) = installation.lease(&mut person, &["read"]);
    installation
        .psql(&dsn, "select name from items where id = 7")
        .fine();
    let running = installation.run(&["journal", "tail"]).fine().out;
    for word in [
        "installed",
        "started",
        "enrolled",
        "held",
        "decided",
        "lease-granted",
        &lease,
    ] {
        assert!(running.contains(word), "{word}: {running}");
    }
    // What nobody waits for is written a moment later.
    let (traffic, intent) = crate::support::eventually("an intent", || {
        let traffic = installation
            .run(&["--json", "journal", "tail", "--log", "traffic", "-n", "100"])
            .fine()
            .out;
        let mut entries = traffic
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        let intent = entries.find(|e| e["entry"]["entry"] == "intent")?;
        Some((traffic, intent))
    });
    let index = intent["index"].to_string();
    // The leaf holds no text; the sealed one beside it does.
    assert!(!traffic.contains("select name"), "{traffic}");
    let shown = installation
        .run(&["journal", "show", &index, "--log", "traffic"])
        .fine()
        .out;
    assert!(shown.contains("select name from items"), "{shown}");
    assert_eq!(serving.stop(), 0);
    let after = installation.run(&["journal", "tail"]).fine().out;
    assert!(
        after.contains("stopped") && after.contains(&lease),
        "{after}"
    );
    assert_eq!(installation.run(&["journal", "show", "99999"]).code, 1);
}

#[test]
fn a_flipped_byte_is_found_with_exit_code_four() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    installation.lease(&mut person, &["read"]);
    assert_eq!(serving.stop(), 0);
    let sound = installation
        .run(&["--json", "journal", "verify"])
        .fine()
        .out;
    assert!(
        sound.lines().all(|l| l.contains("\"sound\":true")),
        "{sound}"
    );
    let checkpoint = installation.folder.path().join("kept");
    std::fs::copy(
        installation.data().join("journal/control/checkpoint"),
        &checkpoint,
    )
    .unwrap();
    installation
        .run(&[
            "journal",
            "verify",
            "--log",
            "control",
            "--at-least",
            checkpoint.to_str().unwrap(),
        ])
        .fine();
    let entries: Vec<_> = files(&installation.data().join("journal/control"))
        .into_iter()
        .filter(|p| p.to_string_lossy().contains("tile") || p.ends_with("checkpoint"))
        .collect();
    assert!(!entries.is_empty());
    for path in entries {
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let ran = installation.run(&["journal", "verify"]);
        assert_eq!(ran.code, 4, "{}: {}", path.display(), ran.out);
        assert!(
            ran.err.contains("the control log is not what was written"),
            "{}",
            ran.err
        );
        std::fs::write(&path, good).unwrap();
    }
    installation.run(&["journal", "verify"]).fine();
}

#[test]
fn the_doctor_says_what_it_tried() {
    let installation = Installation::new();
    let (_serving, _person) = installation.serve_with_person();
    let ran = installation.run(&["--json", "doctor"]);
    let findings: Vec<Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let has = |level: &str, part: &str| {
        findings
            .iter()
            .any(|f| f["level"] == level && f["what"].as_str().unwrap().contains(part))
    };
    assert!(has("good", "is closed to others"), "{}", ran.out);
    assert!(
        has("good", "target `prod` (production) answers"),
        "{}",
        ran.out
    );
    assert!(has("good", "backstop is running"), "{}", ran.out);
    assert!(has("warning", "for this machine only"), "{}", ran.out);
    let key = installation.data().join("keys/seal.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ran = installation.run(&["doctor", "--offline"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("others can read") && ran.out.contains("chmod 600"),
        "{}",
        ran.out
    );
}
