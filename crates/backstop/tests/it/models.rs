//! An agent's own model provider: one command puts its key behind the gate, and every lease gets a placeholder for it.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Installation, Ran, files, free_port};

/// Nobody's keys.
const KEYS: [(&str, &str, &str); 3] = [
    (
        "anthropic",
        "https://api.anthropic.com",
        "real-key-of-anthropic-0001",
    ),
    (
        "openai",
        "https://api.openai.com",
        "real-key-of-openai-0002",
    ),
    (
        "gemini",
        "https://generativelanguage.googleapis.com",
        "real-key-of-gemini-0003",
    ),
];

#[test]
fn a_host_says_where_the_key_stands_and_every_lease_finds_a_placeholder() {
    let installation = Installation::new();
    let file = installation.folder.path().join("key");
    for (name, url, key) in KEYS {
        std::fs::write(&file, format!("{key}\n")).unwrap();
        let file = file.to_str().unwrap();
        let ran = installation
            .run(&[
                "init",
                "--no-enrol",
                "--target",
                name,
                "--url",
                url,
                "--credential-file",
                file,
            ])
            .fine();
        assert!(ran.err.contains("for every lease"), "{}", ran.err);
    }
    std::fs::remove_file(&file).unwrap();
    for path in files(installation.folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("real-key-of"), "{}", path.display());
    }
    let text = std::fs::read_to_string(installation.config()).unwrap();
    let sections: toml::Table = text.parse().unwrap();
    let targets = sections["target"].as_array().unwrap();
    let placed: Vec<_> = targets
        .iter()
        .filter_map(|target| {
            Some((
                target.get("credential")?.as_str()?,
                target["everyone"].as_bool()?,
            ))
        })
        .collect();
    assert_eq!(
        placed,
        [
            ("header x-api-key", true),
            ("bearer", true),
            ("header x-goog-api-key", true)
        ]
    );
    let allow = sections["http"]["allow"].as_array().unwrap();
    assert!(allow.iter().any(|host| host.as_str() == Some("pypi.org")));

    installation.edit(|text| text.replace("127.0.0.1:7443", &format!("127.0.0.1:{}", free_port())));
    let (_serving, mut person) = installation.serve_with_person();
    // The lease names a database and nothing else.
    let child = installation
        .command(&[
            "--json",
            "lease",
            "create",
            "--target",
            "prod",
            "--task",
            "a test",
            "--ttl",
            "10m",
            "--scope",
            "read:public.items",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hold = installation.wait_for_hold();
    person.approve(&hold).unwrap();
    let granted = Ran::of(&child.wait_with_output().unwrap()).fine().json();
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    let environment: BTreeMap<String, String> = granted["environment"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(pair)
        .collect();
    for (name, begins) in [
        ("ANTHROPIC_API_KEY", "sk-ant-"),
        ("OPENAI_API_KEY", "sk-"),
        ("GEMINI_API_KEY", "AIza"),
    ] {
        let value = &environment[name];
        assert!(value.starts_with(begins) && value.len() > 30, "{name}");
    }
    assert!(environment.contains_key("HTTPS_PROXY"));
    assert!(!granted.to_string().contains("real-key-of"));
}
