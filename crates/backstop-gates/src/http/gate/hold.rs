//! Holding a request: the hold is opened, people are waited for, the approval is spent. Nothing was sent meanwhile.

use std::time::Duration;

use backstop_core::action::{Ask, HttpBinding};
use backstop_core::digest::Digest;
use backstop_core::hold::{Hold, HoldState};
use backstop_store::{NewHold, Opened, Store, StoreError};
use hyper::HeaderMap;
use tokio::time::Instant;

use super::answer;
use crate::http::{Head, Problem};

/// Headers that a client makes anew for every attempt, or that do not change what is done.
const PASSING: [&str; 20] = [
    "accept-encoding",
    "accept-language",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "baggage",
    "cache-control",
    "content-length",
    "date",
    "host",
    "idempotency-key",
    "kubectl-session",
    "pragma",
    "sec-websocket-key",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amz-date",
    "x-amzn-trace-id",
    "x-client-request-id",
    "x-request-id",
];

/// What binds an approval to a request. Digests are salted: a leaf must not let anybody try out what was sent.
pub(super) fn binding(
    head: &Head,
    origin: String,
    body: &[u8],
    operations: Vec<String>,
    salted: impl Fn(&[u8]) -> Digest,
) -> HttpBinding {
    HttpBinding {
        method: head.method.as_str().to_owned(),
        origin,
        resource: salted(head.target.as_str().as_bytes()),
        headers: salted(&counting(&head.headers)),
        body: salted(body),
        operations,
    }
}

/// The headers that count, sorted, with their lengths before them.
fn counting(headers: &HeaderMap) -> Vec<u8> {
    let mut all: Vec<(&str, &[u8])> = headers
        .iter()
        .filter(|(name, _)| !PASSING.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    // Repetitions keep their order: the sort is stable and by name alone.
    all.sort_by_key(|(name, _)| *name);
    let mut out = Vec::new();
    for part in all
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value])
    {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Asks people. The hold whose approval may be spent, or the answer to the agent.
pub(super) async fn ask(
    store: &Store,
    new: NewHold,
    pause: Duration,
    console: &str,
) -> Result<Hold, Box<Problem>> {
    let hold = match store.open_hold(new).await {
        Ok(Opened::Approved(record)) => return Ok(record.hold),
        Ok(Opened::Waiting(record)) => record.hold,
        Err(error @ StoreError::TooManyHolds(_)) => return Err(answer::too_many(&error)),
        Err(error) => return Err(answer::broken(&error)),
    };
    let link = link(console, &hold);
    wait(store, &hold.id, pause).await;
    match store.hold(&hold.id).map(|record| record.state) {
        Some(HoldState::Approved { from_ms, .. }) if store.now_ms() >= from_ms => Ok(hold),
        Some(HoldState::Approved { .. }) => Err(answer::held(
            &hold,
            &link,
            "; it is approved and counts after its announced delay",
        )),
        Some(HoldState::Denied { reason, .. }) => {
            Err(answer::refused_by_person(&hold, &reason, &link))
        }
        Some(HoldState::Waiting { .. }) | None => Err(answer::held(&hold, &link, "")),
        Some(state) => {
            let besides = format!("; the hold is {}", state.word());
            Err(answer::held(&hold, &link, &besides))
        }
    }
}

/// Until people have decided, for as long as a call may be paused.
async fn wait(store: &Store, hold: &str, pause: Duration) {
    let Some(mut state) = store.watch_hold(hold) else {
        return;
    };
    let deadline = Instant::now() + pause;
    loop {
        let now_ms = store.now_ms();
        let early = match &*state.borrow_and_update() {
            HoldState::Waiting { .. } => None,
            HoldState::Approved { from_ms, .. } if *from_ms > now_ms => Some(*from_ms - now_ms),
            _ => return,
        };
        let ripe = Duration::from_millis(early.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0));
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(deadline) => return,
            () = tokio::time::sleep(ripe), if early.is_some() => {}
        }
    }
}

/// Spends the approval (invariant 4): when this returns, it is durable.
pub(super) async fn spend(store: &Store, hold: &Hold, console: &str) -> Result<(), Box<Problem>> {
    match store.consume(&hold.id, hold.digest).await {
        Ok(()) => Ok(()),
        Err(StoreError::NotSpendable(why)) => {
            let besides = format!("; {why}");
            Err(answer::held(hold, &link(console, hold), &besides))
        }
        Err(StoreError::LeaseNotActive(why)) => Err(super::who::stopped(&why)),
        Err(error) => Err(answer::broken(&error)),
    }
}

pub(super) fn link(console: &str, hold: &Hold) -> String {
    format!("{console}/holds/{}", hold.id)
}

/// The digest that an ask would have now.
pub(super) fn digest(
    store: &Store,
    lease: &str,
    target: &str,
    policy: Digest,
    ask: &Ask,
) -> Option<Digest> {
    let installation = store.state().installation.clone();
    backstop_core::action::digest(&installation, Some(lease), Some(target), policy, ask).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> Vec<u8> {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(*name, value.parse().unwrap());
        }
        counting(&map)
    }

    #[test]
    fn what_is_made_anew_for_every_attempt_does_not_count_and_all_else_does() {
        let one = headers(&[("x-mode", "soft"), ("date", "today"), ("traceparent", "1")]);
        assert_eq!(one, headers(&[("date", "tomorrow"), ("x-mode", "soft")]));
        for other in [
            &[("x-mode", "hard")][..],
            &[("x-mode", "soft"), ("x-mode", "hard")],
            &[("x-mod", "esoft")],
            &[],
        ] {
            assert_ne!(one, headers(other), "{other:?}");
        }
        let before = headers(&[("a", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(before, headers(&[("b", "3"), ("a", "1"), ("a", "2")]));
        assert_ne!(before, headers(&[("a", "2"), ("a", "1"), ("b", "3")]));
    }
}
