//! Cancelling a deletion from the vault: one passkey of anybody enrolled, which the vault checks. It destroys nothing, so
//! that the console may carry it; what deletes is carried by hand (`deletion.rs`).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use backstop_core::deletion::{CancelChallenge, Cancellation, Scheduled};
use backstop_store::Asked;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::page::sign_in::{From, assertion, count};
use crate::refusal::{Refusal, Told};
use crate::show::{self, Piece};
use crate::state::Console;
use crate::visitor::{CheckedJson, SignedIn};
use crate::webauthn;
use crate::words::{self, Moment};

/// What the page says of the deletions that are scheduled.
pub(crate) enum Standing {
    /// There is no vault.
    NoVault,
    /// The vault was not asked, and why.
    Unknown(String),
    /// Those that are open.
    Open(Vec<Row>),
}

/// A deletion that can be cancelled.
pub(crate) struct Row {
    pub(crate) request: String,
    pub(crate) reason: Vec<Piece>,
    pub(crate) objects: u64,
    pub(crate) asked: Moment,
    pub(crate) due: Option<Moment>,
    /// Who has signed, by the names that they have here.
    pub(crate) signed: Vec<String>,
}

/// How the deletions stand now, for the page.
pub(crate) async fn standing(console: &Console) -> Standing {
    let Some(vault) = &console.inner.deletions else {
        return Standing::NoVault;
    };
    match vault.scheduled().await {
        Ok((_, open)) => Standing::Open(open.into_iter().map(|one| row(console, one)).collect()),
        Err(why) => Standing::Unknown(why.lines().next().unwrap_or_default().to_owned()),
    }
}

fn row(console: &Console, one: Scheduled) -> Row {
    let now_ms = console.store().now_ms();
    let state = console.store().state();
    let name = |id: &String| match state.people.get(id) {
        Some(person) => person.name.clone(),
        None => id.clone(),
    };
    Row {
        reason: show::plain(&one.reason),
        objects: one.objects,
        asked: words::moment(one.asked_ms, now_ms),
        due: one.due_ms.map(|due_ms| words::moment(due_ms, now_ms)),
        signed: one.signed_by.iter().map(name).collect(),
        request: one.request,
    }
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    request: String,
}

/// What the person who is signed in signs to cancel an open deletion.
async fn challenge_of(
    console: &Console,
    who: &SignedIn,
    request: &str,
) -> Result<(CancelChallenge, [u8; 32]), Refusal> {
    let vault = console.inner.deletions.as_ref();
    let vault = vault.ok_or_else(|| Refusal::not_found("vault"))?;
    let (name, open) = vault.scheduled().await.map_err(|why| not_done(&why))?;
    if !open.iter().any(|one| one.request == request) {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "that deletion is not open any more",
            "it was cancelled or done; look at the page again",
        ));
    }
    let challenge = CancelChallenge::new(&name, request, &who.person.id);
    let bytes = challenge
        .bytes()
        .map_err(|error| Refusal::from(error.to_string()))?;
    Ok((challenge, bytes))
}

pub(crate) async fn challenge(
    State(console): State<Console>,
    who: SignedIn,
    from: From,
    CheckedJson(wanted): CheckedJson<Wanted>,
) -> Result<Json<Value>, Told> {
    count(&console, &from)?;
    let (_, challenge) = challenge_of(&console, &who, &wanted.request).await?;
    let keys = who.person.passkeys.iter();
    Ok(Json(webauthn::request(&Asked {
        // The challenge is made anew when the answer comes: there is nothing to remember.
        nonce: String::new(),
        challenge,
        allow: keys.map(|key| key.credential_id.clone()).collect(),
        rp_id: console.origin().rp_id().to_owned(),
    })))
}

#[derive(Deserialize)]
pub(crate) struct Signed {
    request: String,
    credential: Box<RawValue>,
}

pub(crate) async fn finish(
    State(console): State<Console>,
    who: SignedIn,
    CheckedJson(signed): CheckedJson<Signed>,
) -> Result<Json<Value>, Told> {
    let assertion = assertion(&signed.credential)?;
    let (challenge, _) = challenge_of(&console, &who, &signed.request).await?;
    let vault = console.inner.deletions.as_ref();
    let vault = vault.ok_or_else(|| Refusal::not_found("vault"))?;
    let cancellation = Cancellation {
        challenge,
        assertion,
    };
    // The vault looks at the signature; that this person is enrolled here does not count there.
    let done = vault.cancel(cancellation).await;
    done.map_err(|why| not_done(&why))?;
    tracing::info!(
        person = who.person.id,
        request = signed.request,
        "a deletion from the vault was cancelled"
    );
    Ok(Json(json!({ "next": "/deletion" })))
}

fn not_done(why: &str) -> Refusal {
    let (what, hint) = why.split_once("\nhint: ").unwrap_or((
        why,
        "the vault's operator can cancel it too, with `backstop vault cancel`",
    ));
    Refusal::new(StatusCode::CONFLICT, what.to_owned(), hint.to_owned())
}
