//! Live updates: tells open pages that something changed, never what. Pages load themselves again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use backstop_store::Change;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

use crate::refusal::Refusal;
use crate::state::Console;
use crate::visitor::SignedIn;

/// A stream ends after this and the page asks again, which shows whether it is still signed in.
const LIFE: Duration = Duration::from_secs(10 * 60);

struct Live {
    /// Said first: how far the store is.
    hello: Option<u64>,
    changes: broadcast::Receiver<Change>,
    stopping: watch::Receiver<bool>,
    until: tokio::time::Instant,
    _room: OwnedSemaphorePermit,
}

pub(crate) async fn stream(State(console): State<Console>, _who: SignedIn) -> Response {
    let Ok(room) = std::sync::Arc::clone(&console.inner.live).try_acquire_owned() else {
        return Refusal::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are open",
            "close some, or load this one again by hand",
        )
        .json();
    };
    // Subscribed before looking, so that nothing falls between the two.
    let changes = console.store().subscribe();
    let live = Live {
        hello: Some(console.store().state().applied),
        changes,
        stopping: console.inner.stopping.subscribe(),
        until: tokio::time::Instant::now() + LIFE,
        _room: room,
    };
    let events = stream::unfold(live, |mut live| async move {
        let event = next(&mut live).await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
        .into_response()
}

/// The next change as an event; `None` when it is time to end.
async fn next(live: &mut Live) -> Option<Event> {
    if let Some(applied) = live.hello.take() {
        return Some(Event::default().event("hello").data(applied.to_string()));
    }
    let change = tokio::select! {
        change = live.changes.recv() => change,
        _ = live.stopping.wait_for(|stop| *stop) => return None,
        () = tokio::time::sleep_until(live.until) => return None,
    };
    let (kind, id) = match change {
        Ok(Change::Hold(id)) => ("hold", id),
        Ok(Change::Lease(id)) => ("lease", id),
        Ok(Change::People) => ("people", String::new()),
        Ok(Change::Points(target)) => ("points", target),
        // Whoever missed some looks at everything.
        Ok(Change::Everything) | Err(RecvError::Lagged(_)) => ("everything", String::new()),
        Err(RecvError::Closed) => return None,
    };
    Some(
        Event::default()
            .event("change")
            .data(format!("{kind} {id}")),
    )
}
