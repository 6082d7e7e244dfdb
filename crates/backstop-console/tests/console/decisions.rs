//! Who decided what, and how somebody gets back in who lost a passkey.

use backstop_console::Limits;
use backstop_core::entry::Event;
use backstop_core::hold::HoldState;
use backstop_core::passkey::{Expected, verify_assertion};
use backstop_core::target::Environment;
use hyper::StatusCode;
use serde_json::json;

use crate::client::{Client, Somebody, first};
use crate::site::{Site, wipe};

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
