//! Signing a deletion from the vault. The ticket comes from the vault's operator by hand and the signature goes back
//! the same way: the gate has no road to the vault on which either could travel, and the vault checks it all itself.

use std::collections::BTreeMap;

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use backstop_core::deletion::{Challenge, Doomed, Signature, Ticket};
use backstop_core::passkey::{Expected, verify_assertion};
use backstop_store::Asked;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::page::cancel::{self, Standing};
use crate::page::sign_in::{From, assertion, count};
use crate::refusal::{Refusal, Told};
use crate::show::{self, Piece};
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::{Checked, CheckedJson, SignedIn};
use crate::webauthn;
use crate::words::{self, Moment};

/// Bytes that a request with a ticket may have: the largest ticket, with each of its quotes escaped.
pub(crate) const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Rows of the table on the page; the sums above it are over all.
const ROWS: usize = 500;

#[derive(Template)]
#[template(path = "deletion.html")]
struct Page {
    frame: Frame,
    standing: Standing,
    ticket: Option<View>,
}

struct View {
    /// The ticket as it came, to be handed on unchanged.
    text: String,
    vault: String,
    request: String,
    reason: Vec<Piece>,
    bytes: String,
    objects: usize,
    sums: Vec<Sum>,
    rows: Vec<Row>,
    hidden: usize,
    expires: Moment,
}

/// All objects of one target and class.
struct Sum {
    class: String,
    target: Vec<Piece>,
    objects: usize,
    bytes: String,
    oldest: Moment,
    newest: Moment,
}

struct Row {
    name: String,
    class: String,
    target: Vec<Piece>,
    note: Vec<Piece>,
    bytes: String,
    stored: Moment,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
) -> Result<Response, Refusal> {
    render(&Page {
        frame: Frame::of(&console, &who, "deletion", "Delete from the vault"),
        standing: cancel::standing(&console).await,
        ticket: None,
    })
}

#[derive(Deserialize)]
pub(crate) struct Carried {
    ticket: String,
}

pub(crate) async fn look(
    State(console): State<Console>,
    who: SignedIn,
    Checked(carried): Checked<Carried>,
) -> Result<Response, Refusal> {
    let ticket = read(&carried.ticket)?;
    render(&Page {
        frame: Frame::of(&console, &who, "deletion", "Delete from the vault"),
        // One thing at a time: what is to be signed stands alone.
        standing: Standing::NoVault,
        ticket: Some(view(&ticket, carried.ticket, console.store().now_ms())),
    })
}

fn read(text: &str) -> Result<Ticket, Refusal> {
    serde_json::from_str::<Ticket>(text.trim())
        .ok()
        .filter(|ticket| !ticket.objects.is_empty())
        .ok_or_else(|| {
            Refusal::new(
                axum::http::StatusCode::BAD_REQUEST,
                "that is not the ticket of a deletion",
                "paste all of what `backstop vault delete` printed",
            )
        })
}

fn view(ticket: &Ticket, text: String, now_ms: i64) -> View {
    let mut groups: BTreeMap<(&str, &str), Vec<&Doomed>> = BTreeMap::new();
    for one in &ticket.objects {
        groups
            .entry((&one.target, &one.class))
            .or_default()
            .push(one);
    }
    let bytes = |all: &[&Doomed]| {
        let sum = all
            .iter()
            .fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
        words::bytes(sum)
    };
    let sums = groups.iter().map(|((target, class), all)| {
        let times = || all.iter().map(|one| one.at_ms);
        Sum {
            class: (*class).to_owned(),
            target: show::plain(target),
            objects: all.len(),
            bytes: bytes(all),
            oldest: words::moment(times().min().unwrap_or_default(), now_ms),
            newest: words::moment(times().max().unwrap_or_default(), now_ms),
        }
    });
    let rows = ticket.objects.iter().take(ROWS).map(|one| Row {
        name: one.name.short(),
        class: one.class.clone(),
        target: show::plain(&one.target),
        note: show::plain(&one.note),
        bytes: words::bytes(one.bytes),
        stored: words::moment(one.at_ms, now_ms),
    });
    View {
        text,
        vault: ticket.vault.clone(),
        request: ticket.request.clone(),
        reason: show::plain(&ticket.reason),
        bytes: bytes(&ticket.objects.iter().collect::<Vec<_>>()),
        objects: ticket.objects.len(),
        sums: sums.collect(),
        rows: rows.collect(),
        hidden: ticket.objects.len().saturating_sub(ROWS),
        expires: words::moment(ticket.expires_ms, now_ms),
    }
}

/// What the person who is signed in signs; nobody is asked whom it is for.
fn challenge_of(who: &SignedIn, ticket: &str) -> Result<(Challenge, [u8; 32]), Refusal> {
    let odd = |error: backstop_core::canonical::CanonicalError| Refusal::from(error.to_string());
    let challenge = read(ticket)?.challenge(&who.person.id).map_err(odd)?;
    let bytes = challenge.bytes().map_err(odd)?;
    Ok((challenge, bytes))
}

pub(crate) async fn challenge(
    State(console): State<Console>,
    who: SignedIn,
    from: From,
    CheckedJson(carried): CheckedJson<Carried>,
) -> Result<Json<Value>, Told> {
    count(&console, &from)?;
    let (_, challenge) = challenge_of(&who, &carried.ticket)?;
    let keys = who.person.passkeys.iter();
    Ok(Json(webauthn::request(&Asked {
        // The challenge is made anew from the ticket when the answer comes: there is nothing to remember.
        nonce: String::new(),
        challenge,
        allow: keys.map(|key| key.credential_id.clone()).collect(),
        rp_id: console.origin().rp_id().to_owned(),
    })))
}

#[derive(Deserialize)]
pub(crate) struct Signed {
    ticket: String,
    credential: Box<RawValue>,
}

pub(crate) async fn sign(
    State(console): State<Console>,
    who: SignedIn,
    CheckedJson(signed): CheckedJson<Signed>,
) -> Result<Json<Value>, Told> {
    let assertion = assertion(&signed.credential)?;
    let (challenge, bytes) = challenge_of(&who, &signed.ticket)?;
    let passkey = who
        .person
        .passkey(&assertion.credential_id)
        .ok_or_else(|| not_counted("it was made with a passkey of somebody else"))?;
    let origins = [console.origin().as_str().to_owned()];
    let expected = Expected {
        rp_id: console.origin().rp_id(),
        origins: &origins,
        challenge: &bytes,
    };
    // Its counter is compared with the one that the last decision left; only decisions move it.
    let _ = verify_assertion(&expected, passkey, &assertion)
        .map_err(|error| not_counted(&error.to_string()))?;
    tracing::info!(
        person = who.person.id,
        request = challenge.request,
        "a deletion from the vault was signed"
    );
    let signature = Signature {
        challenge,
        assertion,
    };
    let text = serde_json::to_string(&signature).map_err(|e| Refusal::from(e.to_string()))?;
    Ok(Json(json!({ "carry": text })))
}

fn not_counted(why: &str) -> Refusal {
    Refusal::new(
        axum::http::StatusCode::FORBIDDEN,
        format!("the signature does not count: {why}"),
        "sign with a passkey of your own that is enrolled here",
    )
}
