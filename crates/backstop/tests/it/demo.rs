//! The demo, as `make demo` runs it: every beat must hold.

use serde_json::Value;

use crate::support::{backstop, run};

#[test]
fn every_beat_of_the_demo_holds() {
    let ran = run(&["--json", "demo"]).fine();
    let events: Vec<Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let beats: Vec<&Value> = events.iter().filter(|e| e["event"] == "beat").collect();
    assert!(beats.len() >= 30, "{}", ran.out);
    assert!(beats.iter().all(|b| b["held"] == true), "{}", ran.out);
    assert!(
        events.iter().any(|e| e["event"] == "loss"),
        "the control loses rows: {}",
        ran.out
    );
    assert_eq!(events.last().unwrap()["broken"], 0);
}

/// Ctrl-C puts everything away.
#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let mut child = backstop()
        .args(["--json", "demo", "--stay"])
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let there = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .any(|e| {
                e.file_name()
                    .to_string_lossy()
                    .starts_with("backstop-demo-")
            })
    };
    crate::support::eventually("the demo's own directory", || there().then_some(()));
    let sent = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let status = child.wait().unwrap();
    let said = std::fs::read_to_string(said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("interrupted; everything was put away"),
        "{said}"
    );
    crate::support::eventually("everything to be put away", || (!there()).then_some(()));
}
