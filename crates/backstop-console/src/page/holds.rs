//! The queue: what waits for people, oldest first, and what was decided lately.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use backstop_core::effect::EffectKind;
use backstop_core::hold::HoldRecord;

use crate::ask::particulars_line;
use crate::refusal::Refusal;
use crate::show::{self, Piece};
use crate::state::Console;
use crate::view::{Frame, render};
use crate::visitor::SignedIn;
use crate::words::{self, Moment};

/// Decided holds shown below the queue.
const LATELY: usize = 20;

#[derive(Template)]
#[template(path = "holds.html")]
struct Page {
    frame: Frame,
    waiting: Vec<Row>,
    lately: Vec<Row>,
}

/// One hold in a list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) summary: Vec<Piece>,
    pub(crate) worst: &'static str,
    pub(crate) state: &'static str,
    pub(crate) outcome: String,
    pub(crate) environment: &'static str,
    pub(crate) target: String,
    /// The lease's task, or what else tells this hold from the next one.
    pub(crate) task: Vec<Piece>,
    pub(crate) requested: Moment,
    pub(crate) decide_by_ms: i64,
    pub(crate) left: String,
    pub(crate) repeats: u32,
}

pub(crate) async fn start() -> Redirect {
    Redirect::to("/holds")
}

pub(crate) async fn list(
    State(console): State<Console>,
    who: SignedIn,
) -> Result<Response, Refusal> {
    let (mut waiting, mut decided) = (vec![], vec![]);
    {
        let now_ms = console.store().now_ms();
        let state = console.store().state();
        for record in state.holds.values() {
            let open = record.state.is_open() && now_ms < record.hold.decide_by_ms;
            if open {
                waiting.push(record.clone())
            } else {
                decided.push(record.clone())
            }
        }
    }
    waiting.sort_by_key(|record| record.hold.requested_ms);
    decided.sort_by_key(|record| std::cmp::Reverse(record.hold.requested_ms));
    decided.truncate(LATELY);
    let rows =
        |records: Vec<HoldRecord>| records.iter().map(|record| row(&console, record)).collect();
    let page = Page {
        frame: Frame::of(&console, &who, "holds", "Holds"),
        waiting: rows(waiting),
        lately: rows(decided),
    };
    Ok(render(&page)?.into_response())
}

/// How a hold stands in a list.
pub(crate) fn row(console: &Console, record: &HoldRecord) -> Row {
    let state = console.store().state();
    let now_ms = console.store().now_ms();
    let hold = &record.hold;
    let name = |id: &str| {
        state
            .people
            .get(id)
            .map_or_else(|| id.to_owned(), |person| person.name.clone())
    };
    let lease = hold.lease.as_ref().and_then(|id| state.leases.get(id));
    let worst = hold
        .effects
        .iter()
        .map(|effect| effect.kind)
        .max()
        .unwrap_or(EffectKind::Read);
    Row {
        id: hold.id.clone(),
        summary: show::names(&hold.summary),
        worst: worst.word(),
        state: record.state.word(),
        outcome: words::outcome(&record.state, name, now_ms),
        environment: hold.environment.word(),
        target: hold.target.clone().unwrap_or_default(),
        task: match lease {
            Some(lease) => show::plain(&lease.lease.spec.task),
            None => show::plain(&particulars_line(&hold.ask, &state)),
        },
        requested: words::moment(hold.requested_ms, now_ms),
        decide_by_ms: hold.decide_by_ms,
        left: words::span(hold.decide_by_ms.saturating_sub(now_ms)),
        repeats: record.repeats,
    }
}
