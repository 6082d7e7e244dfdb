//! Signing in with a passkey, and out.

use askama::Template;
use axum::Json;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use backstop_core::passkey::Assertion;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::refusal::{Refusal, Told};
use crate::state::Console;
use crate::view::render;
use crate::visitor::{Checked, CheckedJson, Visitor, onward};
use crate::{cookie, webauthn};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    csrf: String,
    next: String,
    host: String,
    /// Whether anybody is enrolled at all.
    enrolled: bool,
    local: bool,
}

#[derive(Deserialize)]
pub(crate) struct Onward {
    next: Option<String>,
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(query): Query<Onward>,
) -> Result<Response, Refusal> {
    let next = onward(query.next.as_deref());
    if visitor.person.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let enrolled = !console.store().state().people.is_empty();
    render(&Page {
        csrf: console.csrf(&visitor.visit),
        next,
        host: console.origin().authority().to_owned(),
        enrolled,
        local: !console.origin().is_https(),
    })
}

#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// The address that ceremonies are counted by.
pub(crate) type From = Option<axum::Extension<ConnectInfo<SocketAddr>>>;

/// Counts a ceremony begun by whoever it is.
pub(crate) fn count(console: &Console, from: &From) -> Result<(), Refusal> {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let address = from
        .as_ref()
        .map_or(unknown, |axum::Extension(ConnectInfo(address))| {
            address.ip()
        });
    console
        .inner
        .rates
        .ceremony(address)
        .map_err(Refusal::too_many)
}

pub(crate) async fn challenge(
    State(console): State<Console>,
    from: From,
    CheckedJson(Nothing {}): CheckedJson<Nothing>,
) -> Result<Json<Value>, Told> {
    count(&console, &from)?;
    let asked = console.store().ask_to_sign_in().map_err(Refusal::from)?;
    Ok(Json(webauthn::request(&asked)))
}

#[derive(Deserialize)]
pub(crate) struct Signed {
    nonce: String,
    credential: Box<RawValue>,
    next: Option<String>,
}

pub(crate) async fn finish(
    State(console): State<Console>,
    visitor: Visitor,
    CheckedJson(signed): CheckedJson<Signed>,
) -> Result<Response, Told> {
    let assertion = assertion(&signed.credential)?;
    let person = console
        .store()
        .sign_in(&signed.nonce, &assertion)
        .map_err(Refusal::from)?;
    // A new name for the visit: nobody can have planted the one it will be known by.
    let token = cookie::token().map_err(Refusal::from)?;
    console.inner.sessions.end(&visitor.visit);
    console.inner.sessions.begin(&token, &person);
    tracing::info!(person, "signed in at the console");
    let cookie = cookie::set(console.origin(), &token)
        .ok_or_else(|| Refusal::from("no cookie".to_owned()))?;
    let next = onward(signed.next.as_deref());
    Ok((
        [(header::SET_COOKIE, cookie)],
        Json(json!({ "next": next })),
    )
        .into_response())
}

/// The assertion in what `PublicKeyCredential.toJSON()` made.
pub(crate) fn assertion(credential: &RawValue) -> Result<Assertion, Refusal> {
    Assertion::from_webauthn_json(credential.get().as_bytes()).map_err(|_| Refusal::malformed())
}

pub(crate) async fn out(
    State(console): State<Console>,
    visitor: Visitor,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    console.inner.sessions.end(&visitor.visit);
    let token = cookie::token().map_err(Refusal::from)?;
    let cookie = cookie::set(console.origin(), &token)
        .ok_or_else(|| Refusal::from("no cookie".to_owned()))?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}
