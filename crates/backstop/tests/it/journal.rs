//! `journal tail|show|verify`, and `doctor`.

use std::time::{SystemTime, UNIX_EPOCH};

use backstop_journal::{Journal, Options, SigningKey};
use serde_json::{Value, json};

use crate::support::{Installation, eventually, files};

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
    let (traffic, intent) = eventually("an intent", || {
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

/// The traffic of the last hundred days, six entries an hour, as a gate that ran all the time would have left it.
fn a_hundred_days(installation: &Installation) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    let key = SigningKey::load(&installation.data().join("keys/journal-traffic.key")).unwrap();
    let dir = installation.data().join("journal/traffic");
    let origin = key.name().to_owned();
    let log = Journal::open(&dir, &origin, key, Options::default()).unwrap();
    for hour in (0..2_400).rev() {
        for action in 0..6 {
            let at_ms = now_ms - hour * 3_600_000;
            let entry = json!({ "entry": "outcome", "at_ms": at_ms, "connection": hour, "action": action, "result": "SELECT 1" });
            let _ = log.append(entry.to_string().as_bytes(), None).unwrap();
        }
    }
    log.close().unwrap();
}

#[test]
fn old_traffic_is_pruned_while_it_serves_and_readers_are_told() {
    let installation = Installation::new();
    installation.edit(|text| text.replace("keep_traffic = \"90d\"", "keep_traffic = \"forever\""));
    a_hundred_days(&installation);
    let (serving, mut person) = installation.serve_with_person();
    let (_, dsn) = installation.lease(&mut person, &["read"]);
    let traffic = |words: &[&str]| {
        let mut arguments = vec!["journal"];
        arguments.extend(words);
        arguments.extend(["--log", "traffic"]);
        installation.run(&arguments)
    };
    traffic(&["show", "5"]).fine();

    // Ten days of it are older than ninety: 1,440 entries, of which five bundles are whole.
    installation.edit(|text| text.replace("keep_traffic = \"forever\"", "keep_traffic = \"90d\""));
    serving.signal("HUP");
    eventually("the pruning", || {
        let status = installation.run(&["--json", "status"]).fine().json();
        (status["journal"][1]["oldest"] == 1_280).then_some(())
    });
    let control = installation.run(&["journal", "tail"]).fine().out;
    assert!(
        control.contains("entries of the traffic log before 1280 were pruned, older than "),
        "{control}"
    );
    installation.psql(&dsn, "select 1").fine();
    let bundles = installation.data().join("journal/traffic/tile/entries");
    assert!(!bundles.join("004").exists() && bundles.join("005").exists());

    let told = |when: &str| {
        let shown = traffic(&["show", "1279"]);
        assert_eq!(shown.code, 1, "{when}");
        assert!(
            shown
                .err
                .contains("entry 1279 of the traffic log was pruned")
                && shown.err.contains("the oldest entry kept is 1280")
                && shown.err.contains("hint: `keep_traffic`"),
            "{when}: {}",
            shown.err
        );
        traffic(&["show", "1280"]).fine();
        let verified = traffic(&["verify"]).fine();
        assert!(
            verified
                .out
                .contains("entries of the traffic log before 1280 were pruned"),
            "{when}: {}",
            verified.out
        );
    };
    told("while it serves");
    let page = person.page("/journal?kind=outcome").unwrap();
    assert!(page.contains("SELECT 1"), "{page}");
    assert_eq!(serving.stop(), 0);
    told("after it has stopped");
    installation.run(&["journal", "verify"]).fine();

    // Less than is asked for is left.
    let serving = installation.serve();
    installation.edit(|text| text.replace("keep_traffic = \"90d\"", "keep_traffic = \"1d\""));
    serving.signal("HUP");
    let (out, err) = eventually("the next pruning", || {
        let tail = traffic(&["tail", "-n", "500"]).fine();
        tail.err
            .contains("were pruned")
            .then_some((tail.out, tail.err))
    });
    let first = out.split_whitespace().next().unwrap();
    assert!(
        err.contains(&format!(
            "entries of the traffic log before {first} were pruned"
        )),
        "{err}"
    );
    assert!(out.lines().count() < 500);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_doctor_says_what_it_tried() {
    let installation = Installation::new();
    let (_serving, _person) = installation.serve_with_person();
    let planted = "create extension dblink; grant pg_execute_server_program to owner; \
        create schema other; alter extension dblink set schema other";
    installation.server.psql(planted).unwrap();
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
    let dblink =
        "of extension `dblink` (library `dblink`), which can open connections of their own";
    assert!(has("warning", dblink), "{}", ran.out);
    let programs = findings
        .iter()
        .find(|f| f["what"].as_str().unwrap().contains("run programs"));
    assert_eq!(
        programs.unwrap()["hint"],
        "REVOKE pg_execute_server_program FROM owner"
    );
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
