//! People and their passkeys. Adding either is a hold that a passkey signs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use backstop_core::action::Ask;
use backstop_core::person::Person;
use serde::Deserialize;

use crate::page::sign_in::Nothing;
use crate::page::{Name, ask_people};
use crate::refusal::Refusal;
use crate::show::{self, Piece};
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::{Checked, SignedIn};
use crate::words::{self, Moment};

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    frame: Frame,
    people: Vec<Row>,
    rp_id: String,
}

struct Row {
    id: String,
    name: Vec<Piece>,
    me: bool,
    enrolled: Moment,
    passkeys: Vec<Passkey>,
    recovery: bool,
}

struct Passkey {
    label: Vec<Piece>,
    algorithm: String,
    synced: bool,
    created: Moment,
    id: String,
}

pub(crate) async fn show(
    State(console): State<Console>,
    who: SignedIn,
) -> Result<Response, Refusal> {
    let people: Vec<Person> = console.store().state().people.values().cloned().collect();
    let now_ms = console.store().now_ms();
    let mut rows: Vec<(i64, Row)> = people
        .iter()
        .map(|person| (person.enrolled_ms, row(person, &who.person.id, now_ms)))
        .collect();
    rows.sort_by_key(|(enrolled_ms, _)| *enrolled_ms);
    render(&Page {
        frame: Frame::of(&console, &who, "people", "People"),
        people: rows.into_iter().map(|(_, row)| row).collect(),
        rp_id: console.origin().rp_id().to_owned(),
    })
}

fn row(person: &Person, me: &str, now_ms: i64) -> Row {
    Row {
        id: person.id.clone(),
        name: show::plain(&person.name),
        me: person.id == me,
        enrolled: words::moment(person.enrolled_ms, now_ms),
        recovery: person.recovery.is_some(),
        passkeys: person
            .passkeys
            .iter()
            .map(|passkey| Passkey {
                label: show::plain(if passkey.label.is_empty() {
                    "unnamed"
                } else {
                    &passkey.label
                }),
                algorithm: format!("{:?}", passkey.algorithm),
                synced: passkey.backup_eligible,
                created: words::moment(passkey.created_ms, now_ms),
                id: hex::encode(
                    passkey
                        .credential_id
                        .get(..4)
                        .unwrap_or(&passkey.credential_id),
                ),
            })
            .collect(),
    }
}

#[derive(Deserialize)]
pub(crate) struct Add {
    name: String,
}

pub(crate) async fn add(
    State(console): State<Console>,
    _who: SignedIn,
    Checked(form): Checked<Add>,
) -> Result<Response, Refusal> {
    let name: String = form
        .name
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(60)
        .collect();
    if name.is_empty() {
        return Err(Refusal::new(
            axum::http::StatusCode::BAD_REQUEST,
            "a person needs a name",
            "write the name others know them by",
        ));
    }
    ask_people(&console, Ask::AddPerson { name }).await
}

pub(crate) async fn add_passkey(
    State(console): State<Console>,
    _who: SignedIn,
    Name(person): Name,
    Checked(Nothing {}): Checked<Nothing>,
) -> Result<Response, Refusal> {
    if !console.store().state().people.contains_key(&person) {
        return Err(Refusal::not_found("person"));
    }
    ask_people(&console, Ask::AddPasskey { person }).await
}
