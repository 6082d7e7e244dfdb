//! What is worth calling people for: a new hold, an approval that counts only after a delay, a stop.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::pin;

use backstop_core::effect::EffectKind;
use backstop_core::hold::{HoldRecord, HoldState};
use backstop_core::lease::LeaseState;
use backstop_core::point::Points;
use backstop_store::Store;
use tokio::sync::broadcast::error::RecvError;

use super::{Message, Notifier};
use crate::origin::Origin;
use crate::words;

impl Notifier {
    /// Follows the store and calls people until `shutdown`. What waited before it began was announced then.
    pub async fn follow(
        &self,
        store: Store,
        origin: &Origin,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let mut changes = store.subscribe();
        let mut known = Known::of(&store);
        let mut shutdown = pin!(shutdown);
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                () = &mut shutdown => return,
            };
            match change {
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    // One look is enough for all that came until now.
                    while changes.try_recv().is_ok() {}
                    for message in known.news(&store, origin) {
                        self.send(&message);
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// What people know already.
#[derive(Default)]
struct Known {
    waiting: HashSet<String>,
    delayed: HashSet<String>,
    halted: HashSet<String>,
    all_halted: bool,
    frozen: bool,
    points: BTreeMap<String, KnownPoints>,
    drill_key: Option<String>,
}

/// What people know of a target's recovery points.
#[derive(Default)]
struct KnownPoints {
    taken: usize,
    drills: usize,
    failing: bool,
    alarms: Vec<String>,
}

impl KnownPoints {
    /// What is new, in sentences without data.
    fn news(&mut self, target: &str, points: &Points) -> Vec<String> {
        let mut news = vec![];
        for record in points.taken.iter().skip(self.taken) {
            // What stands already is not told with each further point, whatever its numbers are by then.
            let alarms: Vec<String> = record.alarms.iter().map(|one| shape(one)).collect();
            if alarms.iter().any(|one| !self.alarms.contains(one)) {
                news.push(format!(
                    "a recovery point of {target} is unlike those before it: look before the older ones run out"
                ));
            }
            self.alarms = alarms;
        }
        for drill in points.drills.iter().skip(self.drills) {
            if !drill.succeeded() {
                news.push(format!(
                    "a drill of {target} failed: its newest recovery point may bring nothing back"
                ));
            }
        }
        if points.failing.is_some() && !self.failing {
            news.push(format!("no recovery point of {target} can be taken"));
        }
        self.taken = points.taken.len();
        self.drills = points.drills.len();
        self.failing = points.failing.is_some();
        news
    }
}

impl Known {
    fn of(store: &Store) -> Self {
        let mut known = Self::default();
        let nowhere = |_: &str| String::new();
        let _ = known.look(store, &nowhere);
        known
    }

    fn news(&mut self, store: &Store, origin: &Origin) -> Vec<Message> {
        self.look(store, &|path: &str| format!("{origin}{path}"))
    }

    fn look(&mut self, store: &Store, link: &dyn Fn(&str) -> String) -> Vec<Message> {
        let state = store.state();
        let now_ms = store.now_ms();
        let mut news = vec![];
        for record in state.holds.values() {
            let fresh = match &record.state {
                HoldState::Waiting { .. } => self.waiting.insert(record.hold.id.clone()),
                HoldState::Approved { from_ms, .. } if *from_ms > now_ms => {
                    self.delayed.insert(record.hold.id.clone())
                }
                _ => false,
            };
            if fresh {
                news.push(about_hold(record, now_ms, link));
            }
        }
        for (id, record) in &state.leases {
            let halted = matches!(record.state, LeaseState::Halted { .. });
            if halted && self.halted.insert(id.clone()) {
                news.push(stop(
                    "a lease was halted".to_owned(),
                    link(&format!("/leases/{id}")),
                ));
            } else if !halted {
                self.halted.remove(id);
            }
        }
        for (now, before, sentence) in [
            (
                state.halted.is_some(),
                &mut self.all_halted,
                "all leases were halted",
            ),
            (
                state.frozen.is_some(),
                &mut self.frozen,
                "everything was frozen: only reads pass",
            ),
        ] {
            if now && !*before {
                news.push(stop(sentence.to_owned(), link("/freeze")));
            }
            *before = now;
        }
        for (target, points) in &state.points {
            let known = self.points.entry(target.clone()).or_default();
            for sentence in known.news(target, points) {
                news.push(stop(sentence, link("/points")));
            }
        }
        if state.drill_key != self.drill_key {
            // The first is what was set up; another one is worth a look.
            if self.drill_key.is_some() {
                news.push(stop(
                    "reports of drills are believed by another key now".to_owned(),
                    link("/points"),
                ));
            }
            self.drill_key.clone_from(&state.drill_key);
        }
        news
    }
}

/// A sentence without its numbers.
fn shape(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn about_hold(record: &HoldRecord, now_ms: i64, link: &dyn Fn(&str) -> String) -> Message {
    let hold = &record.hold;
    let sentence = match &record.state {
        HoldState::Approved { from_ms, .. } => format!(
            "approved by fewer people than it needs, and counts in {}: {}",
            words::span(from_ms.saturating_sub(now_ms)),
            hold.summary
        ),
        _ => format!(
            "waits for a person on {}: {}",
            hold.environment, hold.summary
        ),
    };
    Message {
        hold: Some(hold.id.clone()),
        sentence,
        link: link(&format!("/holds/{}", hold.id)),
        urgent: hold
            .effects
            .iter()
            .any(|effect| effect.kind >= EffectKind::Destroy),
    }
}

fn stop(sentence: String, link: String) -> Message {
    Message {
        hold: None,
        sentence,
        link,
        urgent: true,
    }
}
