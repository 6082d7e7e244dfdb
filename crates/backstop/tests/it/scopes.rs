//! The audit as a new user runs it: in a directory, without any set-up.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use backstop_testing::doubles::{AnsweringDouble, reply};
use backstop_testing::postgres::{Major, PostgresServer, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, backstop};

/// Put together at run time, so that no scanner takes this file for a leak.
fn uuid() -> String {
    ["7d1f6a52", "3c0b", "4e91", "9a44", "b0c5d2e81f37"].join("-")
}

/// Runs it in a directory; only files are looked at, unless `more` says otherwise.
fn scopes(folder: &Path, more: &[&str]) -> Ran {
    let mut command = backstop();
    command.current_dir(folder).arg("scopes").args(more);
    let output: Output = command.output().unwrap();
    Ran::of(&output)
}

fn planted() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        format!("RAILWAY_TOKEN={}\nPORT=8080\n", uuid()),
    )
    .unwrap();
    std::fs::write(folder.path().join("README"), "nothing here\n").unwrap();
    folder
}

fn one<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let mut of_kind = findings.iter().filter(|f| f["kind"] == kind);
    let found = of_kind.next().unwrap_or_else(|| panic!("{report}"));
    assert!(of_kind.next().is_none(), "{report}");
    found
}

#[test]
fn a_token_that_nobody_scans_for_is_found_and_said_plainly() {
    let folder = planted();
    let ran = scopes(folder.path(), &["--files-only"]);
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("Your backups die with your data."),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(".env:1:"), "{}", ran.out);
    assert!(ran.err.contains("hint:"), "{}", ran.err);
    let quiet = scopes(folder.path(), &["--files-only", "-q"]);
    assert_eq!(quiet.out.lines().count(), 1, "{}", quiet.out);
    let json = scopes(folder.path(), &["--files-only", "--json"]).json();
    let token = one(&json, "railway.project");
    assert_eq!(token["severity"], "critical");
    assert_eq!(token["backups"], "yes");
    assert_eq!(json["worst"], "critical");
    // Another limit, another exit code.
    assert_eq!(
        scopes(folder.path(), &["--files-only", "--fail-on", "never"]).code,
        0
    );
    let empty = TempDir::new().unwrap();
    let none = scopes(empty.path(), &["--files-only"]).fine();
    assert!(none.out.contains("finds no credential"), "{}", none.out);
    let missing = scopes(folder.path(), &["--files-only", "not-there"]);
    assert_eq!(missing.code, 2, "{}", missing.err);
}

#[test]
fn no_secret_is_in_anything_that_is_written() {
    let folder = planted();
    let password = ["hunter", "2-correct-horse"].concat();
    std::fs::write(
        folder.path().join("config.py"),
        format!("DB = \"postgresql://app:{password}@db.shop.internal:5432/shop\"\n"),
    )
    .unwrap();
    let html = folder.path().join("report.html");
    let fixes = folder.path().join("fixes");
    let all = [
        "--files-only",
        "--all",
        "--html",
        html.to_str().unwrap(),
        "--fix",
        fixes.to_str().unwrap(),
    ];
    let mut written = String::new();
    for more in [&["--json"][..], &["--sarif"], &[]] {
        let ran = scopes(folder.path(), &[&all[..], more].concat());
        assert_eq!(ran.code, 3, "{}", ran.err);
        written += &format!("{}{}", ran.out, ran.err);
    }
    let page = std::fs::read_to_string(&html).unwrap();
    written += &page;
    for file in std::fs::read_dir(&fixes).unwrap() {
        let path = file.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path:?} is for its owner alone");
        written += &std::fs::read_to_string(path).unwrap();
    }
    assert!(written.contains("app") && written.contains("db.shop.internal"));
    for secret in [uuid(), password] {
        assert!(!written.contains(&secret));
    }
    // The page loads and runs nothing.
    for word in ["<script", "http-equiv=\"refresh", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn sarif_has_what_code_hosts_read() {
    let folder = planted();
    let log = scopes(folder.path(), &["--files-only", "--sarif"]).json();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "railway.project");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "railway.project");
    let at = &result["locations"][0]["physicalLocation"];
    assert_eq!(at["artifactLocation"]["uri"], ".env");
    assert_eq!(at["region"]["startLine"], 1);
}

