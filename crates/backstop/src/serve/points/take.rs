//! One recovery point: taken, in the vault, compared with those before it, and written down.

use std::time::{Duration, Instant};

use backstop_core::digest::Digest;
use backstop_core::entry::Event;
use backstop_core::point::Point;
use backstop_gates::postgres::source_of;
use backstop_vault::points::health::{Figures, health};
use backstop_vault::points::keep::{KeptPoint, Sent, begin_point};
use tokio::sync::watch;

use super::figures;
use crate::config::{Config, Target};
use crate::failure::{Context, Failure, Outcome};
use crate::serve::{Service, assemble};

/// The shortest time that one is given before it counts as stuck.
const AT_LEAST: Duration = Duration::from_secs(3_600);
/// How many sentences about one point are written down.
const SENTENCES: usize = 20;

/// How the taking of a point ended.
pub(super) enum Ended {
    Taken,
    /// Serving ends.
    Stopped,
    Failed(Failure),
}

/// Takes a point of `target`. Once the vault is asked to keep it, it goes on to the end, even if told to stop.
pub(super) async fn take(
    service: &Service,
    config: &Config,
    target: &Target,
    every: Duration,
    stopped: &mut watch::Receiver<bool>,
) -> Ended {
    let began = Instant::now();
    let taken_ms = service.store.now_ms();
    let sending = tokio::time::timeout(every.max(AT_LEAST), send(service, config, target));
    let sent = tokio::select! {
        sent = sending => sent,
        _ = stopped.wait_for(|stop| *stop) => return Ended::Stopped,
    };
    let sent = sent.unwrap_or_else(|_| {
        Err(Failure::new("it did not come to an end in time")
            .hint("look at the target for locks that nobody gives back"))
    });
    let done = async {
        let kept = sent?
            .finish()
            .await
            .doing("the vault did not take the recovery point")?;
        write_down(service, target, taken_ms, began, &kept).await
    };
    match done.await {
        Ok(()) => Ended::Taken,
        Err(failure) => Ended::Failed(failure),
    }
}

async fn send(service: &Service, config: &Config, target: &Target) -> Outcome<Sent> {
    let vault = assemble::vault(config)?.ok_or_else(|| {
        Failure::usage("there is no vault").hint("`backstop vault init` makes one")
    })?;
    let reached = assemble::target_config(config, &service.home, &service.key, target)?;
    let source = source_of(&reached)
        .await
        .doing("the target cannot be copied")?;
    begin_point(&vault, &target.name, &source, &())
        .await
        .doing("the recovery point was not taken")
}

async fn write_down(
    service: &Service,
    target: &Target,
    taken_ms: i64,
    began: Instant,
    kept: &KeptPoint,
) -> Outcome {
    let name = kept.stored.name;
    let manifest = &kept.taken.manifest;
    let now = Figures::of(manifest);
    let spelt = figures::spelt(&now)?;
    let known = {
        let state = service.store.state();
        state.points.get(&target.name).cloned().unwrap_or_default()
    };
    let before = figures::before(&service.home, &known, taken_ms);
    let alarms = health(&before, &now);
    let point = Point {
        name,
        parts: kept.parts().doing("the recovery point has no parts")?,
        taken_ms,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        stored: kept.bytes,
        bytes: manifest.bytes,
        tables: manifest.tables.len() as u64,
        rows: manifest.rows(),
        manifest: Digest::of(
            &manifest
                .to_bytes()
                .doing("its manifest cannot be written")?,
        ),
        figures: Digest::of(&spelt),
    };
    if !alarms.is_empty() {
        // Before the point itself: a crash in between must not leave it looking good.
        let event = Event::PointAlarm {
            target: target.name.clone(),
            point: name,
            alarms: sentences(&alarms),
        };
        write(service, event).await?;
    }
    let event = Event::PointTaken {
        target: target.name.clone(),
        point,
    };
    write(service, event).await?;
    let known = {
        let state = service.store.state();
        state.points.get(&target.name).cloned().unwrap_or_default()
    };
    if let Err(failure) = figures::keep(&service.home, name, &spelt, &known) {
        // Later ones are compared with the sums in the journal, then.
        tracing::warn!(causes = failure.causes.join(": "), "{}", failure.what);
    }
    Ok(())
}

fn sentences<T: ToString>(alarms: &[T]) -> Vec<String> {
    let mut said: Vec<String> = alarms.iter().take(SENTENCES).map(T::to_string).collect();
    if let Some(more @ 1..) = alarms.len().checked_sub(SENTENCES) {
        said.push(format!("and {more} more"));
    }
    said
}

async fn write(service: &Service, event: Event) -> Outcome {
    service
        .store
        .note(event)
        .await
        .doing("the recovery point could not be written down")
}
