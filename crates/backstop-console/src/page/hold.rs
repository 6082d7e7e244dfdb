//! One hold, and the two buttons. Approve and deny are ceremonies: the store hands out a challenge over
//! exactly this decision, and only an authenticator's signature comes back (invariant 5).

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use backstop_core::action::Ask;
use backstop_core::approval::Answer;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::ask::Kind;
use crate::page::hold_view::{View, view};
use crate::page::sign_in::{From, assertion, count};
use crate::page::{Name, reason};
use crate::refusal::{Refusal, Told};
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::{CheckedJson, SignedIn};
use crate::webauthn;

#[derive(Template)]
#[template(path = "hold.html")]
struct Page {
    frame: Frame,
    hold: View,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
    Name(id): Name,
) -> Result<Response, Refusal> {
    let record = console
        .store()
        .hold(&id)
        .ok_or_else(|| Refusal::not_found("hold"))?;
    let hold = view(&console, &record, &who.person.id);
    let title = format!("{} · {}", record.hold.summary, record.state.word());
    render(&Page {
        frame: Frame::of(&console, &who, "hold", title),
        hold,
    })
}

/// A yes or a no, before it is signed.
#[derive(Deserialize)]
pub(crate) struct Decision {
    answer: Answer,
    #[serde(default)]
    reason: String,
}

pub(crate) async fn challenge(
    State(console): State<Console>,
    who: SignedIn,
    from: From,
    Name(id): Name,
    CheckedJson(decision): CheckedJson<Decision>,
) -> Result<Json<Value>, Told> {
    if decision.answer == Answer::None {
        return Err(Refusal::malformed().into());
    }
    count(&console, &from)?;
    let words = reason(&decision.reason, "");
    let asked = console
        .store()
        .ask_to_decide(&who.person.id, &id, decision.answer, &words)
        .map_err(Refusal::from)?;
    let mut answer = webauthn::request(&asked);
    // As it will be journaled: the script hands exactly these words back.
    if let Value::Object(fields) = &mut answer {
        fields.insert("reason".to_owned(), Value::String(words));
    }
    Ok(Json(answer))
}

/// A yes or a no, signed.
#[derive(Deserialize)]
pub(crate) struct Signed {
    nonce: String,
    #[serde(default)]
    reason: String,
    credential: Box<RawValue>,
}

pub(crate) async fn decide(
    State(console): State<Console>,
    who: SignedIn,
    Name(id): Name,
    CheckedJson(signed): CheckedJson<Signed>,
) -> Result<Json<Value>, Told> {
    let assertion = assertion(&signed.credential)?;
    let state = console
        .store()
        .decide(&signed.nonce, &signed.reason, assertion)
        .await
        .map_err(Refusal::from)?;
    tracing::info!(
        hold = id,
        person = who.person.id,
        state = state.word(),
        "a hold was decided"
    );
    let next = match invitation(&console, &id).await? {
        Some(token) => format!("/invited/{token}"),
        None => format!("/holds/{id}"),
    };
    Ok(Json(json!({ "next": next })))
}

/// What an approved ask for a person or a passkey is turned into, at once: only the answer to the signature
/// that approved it carries the invitation, so that a session alone never gets one (invariant 9).
async fn invitation(console: &Console, id: &str) -> Result<Option<String>, Refusal> {
    let Some(record) = console.store().hold(id) else {
        return Ok(None);
    };
    let invites = matches!(
        record.hold.ask,
        Ask::AddPerson { .. } | Ask::AddPasskey { .. }
    );
    let ready = record
        .spendable(record.hold.digest, console.store().now_ms())
        .is_ok();
    if invites && ready {
        Ok(Some(console.store().invite_by_hold(id).await?))
    } else {
        Ok(None)
    }
}

#[derive(Template)]
#[template(path = "invited.html")]
struct Invited {
    frame: Frame,
    link: String,
}

/// The link to enrol that an approval was turned into, to open here or to pass on.
pub(crate) async fn invited(
    State(console): State<Console>,
    who: SignedIn,
    Name(token): Name,
) -> Result<Response, Refusal> {
    console.store().invitation(&token)?;
    let link = format!("{}/enrol/{token}", console.origin());
    render(&Invited {
        frame: Frame::of(&console, &who, "invited", "Invitation"),
        link,
    })
}
