//! A recovery code, redeemed once for an invitation to enrol a passkey.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use backstop_store::StoreError;
use serde::Deserialize;

use crate::refusal::Refusal;
use crate::state::Console;
use crate::view::render;
use crate::visitor::{Checked, Visitor};

#[derive(Template)]
#[template(path = "recover.html")]
struct Page {
    csrf: String,
    host: String,
}

pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Refusal> {
    render(&Page {
        csrf: console.csrf(&visitor.visit),
        host: console.origin().authority().to_owned(),
    })
}

#[derive(Deserialize)]
pub(crate) struct Redeem {
    code: String,
}

pub(crate) async fn redeem(
    State(console): State<Console>,
    Checked(form): Checked<Redeem>,
) -> Result<Response, Refusal> {
    console.inner.rates.recovery().map_err(Refusal::too_many)?;
    match console.store().invite_by_recovery(&form.code).await {
        Ok(token) => Ok(Redirect::to(&format!("/enrol/{token}")).into_response()),
        Err(StoreError::BadInvitation) => Err(Refusal::new(
            axum::http::StatusCode::FORBIDDEN,
            "nobody has this recovery code, or it was used",
            "check each letter, or ask another person to add a passkey for you",
        )),
        Err(other) => Err(other.into()),
    }
}
