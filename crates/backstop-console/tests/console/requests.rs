//! What the console lets through and what it refuses, request by request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backstop_console::{Limits, Tls};
use backstop_core::target::Environment;
use backstop_testing::tls::Authority;
use hyper::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, Somebody, first};
use crate::site::{Site, wipe};

#[tokio::test]
async fn it_answers_under_its_own_name_only() {
    let site = Site::start().await;
    let mut client = Client::of(&site);
    for host in ["127.0.0.1", "[::1]"] {
        let host = format!("{host}:{}", site.port);
        let answer = client
            .send("GET", "/holds?a=b", &[("host", &host)], "")
            .await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.header("location"), site.url("/holds?a=b"));
        let answer = client.send("POST", "/halt", &[("host", &host)], "").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    }
    for host in ["evil.example", "localhost", "localhost:1", "user@localhost"] {
        let answer = client.send("GET", "/holds", &[("host", host)], "").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(answer.body.contains(&site.origin));
    }
    site.stop().await;
}

#[tokio::test]
async fn every_answer_carries_the_policy() {
    let site = Site::start().await;
    let mut client = Client::of(&site);
    for path in [
        "/sign-in",
        "/nowhere",
        "/holds",
        "/assets/console.css",
        "/assets/none",
        "/enrol/abc",
        "/leases/%00",
    ] {
        let answer = client.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("strict-transport-security"), "");
        let expected = if path == "/assets/console.css" {
            "private, max-age=300"
        } else {
            "no-store"
        };
        assert_eq!(answer.header("cache-control"), expected, "{path}");
    }
    assert_eq!(
        client.get("/leases/%00").await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(client.get("/nowhere").await.status, StatusCode::NOT_FOUND);
    site.stop().await;
}

#[tokio::test]
async fn whoever_presents_a_lease_is_refused_and_reported() {
    let site = Site::start().await;
    let mut client = Client::of(&site);
    let id = "lease_0123456789abcdef";
    let basic = "Basic bGVhc2VfMDEyMzQ1Njc4OWFiY2RlZjpzZWNyZXQ=";
    for (path, header) in [
        ("/holds", ("authorization", basic)),
        ("/sign-in", ("authorization", "Bearer something")),
        ("/assets/live.js", ("authorization", basic)),
        ("/sign-in?lease=lease_0123456789abcdef:secret", ("x", "")),
        ("/holds", ("cookie", "session=lease_0123456789abcdef")),
        ("/holds", ("x-lease", id)),
    ] {
        let answer = client.send("GET", path, &[header], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {header:?}");
        assert!(!answer.body.contains("secret"));
    }
    let seen = site.alarms.0.lock().unwrap().clone();
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[0].lease.as_deref(), Some(id));
    assert_eq!(seen[1].lease, None);
    assert!(seen.iter().all(|p| p.source.is_loopback()));
    // A person's filter for a lease is not one.
    let answer = client.get("/journal?lease=lease_0123456789abcdef").await;
    assert_eq!(
        (answer.status, site.alarms.0.lock().unwrap().len()),
        (StatusCode::SEE_OTHER, 6)
    );
    site.stop().await;
}

