//! HTTP APIs as targets, from `init` to what an agent finds in its environment.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Installation, Ran, free_port};

const TOKEN: &str = "7210458:AAH-q7Vx2kLm9ZtR4wB8nY6cD3fG_s1JpQe";

/// `init` for a bot's API, whose token stands in every path.
fn init(installation: &Installation, placing: &str, token: &str) -> Ran {
    let file = installation.folder.path().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    installation.run(&[
        "init",
        "--no-enrol",
        "--target",
        "bot",
        "--url",
        "https://api.bots.example/v1",
        "--credential",
        placing,
        "--credential-file",
        file.to_str().unwrap(),
    ])
}

#[test]
fn a_credential_that_would_make_another_path_is_not_sealed() {
    let installation = Installation::new();
    for (placing, token, told) in [
        (
            "path /bot{}/",
            "T0/B0/half-of-it",
            "servers would read another path",
        ),
        (
            "path /{}",
            "..%2fhalf-of-it",
            "servers would read another path",
        ),
        (
            "path /bot",
            "half-of-it",
            "`path /bot` does not say where in a path a credential stands",
        ),
        ("body x", "half-of-it", "`body x` is not a way to put"),
    ] {
        let ran = init(&installation, placing, token);
        assert_eq!(ran.code, 2, "{placing}: {}", ran.err);
        assert!(
            ran.err.contains(told) && ran.err.contains("hint: "),
            "{}",
            ran.err
        );
        assert!(!ran.err.contains("half-of-it"), "{}", ran.err);
        let text = std::fs::read_to_string(installation.config()).unwrap();
        assert!(!text.contains("bots.example"), "{text}");
        assert!(!installation.data().join("credentials/bot").exists());
    }
}

#[test]
fn an_agent_gets_a_url_with_the_placeholder_where_that_stands_in_paths() {
    let installation = Installation::new();
    init(&installation, "path /bot{}/", TOKEN).fine();
    installation.edit(|text| text.replace("127.0.0.1:7443", &format!("127.0.0.1:{}", free_port())));
    let (_serving, mut person) = installation.serve_with_person();
    let child = installation
        .command(&[
            "--json", "lease", "create", "--target", "prod", "--task", "a test", "--ttl", "10m",
            "--scope", "read", "--also", "bot=read",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    let granted = Ran::of(&child.wait_with_output().unwrap()).fine().json();
    let pairs = granted["environment"].as_array().unwrap();
    let value = |name: &str| {
        let mut all = pairs.iter().filter(|pair| pair[0] == name);
        all.next().and_then(|pair| pair[1].as_str()).unwrap()
    };
    let placeholder = value("BOT_TOKEN");
    assert!(placeholder.starts_with("bsp_"), "{pairs:?}");
    let url = format!("https://api.bots.example/v1/bot{placeholder}");
    assert_eq!(value("BOT_URL"), url);
    assert!(!Value::from(pairs.clone()).to_string().contains(TOKEN));
}

/// What no scope could bound is given as what it is, and whoever is asked for a lease sees all of it, at every target.
#[test]
fn what_a_lease_may_do_elsewhere_is_shown_to_whoever_is_asked() {
    let installation = Installation::new();
    init(&installation, "bearer", TOKEN).fine();
    let port = free_port();
    installation.edit(|text| {
        let opaque = "[[target]]\nname = \"pinned\"\nkind = \"http\"\nenvironment = \"staging\"\nurl = \"https://pinned.example\"\nopaque = true\n";
        format!("{}\n{opaque}", text.replace("127.0.0.1:7443", &format!("127.0.0.1:{port}")))
    });
    let (_serving, mut person) = installation.serve_with_person();
    let create = |also: &'static str| {
        let asked = [
            "--json", "lease", "create", "--target", "prod", "--task", "a test", "--scope", "read",
            "--also", "bot=read", "--also", also,
        ];
        installation.command(&asked)
    };
    for (also, told) in [
        ("pinned=read,write", "`pinned` is opaque"),
        ("pinned=tunnel,read", "`pinned` is opaque"),
        ("pinned=tunnel:volume.*", "`pinned` is opaque"),
        ("bot=tunnel", "`bot` is not opaque"),
    ] {
        let ran = Ran::of(&create(also).output().unwrap());
        assert_eq!(ran.code, 2, "{also}: {}", ran.err);
        assert!(
            ran.err.contains(told) && ran.err.contains("hint"),
            "{also}: {}",
            ran.err
        );
    }
    let child = create("pinned=tunnel")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let hold = installation.wait_for_hold();
    let row = installation.run(&["--json", "holds"]).fine().json();
    assert_eq!(row["summary"], "grant a lease on prod, bot, pinned");
    let asked = row["asked"].as_str().unwrap();
    for part in [
        "read:*.*",
        "bot (production): read:*.*",
        "pinned (staging): tunnel:*.*",
        "tunnels to pinned: it is not seen, judged or held",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    person.approve(&hold).unwrap();
    let granted = Ran::of(&child.wait_with_output().unwrap()).fine().json();
    let names: Vec<&str> = granted["environment"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pair| pair[0].as_str())
        .collect();
    assert!(names.contains(&"BOT_TOKEN"), "{names:?}");
    assert!(
        !names.iter().any(|name| name.starts_with("PINNED")),
        "{names:?}"
    );
    let list = installation.run(&["lease", "list"]).fine().out;
    assert!(list.contains("pinned (staging): tunnel:*.*"), "{list}");
}
