//! Signing a deletion from the vault: what the page shows is what is signed.

use backstop_core::deletion::{CancelChallenge, Doomed, Scheduled, Signature, Ticket};
use backstop_core::digest::Digest;
use backstop_core::passkey::{Expected, verify_assertion};
use backstop_testing::browser::{Browser, Screen};
use hyper::StatusCode;
use serde_json::json;

use crate::browser::{Shots, enrol};
use crate::client::{Client, first};
use crate::site::Site;

fn ticket(objects: usize) -> Ticket {
    let one = |n: usize| Doomed {
        name: Digest::of(&n.to_be_bytes()),
        class: "point".to_owned(),
        target: "<b>shop</b>".to_owned(),
        note: "whole \u{202e}database".to_owned(),
        bytes: 3 << 20,
        at_ms: 1_777_000_000_000 + i64::try_from(n).unwrap(),
    };
    Ticket {
        vault: "vault.test+0badcafe+key".to_owned(),
        request: "deletion_1".to_owned(),
        reason: "past its <i>retention</i>".to_owned(),
        objects: (0..objects).map(one).collect(),
        expires_ms: 1_900_000_000_000,
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

#[tokio::test]
async fn the_page_shows_what_is_signed_and_gives_the_signature_to_carry() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    ada.client.get("/deletion").await;
    let ticket = ticket(700);
    let text = serde_json::to_string(&ticket).unwrap();
    // Longer than anything else that the console takes.
    let form = format!("ticket={}", encoded(&text));
    assert!(form.len() > 64 * 1024);
    let page = ada.client.form("/deletion", &form).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    for part in [
        "700 objects, 2.0 GiB",
        "&#60;b&#62;shop",
        "past its &#60;i&#62;",
        "And 200 more",
        "2026-04-24",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(!page.body.contains("<b>shop") && !page.body.contains("<i>retention"));

    let asked = ada
        .client
        .json("/deletion/challenge", &json!({ "ticket": text }))
        .await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    let origin = ada.client.origin.clone();
    let credential = ada.authenticator.get_json(&origin, &asked.json()).unwrap();
    let body = json!({ "ticket": text, "credential": credential });
    let signed = ada.client.json("/deletion/sign", &body).await;
    assert_eq!(signed.status, StatusCode::OK, "{}", signed.body);
    let carry = signed.json()["carry"].as_str().unwrap().to_owned();
    let signature: Signature = serde_json::from_str(&carry).unwrap();
    let person = site.store.state().people.values().next().unwrap().clone();
    assert_eq!(signature.challenge, ticket.challenge(&person.id).unwrap());
    let passkey = &person.passkeys[0];
    let origins = [origin];
    let bytes = signature.challenge.bytes().unwrap();
    let expected = Expected {
        rp_id: &passkey.rp_id,
        origins: &origins,
        challenge: &bytes,
    };
    let fresh = backstop_core::passkey::Passkey {
        sign_count: 0,
        ..passkey.clone()
    };
    let _ = verify_assertion(&expected, &fresh, &signature.assertion).unwrap();

    // The same passkey under another ticket than the one that was asked about.
    let mut other = ticket.clone();
    other.objects.pop();
    let other = serde_json::to_string(&other).unwrap();
    let body = json!({ "ticket": other, "credential": credential });
    let refused = ada.client.json("/deletion/sign", &body).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    // What was signed for a deletion signs nobody in.
    let session = json!({ "nonce": "", "credential": credential });
    assert_ne!(
        ada.client.json("/sign-in", &session).await.status,
        StatusCode::OK
    );
    site.stop().await;
}

#[tokio::test]
async fn strangers_and_what_is_no_ticket_are_refused() {
    let site = Site::start().await;
    let text = serde_json::to_string(&ticket(1)).unwrap();
    let mut nobody = Client::of(&site);
    nobody.get("/sign-in").await;
    let asked = nobody
        .json("/deletion/challenge", &json!({ "ticket": text }))
        .await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED, "{}", asked.body);
    let mut ada = first(&site).await;
    for wrong in [
        "",
        "{}",
        "[]",
        &text.replace("\"reason\"", "\"why\""),
        &serde_json::to_string(&ticket(0)).unwrap(),
    ] {
        let answer = ada
            .client
            .form("/deletion", &format!("ticket={}", encoded(wrong)))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        let answer = ada
            .client
            .json("/deletion/challenge", &json!({ "ticket": wrong }))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    // Another site's form, and one without the page's token.
    let body = format!("csrf={}&ticket={}", ada.client.csrf, encoded(&text));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [kind, ("origin", "https://evil.example")];
    assert_eq!(
        ada.client
            .send("POST", "/deletion", &foreign, &body)
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    ada.client.csrf = "0".repeat(64);
    assert_eq!(
        ada.client.form("/deletion", "ticket=x").await.status,
        StatusCode::FORBIDDEN
    );
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_a_deletion_in_a_browser() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    enrol(&site, &tab, &Shots::wanted()).await;
    tab.goto(&site.url("/deletion")).await.unwrap();
    let mut ticket = ticket(2);
    for one in &mut ticket.objects {
        // What reorders has no key to be typed with.
        one.note = "public.orders".to_owned();
    }
    tab.fill("#ticket", &serde_json::to_string(&ticket).unwrap())
        .await
        .unwrap();
    tab.click("main form button").await.unwrap();
    tab.wait_for_text("2 objects, 6.0 MiB, would be gone for good.")
        .await
        .unwrap();
    Shots::wanted().take(&tab, "20-deletion").await;
    tab.click("button.danger:not([disabled])").await.unwrap();
    tab.wait_for("[data-carried]:not([hidden])").await.unwrap();
    tab.wait_for_text("Nothing is deleted yet.").await.unwrap();
    let carried = tab
        .eval("document.querySelector('#carry').value")
        .await
        .unwrap();
    let signature: Signature = serde_json::from_str(carried.as_str().unwrap()).unwrap();
    let person = site.store.state().people.values().next().unwrap().clone();
    assert_eq!(signature.challenge, ticket.challenge(&person.id).unwrap());
    assert_eq!(tab.problems(), Vec::<String>::new());
    site.stop().await;
}

fn scheduled(n: u64) -> Scheduled {
    Scheduled {
        request: format!("deletion_{n}"),
        reason: "past its <i>retention</i>".to_owned(),
        objects: n,
        asked_ms: 1_777_000_000_000,
        signed_by: vec!["person_somebody".to_owned()],
        due_ms: (n > 1).then_some(1_900_000_000_000),
    }
}

#[tokio::test]
async fn a_scheduled_deletion_is_shown_and_one_passkey_cancels_it() {
    let site = Site::start().await;
    let mut ada = first(&site).await;
    let page = ada.client.get("/deletion").await;
    assert!(
        page.body.contains("No deletion is scheduled."),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("class=\"here\" href=\"/deletion\""),
        "{}",
        page.body
    );
    *site.vault.open.lock().unwrap() = vec![scheduled(1), scheduled(7)];
    let page = ada.client.get("/deletion").await;
    for part in [
        "7 objects go",
        "one object, not signed by enough",
        "past its &#60;i&#62;",
        "person_somebody",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let wanted = json!({ "request": "deletion_7" });
    let asked = ada.client.json("/deletion/cancel/challenge", &wanted).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    let origin = ada.client.origin.clone();
    let credential = ada.authenticator.get_json(&origin, &asked.json()).unwrap();
    let body = json!({ "request": "deletion_7", "credential": credential });
    let done = ada.client.json("/deletion/cancel", &body).await;
    assert_eq!(done.json()["next"], "/deletion", "{}", done.body);
    // What the vault gets is the word of the person who is signed in, under exactly this deletion.
    let person = site.store.state().people.values().next().unwrap().clone();
    let carried = site.vault.cancelled.lock().unwrap().pop().unwrap();
    let challenge = CancelChallenge::new("vault.test+1+key", "deletion_7", &person.id);
    assert_eq!(carried.challenge, challenge);
    let origins = [origin];
    let expected = Expected {
        rp_id: &person.passkeys[0].rp_id,
        origins: &origins,
        challenge: &challenge.bytes().unwrap(),
    };
    let fresh = backstop_core::passkey::Passkey {
        sign_count: 0,
        ..person.passkeys[0].clone()
    };
    let _ = verify_assertion(&expected, &fresh, &carried.assertion).unwrap();
    // It is open no more; and a vault that is away is said to be.
    let again = ada.client.json("/deletion/cancel/challenge", &wanted).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.body);
    *site.vault.away.lock().unwrap() =
        Some("cannot reach the vault at x\nhint: start it".to_owned());
    let page = ada.client.get("/deletion").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("is not known: cannot reach the vault"),
        "{}",
        page.body
    );
    // Nobody who is not signed in, and no other site's page.
    let mut nobody = Client::of(&site);
    let refused = nobody.json("/deletion/cancel/challenge", &wanted).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    ada.client.csrf = "0".repeat(64);
    let foreign = ada.client.json("/deletion/cancel", &body).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_cancels_a_deletion_in_a_browser() {
    let browser = Browser::start().await.unwrap();
    for (screen, name) in [
        (Screen::Phone, "21-scheduled-phone"),
        (Screen::Desktop, "22-scheduled"),
    ] {
        let site = Site::start().await;
        *site.vault.open.lock().unwrap() = vec![scheduled(1), scheduled(7)];
        let tab = browser.tab(screen).await.unwrap();
        enrol(&site, &tab, &Shots::wanted()).await;
        tab.goto(&site.url("/holds")).await.unwrap();
        tab.click("nav a[href='/deletion']").await.unwrap();
        tab.wait_for_text("Scheduled: 7 objects go").await.unwrap();
        Shots::wanted().take(&tab, name).await;
        let apart = "(() => { const c = [...document.querySelectorAll('main > .card')]; return c.slice(1).every((one, n) => one.getBoundingClientRect().top - c[n].getBoundingClientRect().bottom >= 10); })()";
        assert_eq!(
            tab.eval(apart).await.unwrap(),
            true,
            "the cards stand apart"
        );
        tab.click("form[data-finish='/deletion/cancel']:nth-of-type(2) button:not([disabled])")
            .await
            .unwrap();
        for _ in 0..100 {
            if site.vault.open.lock().unwrap().len() == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(*site.vault.open.lock().unwrap(), vec![scheduled(1)]);
        tab.wait_for_text("not signed by enough").await.unwrap();
        assert_eq!(tab.problems(), Vec::<String>::new());
        site.stop().await;
    }
}
