//! What the console lets through and what it refuses, request by request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backstop_console::{Limits, Tls};
use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::hold::HoldState;
use backstop_core::passkey::{Expected, verify_assertion};
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
async fn the_journal_alone_proves_who_decided_what() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let hold = site.hold(&lease, wipe("DELETE FROM payments")).await;
    let answer = ada.decide(&hold, "deny", "not today").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let events = site.ledger.events();
    let passkey = events.iter().find_map(|event| match event {
        Event::Enrolled { person, .. } => person.passkeys.first().cloned(),
        _ => None,
    });
    let decision = events.iter().find_map(|event| match event {
        Event::Decided { decision, .. } => Some(decision.clone()),
        _ => None,
    });
    let (passkey, decision) = (passkey.unwrap(), decision.unwrap());
    assert_eq!(
        (decision.reason.as_str(), decision.challenge.hold.as_deref()),
        ("not today", Some(hold.as_str()))
    );
    let (origins, challenge) = ([site.origin.clone()], decision.challenge.bytes().unwrap());
    let expected = Expected {
        rp_id: "localhost",
        origins: &origins,
        challenge: &challenge,
    };
    assert!(verify_assertion(&expected, &passkey, &decision.assertion).is_ok());
    let mut other = decision.challenge.clone();
    other.answer = backstop_core::approval::Answer::Approve;
    let challenge = other.bytes().unwrap();
    let expected = Expected {
        rp_id: "localhost",
        origins: &origins,
        challenge: &challenge,
    };
    assert!(verify_assertion(&expected, &passkey, &decision.assertion).is_err());
    site.stop().await;
}

#[tokio::test]
async fn a_signature_is_for_one_decision_of_one_person() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let one = site.hold(&lease, wipe("DELETE FROM payments")).await;
    let two = site.hold(&lease, wipe("DELETE FROM customers")).await;
    // Another reason than the one that was signed.
    let asked = ada.ask(&one, "deny", "no").await;
    assert_eq!(
        ada.give(&one, &asked, "yes").await.status,
        StatusCode::BAD_REQUEST
    );
    // A signature under the name of another request to sign.
    let (yes, no) = (
        ada.ask(&one, "approve", "").await,
        ada.ask(&two, "deny", "").await,
    );
    let mut swapped = no.clone();
    swapped["nonce"] = yes["nonce"].clone();
    assert_eq!(
        ada.give(&one, &swapped, "").await.status,
        StatusCode::FORBIDDEN
    );
    // A request to sign in is none to decide.
    let asked = ada
        .client
        .json("/sign-in/challenge", &json!({}))
        .await
        .json();
    assert_eq!(
        ada.give(&one, &asked, "").await.status,
        StatusCode::BAD_REQUEST
    );
    // Somebody else's passkey, and nobody's.
    let mut eve = Somebody::at(&site);
    eve.authenticator
        .register(&site.origin, "localhost", b"eve", "eve", &[1; 32])
        .unwrap();
    let mut asked = ada.ask(&one, "approve", "").await;
    asked["publicKey"]["allowCredentials"] = json!([]);
    std::mem::swap(&mut ada.authenticator, &mut eve.authenticator);
    assert_eq!(
        ada.give(&one, &asked, "").await.status,
        StatusCode::FORBIDDEN
    );
    std::mem::swap(&mut ada.authenticator, &mut eve.authenticator);
    // Without user verification.
    let asked = ada.ask(&one, "approve", "").await;
    ada.authenticator.verify_person(false);
    assert_eq!(
        ada.give(&one, &asked, "").await.status,
        StatusCode::FORBIDDEN
    );
    ada.authenticator.verify_person(true);
    for hold in [&one, &two] {
        assert!(site.store.hold(hold).unwrap().state.is_open());
    }
    assert!(!site.ledger.words().contains(&"decided"));
    // The decision goes to the hold that was signed, whatever the address says.
    let asked = ada.ask(&one, "approve", "").await;
    ada.give(&two, &asked, "").await;
    assert!(matches!(
        site.store.hold(&one).unwrap().state,
        HoldState::Approved { .. }
    ));
    assert!(site.store.hold(&two).unwrap().state.is_open());
    site.stop().await;
}

