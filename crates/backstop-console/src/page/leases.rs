//! All leases: those that can act first, each with its red button one step away.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use backstop_core::lease::LeaseRecord;

use crate::refusal::Refusal;
use crate::show::{self, Piece};
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::SignedIn;
use crate::words::{self, Moment};

/// Ended leases shown below the others.
const LATELY: usize = 30;

#[derive(Template)]
#[template(path = "leases.html")]
struct Page {
    frame: Frame,
    alive: Vec<Row>,
    ended: Vec<Row>,
}

/// One lease in a list, and at the top of its own page.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) task: Vec<Piece>,
    pub(crate) target: String,
    pub(crate) environment: &'static str,
    pub(crate) scopes: Vec<String>,
    pub(crate) standing: &'static str,
    pub(crate) why: Vec<Piece>,
    pub(crate) person: String,
    pub(crate) created: Moment,
    pub(crate) expires: Moment,
    pub(crate) expires_ms: i64,
    pub(crate) waiting: usize,
    pub(crate) parent: Option<String>,
    pub(crate) denials: u32,
}

pub(crate) async fn list(
    State(console): State<Console>,
    who: SignedIn,
) -> Result<Response, Refusal> {
    let mut records: Vec<LeaseRecord> = console.store().state().leases.values().cloned().collect();
    records.sort_by_key(|record| std::cmp::Reverse(record.lease.created_ms));
    let rows = records.iter().map(|record| row(&console, record));
    let (alive, mut ended): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.standing != "ended");
    ended.truncate(LATELY);
    render(&Page {
        frame: Frame::of(&console, &who, "leases", "Leases"),
        alive,
        ended,
    })
}

/// How a lease stands in a list.
pub(crate) fn row(console: &Console, record: &LeaseRecord) -> Row {
    let now_ms = console.store().now_ms();
    let state = console.store().state();
    let lease = &record.lease;
    let (standing, why) = words::standing(record, now_ms);
    Row {
        id: lease.id.clone(),
        task: show::plain(&lease.spec.task),
        target: lease.spec.target.clone(),
        environment: lease.spec.environment.word(),
        scopes: lease.spec.may_do(),
        standing,
        why: show::plain(&why),
        person: state
            .people
            .get(&lease.person)
            .map_or_else(|| lease.person.clone(), |p| p.name.clone()),
        created: words::moment(lease.created_ms, now_ms),
        expires: words::moment(lease.expires_ms, now_ms),
        expires_ms: lease.expires_ms,
        waiting: state.open_holds(&lease.id).count(),
        parent: lease.spec.parent.clone(),
        denials: record.denials,
    }
}
