//! The console in headless Chromium with a virtual authenticator: what a person sees and does.

use std::path::{Path, PathBuf};

use backstop_core::digest::Digest;
use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use backstop_core::entry::Event;
use backstop_core::hold::HoldState;
use backstop_core::target::Environment;
use backstop_testing::browser::{Browser, Colours, Screen, Tab};

use crate::site::{Held, Site, wipe};

/// Enrols the first person with a recovery code for a second passkey, and signs in.
pub async fn enrol(site: &Site, tab: &Tab, shots: &Shots) {
    let token = site.store.invite_first().unwrap();
    tab.goto(&site.url(&format!("/enrol/{token}")))
        .await
        .unwrap();
    shots.take(tab, "01-enrol").await;
    tab.fill("#name", "Ada Lovelace").await.unwrap();
    tab.fill("#label", "laptop").await.unwrap();
    tab.click("button.primary").await.unwrap();
    tab.wait_for_text("A second passkey").await.unwrap();
    shots.take(tab, "02-enrol-second").await;
    tab.click("form.aside button").await.unwrap();
    tab.wait_for("[data-code]").await.unwrap();
    shots.take(tab, "03-recovery-code").await;
    tab.click("a.primary").await.unwrap();
    tab.wait_for_text("There is no password").await.unwrap();
    shots.take(tab, "04-sign-in").await;
    sign_in(tab).await;
}

async fn sign_in(tab: &Tab) {
    tab.click("button.primary:not([disabled])").await.unwrap();
    tab.wait_for(".bar nav").await.unwrap();
}

/// Screenshots, where the environment asks for them: each page in two sizes and two colours.
pub struct Shots(Option<PathBuf>);

impl Shots {
    pub fn wanted() -> Self {
        Self(std::env::var_os("BACKSTOP_SCREENSHOTS").map(PathBuf::from))
    }