#[tokio::test]
async fn two_people_are_two_people() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let mut grace = Somebody::at(&site);
    ada.client.get("/people").await;
    let asked = ada.client.form("/people", "name=Grace").await;
    let hold = asked
        .header("location")
        .trim_start_matches("/holds/")
        .to_owned();
    // Before the passkey there is no invitation to be had.
    assert!(site.store.invite_by_hold(&hold).await.is_err());
    let next = ada.decide(&hold, "approve", "").await.json()["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let page = ada.client.get(&next).await;
    let token = next.trim_start_matches("/invited/");
    assert!(
        page.body.contains(&site.url(&format!("/enrol/{token}"))),
        "{}",
        page.body
    );
    grace.enrol(token, "Somebody Else").await;
    assert_eq!(
        grace.client.get(&format!("/enrol/{token}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(
        site.store
            .state()
            .people
            .values()
            .any(|p| p.name == "Grace"),
        "the name that was approved counts"
    );
    grace.sign_in().await;
    let lease = site.lease("Grant", Environment::Production).await;
    let hold = site
        .hold(
            &lease,
            crate::site::Held {
                people: 2,
                ..wipe("GRANT ALL")
            },
        )
        .await;
    ada.decide(&hold, "approve", "").await;
    assert!(site.store.hold(&hold).unwrap().state.is_open());
    assert!(
        ada.client
            .get(&format!("/holds/{hold}"))
            .await
            .body
            .contains("You said yes.")
    );
    ada.decide(&hold, "approve", "").await;
    assert!(site.store.hold(&hold).unwrap().state.is_open());
    grace.client.get("/holds").await;
    grace.decide(&hold, "approve", "").await;
    assert!(matches!(
        site.store.hold(&hold).unwrap().state,
        HoldState::Approved { .. }
    ));
    site.stop().await;
}

#[tokio::test]
async fn a_recovery_code_is_shown_once_works_once_and_lets_a_passkey_in() {
    let site = Site::start().await;
    let mut ada = Somebody::at(&site);
    let next = ada.enrol(&site.store.invite_first().unwrap(), "Ada").await;
    ada.client.get(&next).await;
    let page = ada.client.form(&format!("{next}/recovery"), "").await;
    let code = page
        .body
        .split("data-code>")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        ada.client
            .form(&format!("{next}/recovery"), "")
            .await
            .status,
        StatusCode::CONFLICT
    );
    assert!(!format!("{:?}", site.ledger.events()).contains(&code));
    let mut new = Somebody::at(&site);
    new.client.get("/recover").await;
    assert_eq!(
        new.client.form("/recover", "code=0000-0000").await.status,
        StatusCode::FORBIDDEN
    );
    let answer = new
        .client
        .form("/recover", &format!("code={}", code.to_uppercase()))
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let token = answer
        .header("location")
        .trim_start_matches("/enrol/")
        .to_owned();
    assert_eq!(
        new.client
            .form("/recover", &format!("code={code}"))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(new.enrol(&token, "ignored").await, "/sign-in");
    assert_eq!(new.sign_in().await.status, StatusCode::OK);
    assert_eq!(site.store.state().people.len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn ceremonies_and_recoveries_are_rated() {
    let limits = Limits {
        ceremony_burst: 3,
        recovery_burst: 2,
        ..Limits::default()
    };
    let site = Site::start_with(limits, backstop_store::Limits::default(), "http", None).await;
    let mut client = Client::of(&site);
    client.get("/recover").await;
    let mut seen = vec![];
    for _ in 0..5 {
        seen.push(
            client
                .json("/sign-in/challenge", &json!({}))
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(seen, [200, 200, 200, 429, 429]);
    client.get("/recover").await;
    let mut seen = vec![];
    for _ in 0..4 {
        seen.push(client.form("/recover", "code=x").await.status.as_u16());
    }
    assert_eq!(seen, [403, 403, 429, 429]);
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
async fn what_agents_write_stays_text() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let lease = site
        .lease("<script>alert(1)</script>", Environment::Production)
        .await;
    let held = crate::site::Held {
        agent_words: "<img src=x onerror=alert(1)>",
        summary: "DROP TABLE public.\"<b>\"",
        ..wipe("DROP TABLE \"<b>\" -- </pre><script>alert(2)</script>")
    };
    let hold = site.hold(&lease, held).await;
    for path in [
        "/holds".into(),
        format!("/holds/{hold}"),
        "/leases".into(),
        format!("/leases/{lease}"),
        "/journal".into(),
    ] {
        let body = ada.client.get(&path).await.body;
        assert!(
            !body.contains("<script>alert")
                && !body.contains("<img src=x")
                && !body.contains("<b>\""),
            "{path}"
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn what_a_copy_says_is_shown_as_text() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let lease = site.lease("a task", Environment::Production).await;
    let hold = site.hold(&lease, wipe("DELETE FROM payments")).await;
    let page = format!("/holds/{hold}");
    assert!(!ada.client.get(&page).await.body.contains("On a copy"));
    site.points("prod", 1, 24).await;
    site.rehearsed(
        &hold,
        Digest::of(b"prod 1"),
        "<script>alert(1)</script>\u{202e}",
    )
    .await;
    let body = ada.client.get(&page).await.body;
    for part in [
        "On a copy of the database from <time",
        "It ran in 1.2 s, and was rolled back; all that it lost was brought back there in 5 min 0 s.",
        "AccessExclusiveLock: nobody else reads or writes it meanwhile",
        "and 7 more",
        "1,900,000",
        "&#60;script&#62;",
        "U+202E",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("<script>alert") && !body.contains('\u{202e}'));
    // What was said once is not said anew.
    site.rehearsed(&hold, Digest::of(b"prod 1"), "other").await;
    assert!(!ada.client.get(&page).await.body.contains("other"));
    site.stop().await;
}

/// A person who grants a lease reads what it may do, for how long and what for, and not a form of the machine's.
#[tokio::test]
async fn what_a_person_asks_for_is_laid_out_in_words() {
    let site = Site::start().await;
    let mut kim = first(&site).await;
    let id = site
        .ask(Site::lease_ask("fix <b>invoices</b> of J\u{fc}rgen"))
        .await;
    let list = kim.client.get("/holds").await.body;
    assert!(list.contains("1 h 30 min"), "{list}");
    let page = kim.client.get(&format!("/holds/{id}")).await.body;
    let (asked, rest) = page.split_once("Exactly what is signed").unwrap();
    for part in [
        "May do",
        "read:*.*",
        "U+0430",
        "1 h 30 min",
        "fix &#60;b&#62;invoices&#60;/b&#62; of J\u{fc}rgen",
        "in the words of whoever asks",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    assert!(rest.contains("ttl_seconds") && !page.contains("cannot be undone"));
    assert!(
        page.contains(">Approve</button>") && !page.contains("Approve once"),
        "a lease is not for once"
    );
    site.stop().await;
}

#[tokio::test]
async fn live_pages_hear_of_changes_and_end_with_the_console() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let cookie = ada.client.cookie.clone().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    let request = format!(
        "GET /events HTTP/1.1\r\nhost: localhost:{}\r\ncookie: {cookie}\r\n\r\n",
        site.port
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let mut said = String::new();
    while !said.contains("\r\n\r\n") {
        let n = stream.read(&mut buffer).await.unwrap();
        said.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    assert!(said.contains("text/event-stream"), "{said}");
    let hold = site.hold(&lease, wipe("DELETE FROM payments")).await;
    while !said.contains(&format!("event: change\ndata: hold {hold}")) {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    assert!(!said.contains("DELETE"), "{said}");
    ada.client.cookie = None;
    let answer = ada
        .client
        .send("GET", "/events", &[("accept", "text/event-stream")], "")
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let began = Instant::now();
    site.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
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

#[tokio::test]
async fn recovery_points_are_drawn_with_words_beside_them() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let empty = ada.client.get("/points").await;
    assert!(
        empty.body.contains("No recovery point was taken yet."),
        "{}",
        empty.body
    );
    site.points("prod", 2, 24).await;
    let never = ada.client.get("/points").await.body;
    assert_eq!(never.matches("never drilled").count(), 2, "{never}");
    assert!(never.contains("No point was ever drilled."), "{never}");
    let point = Digest::of(b"prod 2");
    let now = site.store.now_ms();
    site.drill(point, "prod", now - 600_000, Some("no <room>"))
        .await;
    let failed = ada.client.get("/points").await.body;
    assert!(
        failed.contains("The last drill failed:</b> no &#60;room&#62;"),
        "{failed}"
    );
    assert_eq!(failed.matches("never drilled").count(), 2);
    site.drill(point, "prod", now - 300_000, None).await;
    // What is unusual about a point stands at its target, and at the point.
    let alarm = "\"public\".\"<items>\" had 100 rows and has 0";
    let event = Event::PointAlarm {
        target: "prod".to_owned(),
        point: Digest::of(b"books 1"),
        alarms: vec![alarm.to_owned()],
    };
    site.store.note(event).await.unwrap();
    let page = ada.client.get("/points").await.body;
    assert!(
        !page.contains("never drilled") && !page.contains("The last drill failed"),
        "{page}"
    );
    assert!(
        !page.contains("Alarm:"),
        "an alarm before its point is there"
    );
    for part in [
        "<svg viewBox=\"0 0 10000 1000\"",
        "role=\"img\" aria-labelledby=\"rpo-prod-title rpo-prod-desc\"",
        "<title id=\"rto-prod-title\">How long restoring took (RTO), prod</title>",
        "The newest drilled point is 30 min old, and was 30 min at most.",
        "1 drills brought all back",
        "<path class=\"drilled\" d=\"M",
        "<path class=\"dot bad\" d=\"M",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        !page.contains(" style="),
        "the policy refuses inline styles"
    );
    site.stop().await;
}
