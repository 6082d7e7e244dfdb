//! Answers that mean harm cost the probe they came to, and nothing else.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use backstop_scopes::probe::Provider;
use backstop_scopes::report::Probed;
use backstop_testing::doubles::{AnsweringDouble, reply};

use super::support::{Asked, ask, planted, token};

fn asked(url: &str) -> Asked {
    let folder = planted(&[(
        ".env",
        &format!(
            "GITHUB_TOKEN={}\n",
            token("ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")
        ),
    )]);
    ask(folder.path(), &[(Provider::Github, url)])
}

fn failed(asked: &Asked) -> String {
    match &asked.one("github.classic").probed {
        Probed::Failed { why } => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = AnsweringDouble::start(|_| Ok(reply(200, &[], "{}"))).unwrap();
    let to = elsewhere.url();
    let double = AnsweringDouble::start(move |_| Ok(reply(307, &[("location", &to)], ""))).unwrap();
    assert!(failed(&asked(&double.url())).contains("sent elsewhere"));
    assert!(
        elsewhere.requests().is_empty(),
        "the token went to another host"
    );
}

#[test]
fn an_endless_answer_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'['; 65536]).is_ok() {}
        }
    });
    let began = Instant::now();
    assert!(failed(&asked(&url)).contains("too long"));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_is_nested_deep_or_no_json_is_no_answer() {
    for body in [
        "[".repeat(200_000),
        "{\"login\":".repeat(100_000),
        "null".into(),
        "{}".into(),
        "\u{0}".into(),
    ] {
        let double =
            AnsweringDouble::start(move |_| Ok(reply(200, &[("x-oauth-scopes", "repo")], &body)))
                .unwrap();
        failed(&asked(&double.url()));
    }
}

#[test]
fn a_name_from_elsewhere_drives_no_terminal_and_fills_no_page() {
    let long = "x".repeat(100_000);
    let double = AnsweringDouble::start(move |request| {
        let body = match request.path.as_str() {
            "/user" => serde_json::json!({ "login": "\u{1b}]0;evil\u{7}\u{202e}ann\r\n" }),
            _ => serde_json::json!([{ "full_name": long, "permissions": { "admin": true } }]),
        };
        Ok(reply(200, &[("x-oauth-scopes", "repo")], &body.to_string()))
    })
    .unwrap();
    let asked = asked(&double.url());
    let found = asked.one("github.classic");
    let all = format!(
        "{}{}{:?}",
        found.sentence,
        found.evidence.join(""),
        asked.said
    );
    assert!(
        !all.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r', '\n']),
        "{all:?}"
    );
    assert!(all.len() < 3000, "{}", all.len());
    assert!(found.sentence.contains("ann"));
}

#[test]
fn whoever_is_told_to_ask_less_often_asks_again_and_gives_up() {
    let double = AnsweringDouble::start(|_| Ok(reply(429, &[], "slow down"))).unwrap();
    assert!(failed(&asked(&double.url())).contains("ask less often"));
    assert_eq!(double.requests().len(), 3);
}

/// What is only shaped like one may be another's secret.
#[test]
fn what_is_doubtful_is_sent_nowhere() {
    let double = AnsweringDouble::start(|_| Ok(reply(200, &[], "{}"))).unwrap();
    let folder = planted(&[(
        "tests/fixtures/.env.example",
        &format!(
            "GITHUB_TOKEN={}\n",
            token("ghp_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8")
        ),
    )]);
    let asked = ask(folder.path(), &[(Provider::Github, &double.url())]);
    assert!(
        matches!(&asked.findings[0].probed, Probed::Failed { why } if why.contains("doubtful")),
        "{:?}",
        asked.findings[0].probed
    );
    assert!(double.requests().is_empty());
}
