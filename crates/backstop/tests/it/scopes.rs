//! The audit as a new user runs it: in a directory, without any set-up.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

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