#[test]
fn a_baseline_accepts_with_a_reason_and_until_a_day() {
    let folder = planted();
    let baseline = folder.path().join("scopes.toml");
    let accept = |until: &str, place: &str| {
        let text = format!(
            "[[accept]]\nkind = \"railway.project\"\nplace = \"{place}\"\nreason = \"a project of its own, nothing in it\"\nuntil = \"{until}\"\n"
        );
        std::fs::write(&baseline, text).unwrap();
        scopes(
            folder.path(),
            &["--files-only", "--baseline", "scopes.toml"],
        )
    };
    let known = accept("2999-01-01", ".env").fine();
    assert!(known.out.contains("accepted"), "{}", known.out);
    let over = accept("2020-01-01", ".env");
    assert_eq!(over.code, 3);
    assert!(
        over.err.contains("was good until 2020-01-01"),
        "{}",
        over.err
    );
    let elsewhere = accept("2999-01-01", "other.env");
    assert_eq!(elsewhere.code, 3);
    assert!(elsewhere.err.contains("meets nothing"), "{}", elsewhere.err);
    // The same token at a second place is not accepted with the first.
    std::fs::copy(folder.path().join(".env"), folder.path().join("copy.env")).unwrap();
    assert_eq!(accept("2999-01-01", ".env").code, 3);
    std::fs::write(&baseline, "[[accept]]\nkind = \"railway.project\"\n").unwrap();
    let broken = scopes(
        folder.path(),
        &["--files-only", "--baseline", "scopes.toml"],
    );
    assert_eq!(broken.code, 2, "{}", broken.err);
}

/// A server with a table, and a file that holds the way in as this role.
fn with_server(user: &str, password: &str, rights: &str) -> (Server, TempDir) {
    let server = PostgresServer::start(Major::any().unwrap()).unwrap();
    let owner = server.owner();
    server
        .psql_as(
            &owner,
            "create table orders (id int primary key); insert into orders select generate_series(1, 4711); analyze orders",
        )
        .unwrap();
    server
        .psql(&format!(
            "create role {user} login password '{password}'; grant connect on database {0} to {user}",
            owner.database
        ))
        .unwrap();
    let of_database = server.superuser().in_database(&owner.database);
    server.psql_as(&of_database, rights).unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join(".env"),
        format!(
            "DATABASE_URL=postgresql://{user}:{password}@{}:{}/{}\n",
            owner.host, owner.port, owner.database
        ),
    )
    .unwrap();
    (server, folder)
}

#[test]
fn the_server_is_asked_what_an_owner_could_destroy() {
    let (server, folder) = with_server(
        "shop",
        "grey-otter-3301",
        "alter table orders owner to shop",
    );
    let unasked = scopes(folder.path(), &["--files-only", "--json"]).json();
    assert_eq!(one(&unasked, "postgres.password")["probed"]["state"], "not");
    let ran = scopes(
        folder.path(),
        &["--files-only", "--probe", "--fix", "fixes"],
    );
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    let asked = format!(
        "asking, read only: the catalogue of PostgreSQL at {}:",
        server.owner().host
    );
    assert!(ran.err.contains(&asked), "{}", ran.err);
    assert!(ran.out.contains("about 4,711 rows"), "{}", ran.out);
    assert!(ran.out.contains("`public.orders`"), "{}", ran.out);
    let json = scopes(folder.path(), &["--files-only", "--probe", "--json"]).json();
    let found = one(&json, "postgres.password");
    assert_eq!(found["probed"]["state"], "answered");
    let roads = found["audit"]["roads"].as_array().unwrap();
    assert!(
        roads
            .iter()
            .any(|r| r["act"] == "drop" && r["object"]["name"] == "orders")
    );
    // What is proposed is SQL that this server takes, and a role that can read and no more.
    let sql = std::fs::read_to_string(folder.path().join("fixes/fix.sql")).unwrap();
    let of_database = server.superuser().in_database(&server.owner().database);
    server.psql_as(&of_database, &sql).unwrap();
    assert_eq!(
        server
            .psql_as(&of_database, "select count(*) from orders")
            .unwrap()
            .trim(),
        "4711",
        "nothing was changed by it"
    );
}

