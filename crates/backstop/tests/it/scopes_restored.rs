//! The audit of a server that is a target: whether anybody ever restored it, as this installation knows it.

use std::path::Path;

use backstop_testing::postgres::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::points::World;
use crate::support::{Ran, backstop};

const NEVER: &str = "Never restored, as far as can be seen here";

/// A workspace with a way into a database.
fn workspace(connection: &Connection) -> TempDir {
    let folder = TempDir::new().unwrap();
    let url = format!("DATABASE_URL={}\n", connection.url());
    std::fs::write(folder.path().join(".env"), url).unwrap();
    folder
}

fn scopes(folder: &TempDir, config: &Path, more: &[&str]) -> Ran {
    let mut command = backstop();
    command.current_dir(folder.path());
    command.args(["scopes", "--files-only", "--config"]);
    let ran = Ran::of(&command.arg(config).args(more).output().unwrap());
    assert!(matches!(ran.code, 0 | 3), "{}", ran.err);
    ran
}

fn restored(folder: &TempDir, config: &Path, more: &[&str]) -> Value {
    let json = scopes(folder, config, &[&["--json"], more].concat()).json();
    let all = json["findings"].as_array().unwrap().clone();
    let found = all.into_iter().find(|f| f["kind"] == "postgres.password");
    found.unwrap()["restored"].clone()
}

#[test]
fn a_target_says_when_it_was_last_restored_and_how_long_that_took() {
    let world = World::new("24h");
    let (owner, config) = (world.here.server.owner(), world.here.config());
    let folder = workspace(&owner);
    let say = |more: &[&str]| {
        restored(&folder, &config, more)["say"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    // Nothing runs yet: nothing is known, and nothing is claimed.
    let told = say(&["--probe"]);
    assert!(
        told.starts_with(NEVER) && told.contains("does not run"),
        "{told}"
    );
    let serving = world.here.serve();
    world.taken();
    let undrilled = restored(&folder, &config, &["--probe"]);
    let told = undrilled["say"].as_str().unwrap();
    assert!(
        told.starts_with(NEVER) && told.contains("newest recovery point is"),
        "{told}"
    );
    assert_eq!(undrilled["target"], "prod");
    assert!(undrilled["newest_age_s"].as_u64().unwrap() < 600);
    assert_eq!(undrilled["restored_age_s"], Value::Null);
    // Which server it is was not asked.
    assert!(say(&[]).contains("--probe asks"));

    let reports = world.made.path("reports");
    let drilled = world.drill(&["--reports", &reports]).fine().json();
    let status = world.stands("the drill", |now| now["drilled"].is_string());
    assert!(status["drill_age_s"].as_u64().unwrap() < 600, "{status}");
    let known = restored(&folder, &config, &["--probe"]);
    assert_eq!(known["restore_ms"], drilled["restore_ms"]);
    assert_eq!(known["by"], world.here.data().display().to_string());
    assert!(known["restored_age_s"].as_u64().unwrap() < 600, "{known}");
    let told = known["say"].as_str().unwrap();
    assert!(
        told.starts_with("Last restored ") && told.contains("by a drill, in "),
        "{told}"
    );

    // It stands in every form, the JSON as its page promises.
    let html = folder.path().join("r.html");
    let text = scopes(
        &folder,
        &config,
        &["--probe", "--all", "--html", html.to_str().unwrap()],
    );
    let page = std::fs::read_to_string(&html).unwrap();
    let sarif = scopes(&folder, &config, &["--probe", "--sarif"]).json();
    let result = &sarif["runs"][0]["results"][0];
    for said in [
        &text.out,
        &page,
        result["message"]["text"].as_str().unwrap(),
    ] {
        assert!(
            said.contains("Last restored ") && said.contains("by a drill"),
            "{said}"
        );
    }
    assert_eq!(result["properties"]["restored"]["target"], "prod");
    let promised = include_str!("../../../../docs/scopes-json.md");
    for field in known.as_object().unwrap().keys() {
        assert!(
            promised.contains(&format!("`findings[].restored.{field}?`")),
            "{field}"
        );
    }

    // Another database of the same server has no point of its own, and another installation knows nothing.
    let server = &world.here.server;
    server.psql("create database books").unwrap();
    let other = workspace(&owner.in_database("books"));
    let told = restored(&other, &config, &["--probe"]);
    let told = told["say"].as_str().unwrap();
    assert!(
        told.starts_with(NEVER) && told.contains("another database"),
        "{told}"
    );
    let nowhere = restored(&folder, Path::new("backstop.toml"), &["--probe"]);
    let told = nowhere["say"].as_str().unwrap();
    assert!(
        told.starts_with(NEVER) && told.contains("no installation"),
        "{told}"
    );
    assert_eq!(serving.stop(), 0);
}

/// What lies in a workspace is others' work: nothing there makes it wait, or is believed about another server.
#[test]
fn what_a_workspace_holds_in_place_of_an_installation_does_not_stop_it() {
    let server = backstop_testing::postgres::PostgresServer::start_any().unwrap();
    let folder = workspace(&server.owner());
    let config = folder.path().join("backstop.toml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &config,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let told = restored(&folder, &config, &["--probe"]);
    assert!(
        told["say"].as_str().unwrap().contains("no installation"),
        "{told}"
    );

    // One that takes the question and never answers it.
    std::fs::remove_file(&config).unwrap();
    std::fs::write(&config, "data_dir = \"data\"\n").unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&data, mode).unwrap();
    let _silent = std::os::unix::net::UnixListener::bind(data.join("control.sock")).unwrap();
    let told = restored(&folder, &config, &["--probe"]);
    assert!(
        told["say"].as_str().unwrap().contains("gave no answer"),
        "{told}"
    );
}
