//! Enrolling a passkey under an invitation: the first person, a further one, or a further passkey.

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use backstop_core::passkey::Registration;
use backstop_store::Invitation;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::page::Name;
use crate::page::sign_in::{From, Nothing, count};
use crate::refusal::{Refusal, Told};
use crate::state::Console;
use crate::view::render;
use crate::visitor::{Checked, CheckedJson, Visitor};
use crate::webauthn;

#[derive(Template)]
#[template(path = "enrol.html")]
struct Page {
    csrf: String,
    token: String,
    host: String,
    local: bool,
    /// The first person at all.
    first: bool,
    /// Whose passkey it will be; empty while they have no name yet.
    name: String,
    /// How many passkeys they have.
    passkeys: usize,
    /// Whether they can choose a recovery code instead of a second passkey.
    recovery: bool,
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Name(token): Name,
) -> Result<Response, Refusal> {
    let invitation = console.store().invitation(&token)?;
    let mut page = Page {
        csrf: console.csrf(&visitor.visit),
        recovery: may_take_code(&console, &invitation),
        token,
        host: console.origin().authority().to_owned(),
        local: !console.origin().is_https(),
        first: invitation == Invitation::First,
        name: String::new(),
        passkeys: 0,
    };
    match invitation {
        Invitation::First => {}
        Invitation::Person { name, .. } => page.name = name,
        Invitation::Passkey { person, .. } => {
            if let Some(person) = console.store().state().people.get(&person) {
                page.name.clone_from(&person.name);
                page.passkeys = person.passkeys.len();
            }
        }
    }
    render(&page)
}

/// Only right after enrolling, and once: a recovery code is a way to another passkey.
fn may_take_code(console: &Console, invitation: &Invitation) -> bool {
    let Invitation::Passkey { person, hold: None } = invitation else {
        return false;
    };
    let state = console.store().state();
    state
        .people
        .get(person)
        .is_some_and(|person| person.passkeys.len() == 1 && person.recovery.is_none())
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    name: String,
}

pub(crate) async fn challenge(
    State(console): State<Console>,
    from: From,
    Name(token): Name,
    CheckedJson(wanted): CheckedJson<Wanted>,
) -> Result<Json<Value>, Told> {
    count(&console, &from)?;
    let asked = console
        .store()
        .ask_to_enrol(&token)
        .map_err(Refusal::from)?;
    let (user, name) = match console.store().invitation(&token).map_err(Refusal::from)? {
        Invitation::First => (token, wanted.name),
        Invitation::Person { hold, name } => (hold, name),
        Invitation::Passkey { person, .. } => {
            let name = console
                .store()
                .state()
                .people
                .get(&person)
                .map(|p| p.name.clone());
            (person, name.unwrap_or_default())
        }
    };
    if name.trim().is_empty() {
        let refusal = Refusal::new(
            axum::http::StatusCode::BAD_REQUEST,
            "a person needs a name",
            "write the name others know you by",
        );
        return Err(refusal.into());
    }
    Ok(Json(webauthn::creation(&asked, &user, name.trim())))
}

#[derive(Deserialize)]
pub(crate) struct Created {
    nonce: String,
    name: String,
    label: String,
    credential: Box<RawValue>,
}

pub(crate) async fn finish(
    State(console): State<Console>,
    Name(token): Name,
    CheckedJson(created): CheckedJson<Created>,
) -> Result<Json<Value>, Told> {
    let registration = Registration::from_webauthn_json(created.credential.get().as_bytes());
    let registration = registration.map_err(|_| Refusal::malformed())?;
    let done = console
        .store()
        .enrol(
            &token,
            &created.nonce,
            &created.name,
            &created.label,
            &registration,
        )
        .await
        .map_err(Refusal::from)?;
    let next = done
        .next
        .map_or_else(|| "/sign-in".to_owned(), |token| format!("/enrol/{token}"));
    Ok(Json(json!({ "next": next })))
}

#[derive(Template)]
#[template(path = "recovery_code.html")]
struct Code {
    code: String,
    host: String,
}

/// Instead of a second passkey: a code, shown once.
pub(crate) async fn recovery(
    State(console): State<Console>,
    Name(token): Name,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    let invitation = console.store().invitation(&token)?;
    let Invitation::Passkey { person, .. } = &invitation else {
        return Err(Refusal::not_found("invitation"));
    };
    if !may_take_code(&console, &invitation) {
        return Err(Refusal::new(
            axum::http::StatusCode::CONFLICT,
            "a recovery code was made already, and is shown only once",
            "enrol a second passkey instead",
        ));
    }
    let code = console.store().make_recovery_code(person).await?;
    render(&Code {
        code,
        host: console.origin().authority().to_owned(),
    })
}