#[test]
fn a_role_that_can_only_read_is_no_alarm() {
    let (_server, folder) = with_server(
        "reader",
        "quiet-sheep-9917",
        "grant select on orders to reader",
    );
    let ran = scopes(folder.path(), &["--files-only", "--probe", "--json"]);
    let json = ran.json();
    let found = one(&json, "postgres.password");
    assert_eq!(found["probed"]["state"], "answered", "{found}");
    assert!(
        found["sentence"]
            .as_str()
            .unwrap()
            .contains("can destroy nothing"),
        "{}",
        found["sentence"]
    );
    assert_eq!(ran.code, 0, "{json}");
}

#[test]
fn a_server_that_does_not_answer_stays_unknown_and_keeps_its_rank() {
    let folder = TempDir::new().unwrap();
    let password = ["sea", "shell-22-harbour"].concat();
    std::fs::write(
        folder.path().join(".env"),
        format!("DATABASE_URL=postgresql://app:{password}@127.0.0.1:1/shop\n"),
    )
    .unwrap();
    let ran = scopes(folder.path(), &["--files-only", "--probe", "--json"]);
    assert_eq!(ran.code, 3);
    let json = ran.json();
    let found = one(&json, "postgres.password");
    assert_eq!(found["probed"]["state"], "failed");
    assert_eq!(found["severity"], "high");
    assert!(!format!("{}{}", ran.out, ran.err).contains(&password));
}

/// Names of files are others' words: nothing of them reaches a terminal or a page raw.
#[test]
fn a_name_drives_neither_terminal_nor_page() {
    let folder = TempDir::new().unwrap();
    let name = "\u{1b}]0;x\u{7}<script>alert(1)<\u{2215}script>\n.env";
    std::fs::write(
        folder.path().join(name),
        format!("RAILWAY_TOKEN={}\n", uuid()),
    )
    .unwrap();
    let ran = scopes(folder.path(), &["--files-only", "--html", "r.html"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let page = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    for text in [&ran.out, &ran.err, &page] {
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}'),
            "{text:?}"
        );
    }
    assert!(!page.contains("<script>"));
}

/// GitHub and Railway, as much of them as a token sees.
fn providers() -> AnsweringDouble {
    AnsweringDouble::start(|request| {
        let json = [("content-type", "application/json"), ("x-oauth-scopes", "repo")];
        let text = request.text();
        let body = match (request.path.split('?').next().unwrap(), text.as_str()) {
            ("/user", _) => r#"{"login":"ann"}"#,
            ("/user/repos", _) => r#"[{"full_name":"ann/shop","permissions":{"admin":true}}]"#,
            (_, text) if text.contains("query projectToken") => r#"{"data":{"projectToken":{"name":"ci","projectId":"p","environmentId":"e"}}}"#,
            (_, text) if text.contains("query project(") => r#"{"data":{"project":{"id":"p","name":"shop","environments":{"edges":[],"pageInfo":{"hasNextPage":false}}}}}"#,
            (_, text) if text.contains("query environment") => r#"{"data":{"environment":{"id":"e","name":"production","volumeInstances":{"edges":[{"node":{"id":"v","mountPath":"/d","currentSizeMB":1,"state":"READY","volume":{"name":"data"}}}],"pageInfo":{"hasNextPage":false}}}}}"#,
            (_, text) if text.contains("volumeInstanceBackupList") => r#"{"data":{"volumeInstanceBackupList":[{"id":"b","createdAt":"2026-02-02T03:04:05Z","expiresAt":null}]}}"#,
            _ => "{}",
        };
        Ok(reply(200, &json, body))
    })
    .unwrap()
}

fn github_token() -> String {
    ["ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"].concat()
}

