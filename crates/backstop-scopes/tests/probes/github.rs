//! GitHub: scopes where the token says them, and where a token must not go.

use backstop_scopes::probe::Provider;
use backstop_scopes::report::{Probed, Severity};
use backstop_testing::doubles::{AnsweringDouble, reply};

use super::support::{ask, planted, reads_only, token};

fn classic() -> String {
    token("ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")
}

/// `/user` and two pages of `/user/repos` as the REST API describes them.
fn double(scopes: Option<&'static str>) -> AnsweringDouble {
    AnsweringDouble::start(move |request| {
        let mut headers = vec![("content-type", "application/json; charset=utf-8"), ("x-github-media-type", "github.v3")];
        headers.extend(scopes.map(|scopes| ("x-oauth-scopes", scopes)));
        let repository = |n: usize| {
            format!(r#"{{"id":{n},"name":"r{n}","full_name":"ann/r{n}","private":true,"permissions":{{"admin":{},"maintain":true,"push":true,"triage":true,"pull":true}}}}"#, n.is_multiple_of(2))
        };
        let page = |from: usize, to: usize| format!("[{}]", (from..to).map(repository).collect::<Vec<_>>().join(","));
        let body = match request.path.as_str() {
            "/user" => r#"{"login":"ann","id":1,"type":"User","site_admin":false}"#.to_owned(),
            "/user/repos?per_page=100&page=1" => page(0, 100),
            "/user/repos?per_page=100&page=2" => page(100, 103),
            _ => return Ok(reply(404, &headers, r#"{"message":"Not Found"}"#)),
        };
        Ok(reply(200, &headers, &body))
    })
    .unwrap()
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
