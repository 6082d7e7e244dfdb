//! Stopping everything: the freeze lets reads pass, the halt lets nothing pass. Both take a click; lifting
//! either takes a passkey.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use backstop_core::action::Ask;

use crate::page::ask_people;
use crate::page::lease::Why;
use crate::page::sign_in::Nothing;
use crate::refusal::Refusal;
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::{Checked, SignedIn};

#[derive(Template)]
#[template(path = "freeze.html")]
struct Page {
    frame: Frame,
    active: usize,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
) -> Result<Response, Refusal> {
    let now_ms = console.store().now_ms();
    let active = console
        .store()
        .state()
        .leases
        .values()
        .filter(|r| r.is_active(now_ms))
        .count();
    render(&Page {
        frame: Frame::of(&console, &who, "freeze", "Stop everything"),
        active,
    })
}

pub(crate) async fn freeze(
    State(console): State<Console>,
    who: SignedIn,
    Checked(why): Checked<Why>,
) -> Result<Response, Refusal> {
    console.store().freeze(&why.by(&who)).await?;
    Ok(Redirect::to("/freeze").into_response())
}

pub(crate) async fn halt_all(
    State(console): State<Console>,
    who: SignedIn,
    Checked(why): Checked<Why>,
) -> Result<Response, Refusal> {
    console.store().halt(None, &why.by(&who), false).await?;
    Ok(Redirect::to("/freeze").into_response())
}

pub(crate) async fn lift(
    State(console): State<Console>,
    _who: SignedIn,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    ask_people(&console, Ask::Unfreeze).await
}

pub(crate) async fn resume_all(
    State(console): State<Console>,
    _who: SignedIn,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    ask_people(&console, Ask::Resume { lease: None }).await
}
