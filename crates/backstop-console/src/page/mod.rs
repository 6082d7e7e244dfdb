//! The pages, one file each: what it shows, and what its buttons do.

pub(crate) mod asset;
pub(crate) mod cancel;
mod chart;
pub(crate) mod deletion;
pub(crate) mod enrol;
pub(crate) mod events;
pub(crate) mod freeze;
pub(crate) mod hold;
pub(crate) mod hold_view;
pub(crate) mod holds;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod leases;
pub(crate) mod people;
pub(crate) mod points;
pub(crate) mod recover;
pub(crate) mod sign_in;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use backstop_core::action::Ask;
use backstop_store::Opened;

use crate::ask::own_ask;
use crate::refusal::Refusal;
use crate::state::Console;

/// An id or token in a path: only what the console itself puts there.
pub(crate) struct Name(pub(crate) String);

impl FromRequestParts<Console> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Refusal> {
        let Path(name) = Path::<String>::from_request_parts(parts, console)
            .await
            .map_err(|_| Refusal::not_found("page"))?;
        let plain =
            name.len() <= 80 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain {
            Ok(Self(name))
        } else {
            Err(Refusal::not_found("page"))
        }
    }
}

/// Opens a hold for something that only a passkey can do, and shows it.
pub(crate) async fn ask_people(console: &Console, ask: Ask) -> Result<Response, Refusal> {
    let new =
        own_ask(ask, &console.store().state()).map_err(|error| Refusal::from(error.to_string()))?;
    let record = match console.store().open_hold(new).await? {
        Opened::Waiting(record) | Opened::Approved(record) => record,
    };
    Ok(Redirect::to(&format!("/holds/{}", record.hold.id)).into_response())
}

/// A reason as typed: one paragraph of bounded length.
pub(crate) fn reason(text: &str, otherwise: &str) -> String {
    let clean: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .take(500)
        .collect();
    if clean.is_empty() {
        otherwise.to_owned()
    } else {
        clean
    }
}