/// Everything that a report can hold: probed and not, accepted, doubtful, in a file and in git's memory.
fn full(more: &[&str]) -> (TempDir, AnsweringDouble, Ran) {
    let double = providers();
    let folder = planted();
    let put = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("deploy.env", format!("GITHUB_TOKEN={}\n", github_token()));
    put(
        "tests/a.env",
        format!(
            "NPM_TOKEN={}\n",
            ["npm_", "8sKq2Lx0pVb7Rt4Yw1Zc9Nd3Mf6Gh5Jk2Sa7"].concat()
        ),
    );
    put(
        "old.env",
        format!(
            "DATABASE_URL=postgresql://app:{}@127.0.0.1:1/shop\n",
            ["sea", "shell-22-harbour"].concat()
        ),
    );
    let git = |args: &[&str]| {
        let ran = std::process::Command::new("git")
            .current_dir(folder.path())
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(args)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "x"]);
    put("scopes.toml", "[[accept]]\nkind = \"npm.token\"\nplace = \"tests/a.env\"\nreason = \"a test's\"\nuntil = \"2999-01-01\"\n".to_owned());
    let (github, railway) = (
        format!("github={}", double.url()),
        format!("railway={}", double.url()),
    );
    let mut args = vec![
        "--files-only",
        "--probe",
        "--probe-at",
        &github,
        "--probe-at",
        &railway,
        "--baseline",
        "scopes.toml",
    ];
    args.extend(more);
    let ran = scopes(folder.path(), &args);
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    (folder, double, ran)
}

#[test]
fn providers_are_asked_after_the_list_was_shown_and_the_report_says_what_came_of_it() {
    let (_folder, double, ran) = full(&["--html", "report.html"]);
    let at = |text: &str| {
        ran.err
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", ran.err))
    };
    // The list comes before the first call, and every call is said.
    assert!(
        at("by these calls and no others: user (GET /user)") < at("asking, read only: user: GET")
    );
    assert!(at("will ask, read only: Railway project token") < at("asking, read only: user: GET"));
    let said = ran.err.matches("\nasking, read only: ").count();
    // One more is the PostgreSQL server that does not answer.
    assert_eq!(said, double.requests().len() + 1, "{}", ran.err);
    assert!(
        ran.out.contains("Your backups die with your data."),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("project `shop`: 1 volume"), "{}", ran.out);
    assert!(
        ran.out.contains("calls, all of which only read"),
        "{}",
        ran.out
    );
    let page = std::fs::read_to_string(_folder.path().join("report.html")).unwrap();
    assert!(page.contains("volumeInstanceBackupList") && page.contains("production"));
    for text in [&ran.out, &ran.err, &page] {
        assert!(!text.contains(&github_token()) && !text.contains(&uuid()));
    }
}

/// No file and no variable moves a credential's way: only the command line, and only to this machine.
#[test]
fn only_the_command_line_names_another_host_and_only_this_machine() {
    let folder = planted();
    for (given, why) in [
        ("railway=https://evil.example", "127.0.0.1"),
        ("railway=http://localhost:1", "127.0.0.1"),
        ("kubernetes=http://127.0.0.1:1", "no provider"),
        ("railway", "no `=`"),
    ] {
        let ran = scopes(
            folder.path(),
            &["--files-only", "--probe", "--probe-at", given],
        );
        assert_eq!(ran.code, 2, "{given} {}", ran.err);
        assert!(ran.err.contains(why), "{given} {}", ran.err);
    }
    assert_eq!(
        scopes(folder.path(), &["--probe-at", "railway=http://127.0.0.1:1"]).code,
        2
    );
    let help = scopes(folder.path(), &["--help"]);
    let line = help.out.split("--probe-at").nth(1).unwrap();
    assert!(
        !line.split("--files-only").next().unwrap().contains("[env:"),
        "{line}"
    );
}

/// What a page promises of a form: path, whether it can be left out, and type.
type Promised<'p> = Vec<(&'p str, bool, &'p str)>;

