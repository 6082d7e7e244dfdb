//! Recovery points on a schedule, the drills that prove them, and how both stand.
//!
//! One point at a time, beside the gate and never in its way. What fails is tried again, later each time; a point
//! that was begun when serving ends leaves nothing behind.

mod drills;
mod due;
mod figures;
mod pins;
mod standing;
mod take;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backstop_core::entry::Event;
use tokio::sync::watch;

use self::due::Plan;
use self::pins::Pins;
use self::take::{Ended, take};
use super::Service;
use crate::config::Config;
use crate::failure::Failure;

pub(crate) use drills::SUFFIX as DRILL_REPORT;
pub(super) use drills::run as collect_drills;
pub use standing::PointsStanding;
pub(super) use standing::points_of;

/// How long after the start the first point may begin: agents come first.
const AFTER_START: Duration = Duration::from_secs(3);
/// How long it sleeps at most before it looks again: the clock may have been moved.
const LOOK: Duration = Duration::from_secs(30);

/// Takes points when they are due, until told to stop.
pub(super) async fn run(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut changed = service.config.subscribe();
    let (mut plans, mut pins) = (BTreeMap::<String, Plan>::new(), Pins::default());
    let began = Instant::now();
    let mut wait = AFTER_START;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            gone = changed.changed() => if gone.is_err() { return },
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let config: Arc<Config> = Arc::clone(&changed.borrow_and_update());
        drills::trust(&service, &config).await;
        if began.elapsed() < AFTER_START {
            continue;
        }
        wait = LOOK;
        for target in &config.targets {
            let Some(every) = target.points else {
                continue;
            };
            let plan = plans
                .entry(target.name.clone())
                .or_insert_with(|| Plan::new(began));
            let left = plan.left(
                &service.store.state(),
                &target.name,
                every,
                service.store.now_ms(),
            );
            if !left.is_zero() {
                wait = wait.min(left);
                continue;
            }
            // Whatever else is due follows at once.
            wait = Duration::ZERO;
            match take(&service, &config, target, every, &mut stopped).await {
                Ended::Taken => plan.took(),
                Ended::Stopped => return,
                Ended::Failed(failure) => {
                    plan.failed();
                    failed(&service, &target.name, &failure).await;
                }
            }
        }
        pins.keep(&service, &config).await;
    }
}

async fn failed(service: &Service, target: &str, failure: &Failure) {
    let why = sentence(failure);
    tracing::error!(
        target_name = target,
        why,
        "no recovery point could be taken"
    );
    let event = Event::PointFailed {
        target: target.to_owned(),
        why,
    };
    note(service, event).await;
}

/// Writes down what happened; a journal that takes nothing more has said so where it matters.
async fn note(service: &Service, event: Event) -> bool {
    let written = service.store.note(event).await;
    if let Err(error) = &written {
        tracing::error!(%error, "what happened to recovery points could not be written down");
    }
    written.is_ok()
}

/// A failure in one line of bounded length.
fn sentence(failure: &Failure) -> String {
    let mut parts = vec![failure.what.clone()];
    parts.extend(failure.causes.iter().cloned());
    let mut text = parts.join(": ");
    if let Some(hint) = &failure.hint {
        text.push_str("; hint: ");
        text.push_str(hint);
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(600)
        .collect()
}