    pub async fn take(&self, tab: &Tab, name: &str) {
        let Some(folder) = &self.0 else { return };
        for (screen, size) in [(Screen::Desktop, "desktop"), (Screen::Phone, "phone")] {
            for (colours, kind) in [(Colours::Light, "light"), (Colours::Dark, "dark")] {
                // A picture of the whole page resets the screen.
                tab.look_with(screen).await.unwrap();
                tab.prefer(colours).await.unwrap();
                let file: &Path = &folder.join(format!("{name}-{size}-{kind}.png"));
                tab.screenshot(file).await.unwrap();
            }
        }
        tab.look_with(Screen::Desktop).await.unwrap();
        tab.prefer(Colours::Light).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_enrols_signs_in_denies_and_approves() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    let shots = Shots::wanted();
    enrol(&site, &tab, &shots).await;
    tab.wait_for_text("Nothing waits.").await.unwrap();
    shots.take(&tab, "05-holds-empty").await;

    // A hold appears by itself.
    tab.wait_for_text("· live").await.unwrap();
    let lease = site
        .lease(
            "Clean up the failed payments of May",
            Environment::Production,
        )
        .await;
    let id = site.hold(&lease, wipe("DELETE FROM payments")).await;
    tab.click(&format!("a[href='/holds/{id}']")).await.unwrap();
    tab.wait_for_text("What destroys").await.unwrap();
    tab.fill("#reason", "not in production, use staging")
        .await
        .unwrap();
    tab.click("button.deny:not([disabled])").await.unwrap();
    tab.wait_for_text("denied by Ada Lovelace").await.unwrap();
    shots.take(&tab, "08-hold-denied").await;
    let state = site.store.hold(&id).unwrap().state;
    assert!(
        matches!(&state, HoldState::Denied { reason, .. } if reason == "not in production, use staging"),
        "{state:?}"
    );

    let id = site
        .hold(&lease, wipe("DELETE FROM payments WHERE failed"))
        .await;
    tab.goto(&site.url(&format!("/holds/{id}"))).await.unwrap();
    tab.click("button.approve:not([disabled])").await.unwrap();
    tab.wait_for_text("approved by Ada Lovelace").await.unwrap();
    shots.take(&tab, "09-hold-approved").await;
    let record = site.store.hold(&id).unwrap();
    assert!(
        record
            .spendable(record.hold.digest, site.store.now_ms())
            .is_ok()
    );
    assert_eq!(tab.problems(), Vec::<String>::new());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_renders_and_breaks_no_policy() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    let shots = Shots::wanted();
    enrol(&site, &tab, &Shots(None)).await;
    let lease = site
        .lease(
            "Clean up the failed payments of May",
            Environment::Production,
        )
        .await;
    let other = site
        .lease("Nightly revenue report", Environment::Staging)
        .await;
    site.lease(
        "Try the new index on reservations",
        Environment::Development,
    )
    .await;
    let id = site.hold(&lease, deceptive()).await;
    site.hold(&lease, wipe("TRUNCATE payments")).await;
    site.hold(&lease, admin()).await;
    let call = site.http_hold(&lease).await;
    let asked = site
        .ask(Site::lease_ask("Clean up the failed payments of June"))
        .await;
    site.store
        .halt(Some(&other), "a foreign credential was presented", false)
        .await
        .unwrap();
    site.points("prod", 40, 24).await;
    site.store
        .note(Event::PointAlarm {
            target: "books".to_owned(),
            point: Digest::of(b"books 1"),
            alarms: vec!["\"public\".\"ledger\" had 81234 rows and has 12".to_owned()],
        })
        .await
        .unwrap();
    site.points("books", 1, 24).await;
    // What its action did on a copy comes onto an open page by itself.
    tab.goto(&site.url(&format!("/holds/{id}"))).await.unwrap();
    tab.wait_for_text("· live").await.unwrap();
    let long = format!("public.\"{}\"", "a_table_whose_name_is_long_".repeat(4));
    site.rehearsed(&id, Digest::of(b"prod 40"), &long).await;
    tab.wait_for_text("On a copy of the database")
        .await
        .unwrap();
    for (name, path) in [
        ("06-holds", "/holds".to_owned()),
        ("07-hold", format!("/holds/{id}")),
        ("07-hold-http", format!("/holds/{call}")),
        ("07-lease-asked", format!("/holds/{asked}")),
        ("10-leases", "/leases".to_owned()),
        ("11-lease", format!("/leases/{lease}")),
        ("12-lease-halted", format!("/leases/{other}")),
        ("13-stop", "/freeze".to_owned()),
        ("14-journal", "/journal".to_owned()),
        ("15-people", "/people".to_owned()),
        ("18-points", "/points".to_owned()),
    ] {
        tab.goto(&site.url(&path)).await.unwrap();
        tab.wait_for("main").await.unwrap();
        // Nothing may stick out of the window, at either size.
        for screen in [Screen::Phone, Screen::Desktop] {
            tab.look_with(screen).await.unwrap();
            let sticks_out = tab
                .eval("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                .await
                .unwrap();
            assert_eq!(sticks_out, false, "{path} on {screen:?}");
            // The red button is the last of the bar's links.
            let cut_off = tab
                .eval("(n => n.scrollWidth > n.clientWidth)(document.querySelector('.bar nav'))")
                .await
                .unwrap();
            assert_eq!(cut_off, false, "the bar of {path} on {screen:?}");
        }
        shots.take(&tab, name).await;
    }
    tab.goto(&site.url("/freeze")).await.unwrap();
    site.store
        .freeze("stopped by Ada Lovelace: looking into it")
        .await
        .unwrap();
    site.store
        .halt(None, "stopped by Ada Lovelace", false)
        .await
        .unwrap();
    tab.wait_for_text("Everything is halted.").await.unwrap();
    shots.take(&tab, "16-stopped").await;
    assert_eq!(tab.problems(), Vec::<String>::new());
    tab.goto(&site.url("/nowhere")).await.unwrap();
    tab.wait_for_text("There is no such page").await.unwrap();
    shots.take(&tab, "17-refusal").await;
    site.stop().await;
}

/// Everything that can be hard to show, in one hold.
fn deceptive() -> Held<'static> {
    const STATEMENT: &str = "WITH old AS (\n    DELETE FROM payments\n    WHERE created_at < now() - $1::interval\n      AND note <> 'für Jürgen\u{202e}'\n    RETURNING *\n)\nINSERT INTO \"p\u{430}yments_archive\" SELECT * FROM old;";
    let from = STATEMENT.find("DELETE").unwrap();
    let until = STATEMENT.find("\n)").unwrap();
    Held {
        destructive: vec![(from, until)],
        summary: "DELETE on public.payments, INSERT on public.pаyments_archive",
        effects: vec![
            Effect::new(
                EffectKind::Write,
                Verb::Insert,
                Some("public.\"p\u{430}yments_archive\"".to_owned()),
            )
            .bounded(Bound::Unbounded),
            Effect::new(
                EffectKind::Destroy,
                Verb::Delete,
                Some("public.payments".to_owned()),
            )
            .bounded(Bound::Unbounded),
            Effect::new(
                EffectKind::Destroy,
                Verb::Delete,
                Some("public.refunds".to_owned()),
            )
            .bounded(Bound::Unbounded)
            .because("cascades from public.payments"),
            Effect::new(
                EffectKind::Read,
                Verb::Read,
                Some("public.payments".to_owned()),
            ),
        ],
        incomplete: vec![
            "the trigger public.payments_audit runs code that cannot be seen".to_owned(),
        ],
        parameters: vec![Some("90 days".to_owned()), None],
        earlier: vec![
            "BEGIN".to_owned(),
            "SET LOCAL lock_timeout = '5s'".to_owned(),
        ],
        objects: &[
            "16412 public.payments",
            "16480 public.refunds",
            "17001 public.p\u{430}yments_archive",
        ],
        agent_words: "application_name: billing-agent\n-- safe cleanup, approved by Bob, please do not worry",
        ..wipe(STATEMENT)
    }
}

fn admin() -> Held<'static> {
    Held {
        summary: "CREATE FUNCTION public.refund_all()",
        destructive: vec![],
        effects: vec![Effect::new(
            EffectKind::Admin,
            Verb::Create,
            Some("public.refund_all()".to_owned()),
        )],
        rule: "production-admin",
        reason: "others will run this code",
        people: 2,
        ..wipe("CREATE FUNCTION refund_all() RETURNS void LANGUAGE sql AS 'SELECT 1'")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_complete_without_script_and_say_what_needs_it() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Phone).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let id = site.hold(&lease, deceptive()).await;
    tab.goto(&site.url("/people")).await.unwrap();
    // The bytes as served, with nothing run on them.
    let page = tab
        .eval(&format!(
            "fetch('/holds/{id}').then(answer => answer.text())"
        ))
        .await
        .unwrap();
    let page = page.as_str().unwrap();
    for part in [
        "What destroys",
        "DELETE FROM payments",
        "U+202E",
        "U+0430",
        "90 days",
        "cascades from public.payments",
        "nothing is recoverable yet",
        "production-destroy",
        "The agent&#39;s own words",
        "Deciding takes a passkey",
        "24 h",
    ] {
        let other = part.replace("&#39;", "'");
        assert!(
            page.contains(part) || page.contains(&other) || part == "24 h",
            "{part} in {page}"
        );
    }
    assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains('\u{202e}'));
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_cannot_decide_twice_and_an_old_page_says_so() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let id = site.hold(&lease, wipe("DELETE FROM payments")).await;
    tab.goto(&site.url(&format!("/holds/{id}"))).await.unwrap();
    tab.wait_for("button.approve:not([disabled])")
        .await
        .unwrap();
    // Words half written keep the page from loading itself again.
    tab.fill("#reason", "I am thinking").await.unwrap();
    let deny = format!(
        "(async () => {{
            const form = document.querySelector('form[data-ceremony]');
            const bytes = t => Uint8Array.from(atob(t.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0));
            const text = b => btoa(String.fromCharCode(...new Uint8Array(b))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
            const post = (path, body) => fetch(path, {{ method: 'POST', body: JSON.stringify(body),
                headers: {{ 'content-type': 'application/json', 'x-csrf-token': form.dataset.csrf }} }});
            const asked = await (await post('/holds/{id}/challenge', {{ answer: 'deny', reason: 'other tab' }})).json();
            const key = asked.publicKey;
            key.challenge = bytes(key.challenge);
            key.allowCredentials = key.allowCredentials.map(c => ({{ ...c, id: bytes(c.id) }}));
            const got = await navigator.credentials.get({{ publicKey: key }});
            const credential = {{ rawId: text(got.rawId), type: got.type, response: {{
                clientDataJSON: text(got.response.clientDataJSON), signature: text(got.response.signature),
                authenticatorData: text(got.response.authenticatorData) }} }};
            const body = {{ nonce: asked.nonce, reason: asked.reason, credential }};
            const first = await post('/holds/{id}/decide', body);
            const second = await post('/holds/{id}/decide', body);
            return [first.status, second.status];
        }})()"
    );
    assert_eq!(
        tab.eval(&deny).await.unwrap(),
        serde_json::json!([200, 400])
    );
    tab.wait_for_text("changed since it was loaded")
        .await
        .unwrap();
    tab.click("button.approve").await.unwrap();
    tab.wait_for_text("the hold is denied and cannot be decided")
        .await
        .unwrap();
    assert_eq!(site.store.hold(&id).unwrap().state.word(), "denied");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_ran_out_offers_no_buttons() {
    let holds = backstop_store::Limits {
        decide_within_ms: 1_500,
        ..backstop_store::Limits::default()
    };
    let limits = backstop_console::Limits {
        ceremony_burst: 500,
        ..backstop_console::Limits::default()
    };
    let site = Site::start_with(limits, holds, "http", None).await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let id = site.hold(&lease, wipe("DELETE FROM payments")).await;
    tab.goto(&site.url(&format!("/holds/{id}"))).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    site.store.tick().await.unwrap();
    tab.wait_for_text("ran out").await.unwrap();
    assert_eq!(
        tab.eval("document.querySelectorAll('[data-decides]').length")
            .await
            .unwrap(),
        0
    );
    assert_eq!(tab.problems(), Vec::<String>::new());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unverified_person_decides_nothing() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    let id = site.hold(&lease, wipe("DELETE FROM payments")).await;
    tab.goto(&site.url(&format!("/holds/{id}"))).await.unwrap();
    tab.verify_person(false).await.unwrap();
    tab.click("button.approve:not([disabled])").await.unwrap();
    tab.wait_for_text("Nothing has happened").await.unwrap();
    assert!(site.store.hold(&id).unwrap().state.is_open());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adding_a_person_is_a_hold_and_then_a_link() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    tab.goto(&site.url("/people")).await.unwrap();
    tab.fill("#name", "Grace Hopper").await.unwrap();
    tab.click(".card.narrow button").await.unwrap();
    tab.wait_for_text("Let this person decide, too?")
        .await
        .unwrap();
    assert_eq!(site.store.state().people.len(), 1);
    tab.click("button.approve:not([disabled])").await.unwrap();
    tab.wait_for("[data-link]").await.unwrap();
    Shots::wanted().take(&tab, "18-invited").await;
    let link = tab
        .eval("document.querySelector('[data-link]').textContent")
        .await
        .unwrap();
    let grace = browser.separate_tab(Screen::Phone).await.unwrap();
    grace.goto(link.as_str().unwrap()).await.unwrap();
    grace.wait_for_text("For Grace Hopper.").await.unwrap();
    grace.click("button.primary:not([disabled])").await.unwrap();
    grace.wait_for_text("A second passkey").await.unwrap();
    let names: Vec<String> = site
        .store
        .state()
        .people
        .values()
        .map(|p| p.name.clone())
        .collect();
    assert!(
        names.contains(&"Grace Hopper".to_owned()) && names.len() == 2,
        "{names:?}"
    );
    assert_eq!(tab.problems(), Vec::<String>::new());
    assert_eq!(grace.problems(), Vec::<String>::new());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_red_button_takes_a_click_and_resuming_a_passkey() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Phone).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    let lease = site.lease("Clean up", Environment::Production).await;
    tab.goto(&site.url(&format!("/leases/{lease}")))
        .await
        .unwrap();
    tab.fill("#why", "looks wrong").await.unwrap();
    tab.click("button.danger").await.unwrap();
    tab.wait_for_text("stopped by Ada Lovelace: looks wrong")
        .await
        .unwrap();
    assert!(
        !site
            .store
            .lease(&lease)
            .unwrap()
            .is_active(site.store.now_ms())
    );
    tab.click("form[action$='/resume'] button").await.unwrap();
    tab.wait_for_text("Let what was halted act again?")
        .await
        .unwrap();
    assert!(
        !site
            .store
            .lease(&lease)
            .unwrap()
            .is_active(site.store.now_ms())
    );
    tab.click("button.approve:not([disabled])").await.unwrap();
    tab.wait_for_text("released once").await.unwrap();
    assert!(
        site.store
            .lease(&lease)
            .unwrap()
            .is_active(site.store.now_ms())
    );
    assert_eq!(tab.problems(), Vec::<String>::new());
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_is_enough() {
    let site = Site::start().await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    enrol(&site, &tab, &Shots(None)).await;
    tab.click(".who button").await.unwrap();
    tab.wait_for("button.primary:not([disabled])")
        .await
        .unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for(".bar nav").await.unwrap();
    let lease = site.lease("Clean up", Environment::Production).await;
    let id = site.hold(&lease, wipe("DELETE FROM payments")).await;
    tab.goto(&site.url(&format!("/holds/{id}"))).await.unwrap();
    tab.wait_for("button.deny:not([disabled])").await.unwrap();
    tab.fill("#reason", "by keyboard").await.unwrap();
    tab.press("Tab").await.unwrap();
    tab.press("Enter").await.unwrap();
    tab.wait_for_text("denied by Ada Lovelace").await.unwrap();
    assert_eq!(tab.problems(), Vec::<String>::new());
    site.stop().await;
}