fn paths(
    value: &Value,
    at: &str,
    promised: &Promised<'_>,
    out: &mut std::collections::BTreeSet<(String, &'static str)>,
) {
    let whole = |path: &str| {
        let promise = promised.iter().find(|(promised, _, _)| *promised == path);
        promise.is_some_and(|(_, _, kind)| kind.contains("object"))
    };
    match value {
        // What is in it is promised elsewhere, or not at all.
        Value::Object(_) if whole(at) => {
            out.insert((at.to_owned(), "object"));
        }
        Value::Object(object) => {
            for (name, value) in object {
                let name = if at.ends_with(".facts") || at == "looked" {
                    "{}"
                } else {
                    name
                };
                let to = if at.is_empty() {
                    name.to_owned()
                } else {
                    format!("{at}.{name}")
                };
                paths(value, &to, promised, out);
            }
        }
        Value::Array(all) => all
            .iter()
            .for_each(|value| paths(value, &format!("{at}[]"), promised, out)),
        Value::String(_) => {
            out.insert((at.to_owned(), "text"));
        }
        Value::Number(_) => {
            out.insert((at.to_owned(), "number"));
        }
        Value::Bool(_) => {
            out.insert((at.to_owned(), "truth"));
        }
        Value::Null => {
            out.insert((at.to_owned(), "null"));
        }
    }
}

/// Holds what was printed against what the page says under the heading for `of`; gives back what was there.
pub(crate) fn as_promised(report: &Value, of: &str) -> std::collections::BTreeSet<String> {
    assert_eq!(report["version"], 1);
    let page = include_str!("../../../../docs/scopes-json.md");
    let head = format!("# The JSON of `{of}`\n");
    let part = page.split(&head).nth(1).unwrap();
    let part = part.split("\n# ").next().unwrap();
    let promised: Promised<'_> = part
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| {
            let (path, rest) = line.split_once("` | ")?;
            let kind = rest.split(" | ").next()?;
            Some((path.trim_end_matches('?'), path.ends_with('?'), kind))
        })
        .collect();
    let mut found = std::collections::BTreeSet::new();
    paths(report, "", &promised, &mut found);
    for (path, kind) in &found {
        let promise = promised.iter().find(|(promised, _, _)| promised == path);
        let (_, _, kinds) = promise.unwrap_or_else(|| panic!("`{path}` is not on the page"));
        assert!(
            kinds.split(" or ").any(|one| one == *kind),
            "`{path}` is {kind}"
        );
    }
    for (path, optional, _) in &promised {
        assert!(
            *optional || found.iter().any(|(found, _)| found == path),
            "`{path}` is promised and not there"
        );
    }
    found.into_iter().map(|(path, _)| path).collect()
}

#[test]
fn the_json_is_as_its_page_promises() {
    let (_folder, _double, ran) = full(&["--json"]);
    let found = as_promised(&ran.json(), "backstop scopes");
    // What only a provider's answer has was there to be looked at.
    for path in [
        "findings[].provider.asked[]",
        "findings[].provider.stores[].backups[].newest",
        "findings[].accepted",
    ] {
        assert!(found.contains(path), "{path}");
    }
}

/// SARIF held against its published schema, by a validator that is not ours.
#[test]
fn sarif_is_what_its_published_schema_says() {
    let (folder, _double, ran) = full(&["--sarif"]);
    let log = folder.path().join("log.sarif");
    let check = |text: &str| {
        std::fs::write(&log, text).unwrap();
        let python = std::path::Path::new(env!("BACKSTOP_TEST_CACHE")).join("python/bin/python");
        assert!(python.exists(), "hint: scripts/setup.sh clients");
        let schema = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/sarif/sarif-schema-2.1.0.json"
        );
        let program = "import json, sys, jsonschema\nschema = json.load(open(sys.argv[1]))\nkind = jsonschema.validators.validator_for(schema)\nkind.check_schema(schema)\nerrors = [e.json_path + ': ' + e.message for e in kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(json.load(open(sys.argv[2])))]\nprint('\\n'.join(errors) or 'valid')";
        let ran = std::process::Command::new(python)
            .args(["-I", "-c", program, schema])
            .arg(&log)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(check(&ran.out).trim(), "valid");
    let value = ran.json();
    let results = value["runs"][0]["results"].as_array().unwrap();
    assert!(
        results
            .iter()
            .any(|r| r["suppressions"][0]["kind"] == "external")
    );
    assert!(
        results
            .iter()
            .any(|r| r["properties"]["stores"][0]["name"] == "data"),
        "{value}"
    );
    // And what is not valid is found.
    assert!(check(&ran.out.replace("\"error\"", "\"awful\"")).contains("awful"));
}
