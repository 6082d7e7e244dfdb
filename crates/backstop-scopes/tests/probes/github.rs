//! GitHub: scopes where the token says them, and where a token must not go.

use backstop_scopes::probe::Provider;
use backstop_scopes::report::{Probed, Severity};
use backstop_testing::doubles::{AnsweringDouble, reply};
use serde_json::{Value, json};

use super::schema::Published;
use super::support::{ask, planted, reads_only, token};

fn classic() -> String {
    token("ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")
}

/// What a call is answered with, as the published description has it.
fn answer(published: &Published, path: &str) -> Option<Value> {
    let page = |from: usize, to: usize| {
        let all = (from..to).map(|n| {
            let mut one = published.example("repository");
            one["id"] = n.into();
            one["name"] = format!("r{n}").into();
            one["full_name"] = format!("ann/r{n}").into();
            one["permissions"] = json!({ "admin": n.is_multiple_of(2), "maintain": true, "push": true, "triage": true, "pull": true });
            one
        });
        Value::Array(all.collect())
    };
    match path {
        "/user" => {
            let mut user = published.example("user");
            user["login"] = "ann".into();
            Some(user)
        }
        "/user/repos?per_page=100&page=1" => Some(page(0, 100)),
        "/user/repos?per_page=100&page=2" => Some(page(100, 103)),
        _ => None,
    }
}

/// `/user` and two pages of `/user/repos`.
fn double(scopes: Option<&'static str>) -> AnsweringDouble {
    let published = Published::github();
    AnsweringDouble::start(move |request| {
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8"),
            ("x-github-media-type", "github.v3"),
        ];
        headers.extend(scopes.map(|scopes| ("x-oauth-scopes", scopes)));
        Ok(match answer(&published, &request.path) {
            Some(body) => reply(200, &headers, &body.to_string()),
            None => reply(404, &headers, r#"{"message":"Not Found"}"#),
        })
    })
    .unwrap()
}

/// Neither side is what we think GitHub is: both are what it publishes.
#[test]
fn the_double_and_what_it_is_asked_are_as_published() {
    let published = Published::github();
    let double = double(Some("repo"));
    let folder = planted(&[(".env", &format!("GITHUB_TOKEN={}\n", classic()))]);
    ask(folder.path(), &[(Provider::Github, &double.url())]);
    let mut answers = vec![("error", json!({ "message": "Bad credentials" }))];
    for request in double.requests() {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let call = match path {
            "/user" => "GET /user",
            "/user/repos" => "GET /user/repos",
            other => panic!("{other} is not in the description"),
        };
        assert_eq!(request.method, "GET");
        assert_eq!(published.query_errors(call, query), Vec::<String>::new());
        answers.push((call, answer(&published, &request.path).unwrap()));
    }
    assert_eq!(answers.len(), 4, "a user, two pages, an error");
    assert_eq!(published.errors(&answers), Vec::<String>::new());
    // And what is not as published is found.
    let wrong = published.errors(&[("GET /user/repos", json!([{ "full_name": "ann/r" }]))]);
    assert!(!wrong.is_empty());
    assert!(
        !published
            .query_errors("GET /user/repos", "per_page=x")
            .is_empty()
    );
    assert!(
        !published
            .query_errors("GET /user/repos", "delete=1")
            .is_empty()
    );
}

#[test]
fn a_classic_tokens_scopes_say_what_it_can_do() {
    let double = double(Some("repo, workflow, delete_repo"));
    let folder = planted(&[(".env", &format!("GITHUB_TOKEN={}\n", classic()))]);
    let asked = ask(folder.path(), &[(Provider::Github, &double.url())]);
    reads_only(&double.requests());
    let found = asked.one("github.classic");
    assert_eq!(found.severity, Severity::High);
    assert!(
        found
            .sentence
            .contains("As `ann` of GitHub it can delete the repositories"),
        "{}",
        found.sentence
    );
    assert!(
        found
            .evidence
            .iter()
            .any(|e| e.contains("administers 52 repositories of the 103")),
        "{:?}",
        found.evidence
    );
    assert!(
        double
            .requests()
            .iter()
            .all(|r| r.header("authorization") == Some(&format!("Bearer {}", classic())))
    );
}

#[test]
fn a_token_that_only_reads_falls_in_rank() {
    let double = double(Some("read:org, read:user"));
    let folder = planted(&[(".env", &format!("GITHUB_TOKEN={}\n", classic()))]);
    let asked = ask(folder.path(), &[(Provider::Github, &double.url())]);
    let found = asked.one("github.classic");
    assert_eq!(found.severity, Severity::Low, "{}", found.sentence);
    assert!(found.sentence.contains("overwrite and delete nothing"));
}

#[test]
fn a_fine_grained_token_tells_nothing_and_that_is_said() {
    let double = double(None);
    let fine = token(
        "github_pat_",
        "NqVwYS81VP7Hb1DX8pPd5k_hxE3pyIgKpaUnArl63XykWZeiNNCiia3anXn9k3ksu9mI4ROnl89Sm995yt",
    );
    let folder = planted(&[(".env", &format!("GITHUB_TOKEN={fine}\n"))]);
    let asked = ask(folder.path(), &[(Provider::Github, &double.url())]);
    let found = asked
        .findings
        .iter()
        .find(|f| f.kind.starts_with("github."))
        .unwrap();
    assert_eq!(found.severity, Severity::High);
    let unknown = &found.provider.as_ref().unwrap().unknown;
    assert!(unknown[0].contains("tells them to nobody"), "{unknown:?}");
}

#[test]
fn a_revoked_token_is_said_to_be_one() {
    let double =
        AnsweringDouble::start(|_| Ok(reply(401, &[], r#"{"message":"Bad credentials"}"#)))
            .unwrap();
    let folder = planted(&[(".env", &format!("GITHUB_TOKEN={}\n", classic()))]);
    let asked = ask(folder.path(), &[(Provider::Github, &double.url())]);
    let found = asked.one("github.classic");
    assert!(
        matches!(&found.probed, Probed::Failed { why } if why.contains("GitHub does not take it")),
        "{:?}",
        found.probed
    );
    assert_eq!(
        found.severity,
        Severity::High,
        "what is not known keeps its rank"
    );
}

/// A token of another host is sent nowhere: not to github.com, and not to the host that a file names.
#[test]
fn a_token_of_an_enterprise_host_goes_nowhere() {
    let double = double(Some("repo"));
    let login = token("gho_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let hosts = format!(
        "ghe.corp.example:\n    users:\n        ann:\n            oauth_token: {login}\n    oauth_token: {login}\n    user: ann\n"
    );
    for files in [
        vec![(".config/gh/hosts.yml", hosts)],
        vec![(
            ".env",
            format!(
                "GITHUB_TOKEN={}\nGITHUB_API_URL=https://ghe.corp.example/api/v3\n",
                classic()
            ),
        )],
        vec![(
            ".env",
            format!(
                "GITHUB_TOKEN={}\nexport GH_HOST=\"ghe.corp.example\"\n",
                classic()
            ),
        )],
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let folder = planted(&files);
        let asked = ask(folder.path(), &[(Provider::Github, &double.url())]);
        let found = asked
            .findings
            .iter()
            .find(|f| f.kind.starts_with("github."))
            .unwrap();
        assert!(
            matches!(&found.probed, Probed::Failed { why } if why.contains("ghe.corp.example")),
            "{files:?} {:?}",
            found.probed
        );
    }
    assert!(double.requests().is_empty());
}
