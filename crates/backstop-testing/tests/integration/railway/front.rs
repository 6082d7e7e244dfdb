//! The front: HTTP/1.1 and HTTP/2 over TLS, and bodies that are no request.

use std::process::Command;

use backstop_testing::railway::RailwayDouble;
use serde_json::json;

use super::{bearer, error};

/// Runs curl; a status with what was read.
fn curl(double: &RailwayDouble, more: &[&str]) -> (u16, String) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    double.write_authority(&bundle).unwrap();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(["--write-out", "\n%{http_code} %{http_version}"])
        .args(more)
        .env_clear()
        .env("CURL_CA_BUNDLE", &bundle)
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, last) = said.rsplit_once('\n').unwrap();
    let (status, version) = last.split_once(' ').unwrap();
    (status.parse().unwrap(), format!("{version} {body}"))
}

#[test]
fn it_speaks_both_versions_of_http() {
    let double = RailwayDouble::start().unwrap();
    let authorization = format!("authorization: Bearer {}", double.account_token());
    let named = format!("https://localhost:{}/graphql/v2", double.port());
    for (flag, version) in [("--http1.1", "1.1 "), ("--http2", "2 ")] {
        for url in [&double.url(), &named] {
            let (status, said) = curl(
                &double,
                &[
                    flag,
                    "-H",
                    &authorization,
                    "-H",
                    "content-type: application/json",
                    "-d",
                    r#"{"query":"{ me { name } }"}"#,
                    url,
                ],
            );
            assert_eq!(status, 200);
            assert_eq!(
                said,
                format!("{version}{}", r#"{"data":{"me":{"name":"Ada"}}}"#)
            );
        }
    }
    assert_eq!(double.connections(), 4);
}

#[test]
fn the_call_as_it_was_published_states_no_type_and_is_carried_out() {
    let double = RailwayDouble::start().unwrap();
    let body = format!(
        r#"{{"query":"mutation {{ volumeDelete(volumeId: \"{}\") }}"}}"#,
        double.tenancy().volume
    );
    let authorization = format!("Authorization: Bearer {}", double.account_token());
    let (status, said) = curl(
        &double,
        &[
            "-X",
            "POST",
            &double.url(),
            "-H",
            &authorization,
            "-d",
            &body,
        ],
    );
    assert_eq!(status, 200);
    assert!(
        said.ends_with(r#"{"data":{"volumeDelete":true}}"#),
        "{said}"
    );
    assert_eq!(double.left().volumes, 0);
}

#[test]
fn what_is_no_request_is_refused_and_noted() {
    let double = RailwayDouble::start().unwrap();
    let url = double.url();
    let elsewhere = url.replace("/v2", "/v1");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b' '; 1024 * 1024 + 1]).unwrap();
    let large = format!("@{}", file.path().display());
    for (arguments, expected) in [
        (vec!["-d", "{}", elsewhere.as_str()], 404),
        (vec![url.as_str()], 405),
        (vec!["-X", "PUT", "-d", "{}", url.as_str()], 405),
        (vec!["--data-binary", large.as_str(), url.as_str()], 413),
        (
            vec!["-H", "content-type: text/plain", "-d", "{}", url.as_str()],
            415,
        ),
    ] {
        assert_eq!(curl(&double, &arguments).0, expected, "{arguments:?}");
    }
    let statuses: Vec<u16> = double
        .received()
        .iter()
        .filter_map(|one| one.status)
        .collect();
    assert_eq!(statuses, [404, 405, 405, 413, 415]);
    assert!(
        double
            .received()
            .iter()
            .all(|one| one.operation.starts_with("unreadable"))
    );
}

#[test]
fn bodies_are_read_strictly() {
    let double = RailwayDouble::start().unwrap();
    let (name, token) = bearer(double.account_token());
    let ask = |headers: &[(&str, &str)], body: &str| {
        let all: Vec<(&str, &str)> = headers
            .iter()
            .copied()
            .chain([(name, token.as_str())])
            .collect();
        double.ask(&all, body)
    };
    let good = r#"{"query":"{ me { name } }"}"#;
    assert_eq!(ask(&[], good).0, 200);
    assert_eq!(
        ask(
            &[("content-type", "Application/JSON; Charset=\"UTF-8\"")],
            good
        )
        .0,
        200
    );
    for (headers, body, status) in [
        (vec![], "", 400),
        (vec![], "{", 400),
        (vec![], "[]", 400),
        (vec![], r#"[{"query":"{ me { name } }"}]"#, 400),
        (vec![], r#"{"query":1}"#, 400),
        (vec![], r#"{"query":""}"#, 400),
        (vec![], r#"{"query":"{ me { name } }","variables":[]}"#, 400),
        (
            vec![],
            r#"{"query":"{ me { name } }","operationName":"other"}"#,
            400,
        ),
        (
            vec![],
            r#"{"query":"query a { me { name } } query b { me { name } }"}"#,
            400,
        ),
        (
            vec![],
            r#"{"query":"query a($i: String!) { project(id: $i) { id } }"}"#,
            400,
        ),
        (
            vec![],
            r#"{"query":"query a($i: String!) { project(id: $i) { id } }","variables":{"i":1}}"#,
            400,
        ),
        (
            vec![],
            r#"{"query":"subscription { deploymentLogs(deploymentId: \"1\") { message } }"}"#,
            400,
        ),
        (
            vec![],
            r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}"#,
            400,
        ),
        (vec![("content-encoding", "gzip")], good, 415),
        (
            vec![("content-type", "application/json; charset=utf-16")],
            good,
            415,
        ),
        (
            vec![("content-type", "application/graphql")],
            "{ me { name } }",
            415,
        ),
    ] {
        let (answered, value) = ask(&headers, body);
        assert_eq!(answered, status, "{body}: {value}");
        assert!(
            !error(&value).is_empty() && value.get("data").is_none(),
            "{body}: {value}"
        );
    }
    // A name picks one of several operations.
    let (_, value) = ask(
        &[],
        r#"{"query":"query a { me { name } } query b { me { email } }","operationName":"b"}"#,
    );
    assert_eq!(
        value["data"],
        json!({ "me": { "email": "ada@rental.example" } })
    );
}
