//! One lease: what it may do, what it asked for, and the red button. Halting takes a click; resuming takes a
//! passkey.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use backstop_core::action::Ask;
use backstop_core::hold::HoldRecord;
use serde::Deserialize;

use crate::page::leases::{self, row};
use crate::page::sign_in::Nothing;
use crate::page::{Name, ask_people, holds, reason};
use crate::refusal::Refusal;
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::{Checked, SignedIn};

/// Holds of the lease shown.
const HOLDS: usize = 50;

#[derive(Template)]
#[template(path = "lease.html")]
struct Page {
    frame: Frame,
    lease: leases::Row,
    children: Vec<String>,
    holds: Vec<holds::Row>,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
    Name(id): Name,
) -> Result<Response, Refusal> {
    let record = console
        .store()
        .lease(&id)
        .ok_or_else(|| Refusal::not_found("lease"))?;
    let (children, mut records) = {
        let state = console.store().state();
        let children: Vec<String> = state
            .tree(&id)
            .into_iter()
            .filter(|child| *child != id)
            .collect();
        let theirs = |r: &&HoldRecord| r.hold.lease.as_deref() == Some(id.as_str());
        (
            children,
            state
                .holds
                .values()
                .filter(theirs)
                .cloned()
                .collect::<Vec<_>>(),
        )
    };
    records.sort_by_key(|record| std::cmp::Reverse(record.hold.requested_ms));
    records.truncate(HOLDS);
    render(&Page {
        frame: Frame::of(&console, &who, "leases", format!("Lease {id}")),
        lease: row(&console, &record),
        children,
        holds: records
            .iter()
            .map(|record| holds::row(&console, record))
            .collect(),
    })
}

/// Why somebody stops something.
#[derive(Deserialize)]
pub(crate) struct Why {
    #[serde(default)]
    pub(crate) why: String,
}

impl Why {
    /// What is written down: who, and their words if any.
    pub(crate) fn by(&self, who: &SignedIn) -> String {
        match reason(&self.why, "") {
            words if words.is_empty() => format!("stopped by {}", who.person.name),
            words => format!("stopped by {}: {words}", who.person.name),
        }
    }
}

pub(crate) async fn halt(
    State(console): State<Console>,
    who: SignedIn,
    Name(id): Name,
    Checked(why): Checked<Why>,
) -> Result<Response, Refusal> {
    console
        .store()
        .halt(Some(&id), &why.by(&who), false)
        .await?;
    Ok(Redirect::to(&format!("/leases/{id}")).into_response())
}

pub(crate) async fn revoke(
    State(console): State<Console>,
    _who: SignedIn,
    Name(id): Name,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    console.store().end_lease(&id, "revoked").await?;
    Ok(Redirect::to(&format!("/leases/{id}")).into_response())
}

pub(crate) async fn resume(
    State(console): State<Console>,
    _who: SignedIn,
    Name(id): Name,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    console
        .store()
        .lease(&id)
        .ok_or_else(|| Refusal::not_found("lease"))?;
    ask_people(&console, Ask::Resume { lease: Some(id) }).await
}
