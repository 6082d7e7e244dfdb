//! Ending an alarm about a recovery point.

use backstop_core::digest::Digest;
use backstop_core::entry::Event;

use hyper::StatusCode;

use crate::client::first;
use crate::site::Site;

const CONFLICT: StatusCode = StatusCode::CONFLICT;

#[tokio::test]
async fn an_alarm_ends_by_a_passkey_and_only_the_one_that_was_seen() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let alarm = "\"public\".\"<items>\" had 100 rows and has 0";
    let event = Event::PointAlarm {
        target: "prod".to_owned(),
        point: Digest::of(b"prod 1"),
        alarms: vec![alarm.to_owned()],
    };
    site.store.note(event).await.unwrap();
    site.points("prod", 1, 24).await;
    let page = ada.client.get("/points").await.body;
    assert!(
        page.contains("<b>Alarm:</b> &#34;public&#34;.&#34;&#60;items&#62;&#34; had"),
        "{page}"
    );
    let shown = Digest::of(b"prod 1").to_hex();
    assert!(page.contains(&shown), "{page}");

    for (fields, status) in [
        (format!("target=books&point={shown}"), CONFLICT),
        (format!("target=prod&point={}", "0".repeat(64)), CONFLICT),
        ("target=prod&point=x".to_owned(), CONFLICT),
        ("target=prod".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let answer = ada.client.form("/points/accept", &fields).await;
        assert_eq!(answer.status, status, "{fields}: {}", answer.body);
    }
    let asked = ada
        .client
        .form("/points/accept", &format!("target=prod&point={shown}"))
        .await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let hold = asked.headers["location"]
        .to_str()
        .unwrap()
        .trim_start_matches("/holds/")
        .to_owned();
    let held = ada.client.get(&format!("/holds/{hold}")).await.body;
    assert!(
        held.contains("Is all of this as it should be?") && held.contains("&#60;items&#62;"),
        "{held}"
    );
    assert!(
        ada.client.get("/points").await.body.contains("Alarm:"),
        "asking is not accepting"
    );

    assert_eq!(
        ada.decide(&hold, "approve", "a clean-up").await.status,
        StatusCode::OK
    );
    let page = ada.client.get("/points").await.body;
    assert!(
        !page.contains("Alarm:") && page.contains(">accepted<"),
        "{page}"
    );
    let again = ada
        .client
        .form("/points/accept", &format!("target=prod&point={shown}"))
        .await;
    assert_eq!(again.status, CONFLICT, "{}", again.body);
    site.stop().await;
}
