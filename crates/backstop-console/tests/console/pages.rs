//! What pages show, and that it stays text.

use std::time::{Duration, Instant};

use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::target::Environment;
use hyper::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::first;
use crate::site::{Site, wipe};

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
        "railway (production): insert,update,delete:*.*",
        "pinned (staging): tunnel:*.*",
        "Nobody reads",
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
