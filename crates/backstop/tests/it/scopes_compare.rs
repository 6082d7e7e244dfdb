//! Two runs side by side: where an agent works, and where it does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scopes::as_promised;
use crate::support::{Ran, backstop};

/// Put together at run time, so that no scanner takes this file for a leak.
fn token(digit: char) -> String {
    let part = |n: usize| digit.to_string().repeat(n);
    format!("7d1f6a5{digit}-3c0b-4e91-9a44-b0c5d2e8{}", part(4))
}

/// A place with these secrets, each in a file of its own.
fn place(files: &[(&str, String)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn scopes(folder: &Path, more: &[&str]) -> Ran {
    let mut command = backstop();
    command
        .current_dir(folder)
        .args(["scopes", "--files-only"])
        .args(more);
    Ran::of(&command.output().unwrap())
}

fn kinds_and_places(list: &Value) -> Vec<(String, String)> {
    let all = list.as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.map(|one| (text(&one["kind"]), text(&one["places"][0]["path"])))
        .collect()
}

/// One secret only outside, one only inside, one in both under another name, with the salt that both runs share.
struct Two {
    outside: TempDir,
    inside: TempDir,
    kept: TempDir,
}

impl Two {
    fn new() -> Self {
        let line = |digit| format!("RAILWAY_TOKEN={}\n", token(digit));
        Self {
            outside: place(&[("own.env", line('1')), ("both.env", line('2'))]),
            inside: place(&[("shared.env", line('2')), ("agents.env", line('3'))]),
            kept: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.kept.path().join(name).display().to_string()
    }

    /// The inner run's report, in a file; its exit code says what it found.
    fn inner(&self, salt: &str) -> String {
        let ran = scopes(self.inside.path(), &["--json", "--salt-file", salt]);
        assert_eq!(ran.code, 3, "{}", ran.err);
        let file = self.path("inside.json");
        std::fs::write(&file, ran.out).unwrap();
        file
    }
}

#[test]
fn what_is_within_an_agents_reach_is_told_from_what_is_not() {
    let two = Two::new();
    let salt = two.path("salt");
    let report = two.inner(&salt);
    let more = ["--salt-file", &salt, "--compare", &report];
    let ran = scopes(two.outside.path(), &[&more[..], &["--json"]].concat());
    assert_eq!(ran.code, 3, "{}", ran.err);
    let compared = ran.json();
    as_promised(&compared, "backstop scopes --compare");
    let of = |list: &str| kinds_and_places(&compared[list]);
    let railway = |path: &str| vec![("railway.project".to_owned(), format!("./{path}"))];
    assert_eq!(of("only_here"), railway("own.env"));
    assert_eq!(of("only_there"), railway("agents.env"));
    assert_eq!(of("both"), railway("both.env"));
    assert_eq!(
        compared["both"][0]["places_there"][0]["path"],
        "./shared.env"
    );
    assert_eq!(
        compared["verdict"],
        "The other run found 2 credentials, 2 of which could destroy data: 1 only there, 1 in both; 1 only here."
    );
    let told = scopes(two.outside.path(), &more);
    assert_eq!(told.code, 3);
    for words in [
        "only there",
        "in both",
        "only here",
        "agents.env",
        "own.env",
    ] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    // Nothing that a guess could be held against leaves the comparison, and no secret and no salt anything.
    let kept = std::fs::read_to_string(&salt).unwrap();
    let inner = std::fs::read_to_string(&report).unwrap();
    let printed = format!("{}{}{}{}", ran.out, ran.err, told.out, told.err);
    assert!(!ran.out.contains("fingerprint"));
    for found in serde_json::from_str::<Value>(&inner).unwrap()["findings"]
        .as_array()
        .unwrap()
    {
        assert!(!printed.contains(found["fingerprint"].as_str().unwrap()));
    }
    for digit in ['1', '2', '3'] {
        assert!(!printed.contains(&token(digit)) && !inner.contains(&token(digit)));
    }
    assert!(!printed.contains(kept.trim()) && !inner.contains(kept.trim()));
    let mode = std::fs::metadata(&salt).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn runs_that_cannot_be_compared_are_not() {
    let two = Two::new();
    let (salt, other) = (two.path("salt"), two.path("other"));
    let report = two.inner(&salt);
    let refused = |salt: &str, report: &str, why: &str| {
        let ran = scopes(
            two.outside.path(),
            &["--salt-file", salt, "--compare", report],
        );
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(
            ran.err.contains(why) && ran.err.contains("hint:"),
            "{}",
            ran.err
        );
    };
    refused(&other, &report, "different salts");
    refused(&salt, &two.path("none"), "cannot compare with");
    let unsalted = scopes(two.inside.path(), &["--json"]);
    assert_eq!(unsalted.json().get("salt"), None);
    let file = two.path("unsalted.json");
    std::fs::write(&file, unsalted.out).unwrap();
    refused(&salt, &file, "a salt of its own");
    std::fs::write(&file, "{}").unwrap();
    refused(&salt, &file, "cannot compare with");
    // A salt that others may read, or that somebody made up.
    std::fs::set_permissions(&salt, std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(&salt, &report, "others may read it");
    std::fs::set_permissions(&salt, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&salt, "hunter2\n").unwrap();
    refused(&salt, &report, "32 random bytes");
    let alone = scopes(two.outside.path(), &["--compare", &report]);
    assert_eq!(alone.code, 2, "{}", alone.err);
}

/// The other report comes from where an agent was: it can lie about itself, and reach neither terminal nor verdict.
#[test]
fn a_report_that_an_agent_made_up_does_no_harm() {
    let two = Two::new();
    let salt = two.path("salt");
    let report = two.inner(&salt);
    let mut made_up: Value =
        serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    made_up["findings"] = json!([{
        "severity": "low",
        "kind": "x",
        "name": "\u{1b}]0;owned\u{7}\u{1b}[2J",
        "places": [{"in": "file", "path": "\u{1b}[31m", "line": 1, "column": 1, "offset": 0, "length": 1}],
        "facts": {},
    }]);
    std::fs::write(&report, made_up.to_string()).unwrap();
    let ran = scopes(
        two.outside.path(),
        &["--salt-file", &salt, "--compare", &report],
    );
    // What lies here is what it is, whatever the other run says.
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        !ran.out.contains('\u{1b}') && !ran.out.contains('\u{7}'),
        "{:?}",
        ran.out
    );
    assert!(ran.out.contains("2 only here"), "{}", ran.out);
}