#[tokio::test]
async fn nobody_sees_anything_before_signing_in() {
    let site = Site::start().await;
    let mut client = Client::of(&site);
    let lease = site.lease("Clean up", Environment::Production).await;
    let hold = site.hold(&lease, wipe("DELETE FROM payments")).await;
    let pages = [
        "/holds", "/leases", "/points", "/journal", "/people", "/freeze", "/events",
    ]
    .map(str::to_owned);
    for path in pages
        .into_iter()
        .chain([format!("/holds/{hold}"), format!("/leases/{lease}")])
    {
        let answer = client.get(&path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.header("location"), format!("/sign-in?next={path}"));
        assert_eq!(answer.body, "");
    }
    client.get("/sign-in").await;
    for path in [
        format!("/holds/{hold}/challenge"),
        format!("/holds/{hold}/decide"),
    ] {
        let answer = client.json(&path, &json!({ "answer": "approve" })).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [
        format!("/leases/{lease}/halt"),
        "/freeze".into(),
        "/halt".into(),
        "/people".into(),
    ] {
        assert_eq!(
            client.form(&path, "why=x&name=x").await.status,
            StatusCode::SEE_OTHER,
            "{path}"
        );
    }
    assert!(
        site.store
            .lease(&lease)
            .unwrap()
            .is_active(site.store.now_ms())
    );
    assert!(site.store.state().frozen.is_none() && site.store.state().halted.is_none());
    site.stop().await;
}

#[tokio::test]
async fn changes_come_only_from_the_consoles_own_pages() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let client = &mut ada.client;
    let form = format!("csrf={}&why=x", client.csrf);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for headers in [
        vec![kind, ("origin", "")],
        vec![kind, ("origin", "null")],
        vec![kind, ("origin", "http://localhost:1")],
        vec![kind, ("sec-fetch-site", "cross-site")],
        vec![kind, ("sec-fetch-site", "same-site")],
    ] {
        let answer = client.send("POST", "/freeze", &headers, &form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    let mut stranger = Client::of(&site);
    stranger.get("/sign-in").await;
    for token in ["", "00", &stranger.csrf] {
        let answer = client
            .send("POST", "/freeze", &[kind], &format!("csrf={token}&why=x"))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{token}");
    }
    assert_eq!(
        client
            .send("POST", "/freeze", &[kind], "why=x")
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        client
            .send("DELETE", "/freeze", &[kind], &form)
            .await
            .status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert!(site.store.state().frozen.is_none());
    assert_eq!(
        client.send("POST", "/freeze", &[kind], &form).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        site.store.state().frozen.as_deref(),
        Some("stopped by Ada: x")
    );
    site.stop().await;
}

#[tokio::test]
async fn a_session_is_a_new_strict_cookie_and_ends() {
    let site = Site::start().await;
    let mut ada = Somebody::at(&site);
    ada.enrol(&site.store.invite_first().unwrap(), "Ada").await;
    let before = ada.client.cookie.clone().unwrap();
    let answer = ada.sign_in().await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let after = ada.client.cookie.clone().unwrap();
    assert_ne!(before, after);
    // The visit from before signing in is not signed in.
    let mut old = Client::of(&site);
    old.cookie = Some(before);
    assert_eq!(old.get("/holds").await.status, StatusCode::SEE_OTHER);
    assert_eq!(ada.client.get("/holds").await.status, StatusCode::OK);
    assert_eq!(
        ada.client.form("/sign-out", "").await.header("location"),
        "/sign-in"
    );
    ada.client.cookie = Some(after);
    assert_eq!(ada.client.get("/holds").await.status, StatusCode::SEE_OTHER);
    site.stop().await;
}

#[tokio::test]
async fn a_link_from_elsewhere_does_not_sign_anybody_out() {
    let site = Site::start().await;
    let mut client = Client::of(&site);
    let answer = client
        .send(
            "GET",
            "/holds/hold_1",
            &[("sec-fetch-site", "cross-site")],
            "",
        )
        .await;
    assert_eq!(
        (answer.status, answer.header("set-cookie")),
        (StatusCode::OK, "")
    );
    assert!(
        answer.body.contains("content=\"0;url=/holds/hold_1\""),
        "{}",
        answer.body
    );
    for path in ["//evil.example", "/a%22onload=1", "/a?x=javascript:1"] {
        let answer = client
            .send("GET", path, &[("sec-fetch-site", "cross-site")], "")
            .await;
        assert!(
            !answer.body.contains("evil")
                && !answer.body.contains("onload")
                && !answer.body.contains("javascript")
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn big_strange_and_broken_requests_cost_only_themselves() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let big = "x".repeat(200_000);
    assert_eq!(
        ada.client
            .json("/sign-in/challenge", &json!({ "x": big }))
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    for body in ["", "{", "[]", "null", "{\"nonce\":1}"] {
        let csrf = ada.client.csrf.clone();
        let headers = [
            ("content-type", "application/json"),
            ("x-csrf-token", csrf.as_str()),
        ];
        let answer = ada.client.send("POST", "/sign-in", &headers, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(
            answer.json()["error"],
            "the request is not what this page sends"
        );
    }
    for path in [
        "/holds/hold_0000000000000000",
        "/holds/..%2f..%2fetc",
        "/leases/x",
        "/enrol/x",
        "/invited/x",
    ] {
        assert_eq!(
            ada.client.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let mut raw = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    let many: String = (0..200).map(|i| format!("x-{i}: y\r\n")).collect();
    raw.write_all(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes())
        .await
        .unwrap();
    let mut said = String::new();
    let _ = raw.read_to_string(&mut said).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    assert_eq!(ada.client.get("/holds").await.status, StatusCode::OK);
    site.stop().await;
}

#[tokio::test]
async fn under_a_name_it_speaks_tls_and_marks_its_cookie() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("test").unwrap();
    let identity = authority.loopback().unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, &identity.certificate_pem).unwrap();
    std::fs::write(&key, &identity.key_pem).unwrap();
    let tls = Tls::from_files(&certificate, &key).unwrap();
    let error = Tls::from_files(&key, &certificate)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("is not a usable certificate") && error.contains("hint: "),
        "{error}"
    );
    let site = Site::start_with(
        Limits::default(),
        backstop_store::Limits::default(),
        "https",
        Some(tls),
    )
    .await;
    let mut roots = rustls::RootCertStore::empty();
    let pem = authority.certificate_pem();
    let certificates = <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::pem_slice_iter(pem.as_bytes());
    roots.add_parsable_certificates(certificates.map(Result::unwrap));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    let mut client = Client::of(&site);
    let answer = client
        .send_over(stream, "GET", "/sign-in", &[("origin", "")], "")
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-backstop=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    assert_eq!(
        answer.header("strict-transport-security"),
        "max-age=31536000"
    );
    site.stop().await;
}

#[tokio::test]
async fn slow_clients_are_ended_and_keep_nobody_out() {
    let limits = Limits {
        head: Duration::from_millis(300),
        request: Duration::from_millis(600),
        connections: 3,
        ..Limits::default()
    };
    let site = Site::start_with(limits, backstop_store::Limits::default(), "http", None).await;
    let began = Instant::now();
    let mut slow = vec![];
    for said in [
        "",
        "GET / HT",
        "POST /recover HTTP/1.1\r\nhost: localhost:PORT\r\norigin: http://localhost:PORT\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\ncsrf=",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        let said = said.replace("PORT", &site.port.to_string());
        stream.write_all(said.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // All places are taken; the next one waits for less than two seconds.
    let answer = Client::of(&site).get("/sign-in").await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut answers = vec![];
    for mut stream in slow {
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said).await;
        answers.push(said);
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    assert!(answers[2].starts_with("HTTP/1.1 408"), "{answers:?}");
    site.stop().await;
}
