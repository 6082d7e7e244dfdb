//! Retention of the traffic log: what is older than the configuration keeps is pruned, whole bundles at a time.
//!
//! Never touches the control log, and must not trust a clock that the log does not bear out: what is pruned is
//! gone.

use std::sync::Arc;
use std::time::Duration;

use backstop_core::entry::Event;
use backstop_journal::{Journal, JournalError};
use tokio::sync::watch;

use super::Service;
use crate::duration::Span;
use crate::failure::{Context, Failure, Outcome};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(3_600);
/// How far the clock may be behind the newest entry.
const BEHIND_MS: i64 = 3_600_000;
/// How long a gap before the newest entries may be, and not look like a clock that jumped.
const GAP_MS: i64 = 7 * DAY_MS;
/// For how long the log must go on after a longer gap before the clock is believed.
const STEADY_MS: i64 = DAY_MS;
const DAY_MS: i64 = 86_400_000;

/// Prunes at once, hourly, and when the configuration changes, until told to stop.
pub(super) async fn run(service: Arc<Service>, mut stopped: watch::Receiver<bool>) {
    let mut config = service.config.subscribe();
    if let Err(failure) = sweep(&service).await {
        failed(&failure);
    }
    let mut doubted = None;
    loop {
        match look(&service).await {
            Ok(doubt) if doubt.as_ref().map(|d| d.kind) == doubted => {}
            Ok(doubt) => {
                doubted = doubt.as_ref().map(|d| d.kind);
                if let Some(doubt) = doubt {
                    tracing::warn!("nothing of the traffic log is pruned: {doubt}");
                }
            }
            Err(failure) => failed(&failure),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = config.changed() => if changed.is_err() { return },
            _ = stopped.wait_for(|s| *s) => return,
        }
    }
}

fn failed(failure: &Failure) {
    let causes = failure.causes.join(": ");
    tracing::error!(causes, "the traffic log was not pruned: {}", failure.what);
}

/// Removes what a pruning that was cut short has left.
async fn sweep(service: &Service) -> Outcome {
    let traffic = Arc::clone(&service.traffic);
    if traffic.oldest() == 0 {
        return Ok(());
    }
    blocking(move || traffic.prune_entries(traffic.oldest()).map(drop)).await
}

/// Prunes what is due; or says why it does not although something would be.
async fn look(service: &Service) -> Outcome<Option<Doubt>> {
    let Some(keep) = service.config().journal.keep_traffic else {
        return Ok(None);
    };
    let (traffic, now_ms) = (Arc::clone(&service.traffic), service.store.now_ms());
    let before = match blocking(move || plan(&traffic, now_ms, keep)).await? {
        Plan::Nothing => return Ok(None),
        Plan::Doubt(doubt) => return Ok(Some(doubt)),
        Plan::Prune { before } => before,
    };
    // Written down first, as every act is (invariant 2). A crash in between loses nothing: it is due again.
    let event = Event::Pruned {
        before,
        older_than_ms: now_ms.saturating_sub(millis(keep)),
    };
    service
        .store
        .note(event)
        .await
        .doing("the pruning could not be written down")?;
    let traffic = Arc::clone(&service.traffic);
    let oldest = blocking(move || traffic.prune_entries(before)).await?;
    tracing::info!(
        "pruned the traffic log: entries before {oldest} were older than {} and are gone",
        Span(keep)
    );
    Ok(None)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Outcome<T> {
    tokio::task::spawn_blocking(work)
        .await
        .doing("the work was cut short")?
        .doing("the traffic log could not be worked on")
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    /// Entries before this one are older than is kept.
    Prune {
        before: u64,
    },
    Doubt(Doubt),
}

/// Why the clock is not believed, and by how much it is off if it is.
#[derive(Debug, PartialEq, Eq)]
struct Doubt {
    kind: Off,
    by_ms: i64,
    steady_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Off {
    /// The newest entry is later than the clock.
    Behind,
    /// No entry is anywhere near the clock.
    Ahead,
    /// There are entries near the clock, but only since a moment ago.
    Jumped,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by = Span(Duration::from_millis(self.by_ms.unsigned_abs()));
        let steady = Span(Duration::from_millis(self.steady_ms.unsigned_abs()));
        match self.kind {
            Off::Behind => write!(
                f,
                "the clock is {by} behind the newest entry; hint: set the clock right"
            ),
            Off::Ahead => write!(
                f,
                "the clock is {by} ahead of the newest entry; hint: set the clock right if it is wrong, else it is believed once the log has gone on for {steady}"
            ),
            Off::Jumped => write!(
                f,
                "the log has a gap of {by}, after which it has not gone on for {steady} yet; hint: set the clock right if it jumped, else it is believed then"
            ),
        }
    }
}

/// What is to be pruned of `log` at this time, if anything. Reads a few entries, by halving.
fn plan(log: &Journal, now_ms: i64, keep: Duration) -> Result<Plan, JournalError> {
    let Some(newest) = log.size().checked_sub(1) else {
        return Ok(Plan::Nothing);
    };
    let window_ms = millis(keep).min(GAP_MS);
    let steady_ms = (window_ms / 2).min(STEADY_MS);
    let doubt = |kind, by_ms| {
        Plan::Doubt(Doubt {
            kind,
            by_ms,
            steady_ms,
        })
    };
    let newest_ms = at_ms(log, newest)?.unwrap_or(now_ms);
    if newest_ms.saturating_sub(now_ms) > BEHIND_MS {
        return Ok(doubt(Off::Behind, newest_ms.saturating_sub(now_ms)));
    }
    let first_kept = first_since(log, now_ms.saturating_sub(millis(keep)))?;
    let before = log.prunable(first_kept);
    if before == log.oldest() {
        return Ok(Plan::Nothing);
    }
    // After a clock that jumped ahead all entries but the newest look old enough.
    let recent = first_since(log, now_ms.saturating_sub(window_ms))?;
    if recent > newest {
        return Ok(doubt(Off::Ahead, now_ms.saturating_sub(newest_ms)));
    }
    let recent_ms = at_ms(log, recent)?.unwrap_or(now_ms);
    if recent_ms > now_ms.saturating_sub(steady_ms) {
        let before_ms = at_ms(log, recent.saturating_sub(1))?.unwrap_or(recent_ms);
        return Ok(doubt(Off::Jumped, recent_ms.saturating_sub(before_ms)));
    }
    Ok(Plan::Prune { before })
}

/// The first entry from this moment on, or the log's size. Entries lie in the order of their time but for
/// moments; one without a time counts as new, so that it is kept.
fn first_since(log: &Journal, ms: i64) -> Result<u64, JournalError> {
    log.first_where(|entry| time_of(entry).is_none_or(|at| at >= ms))
}

fn at_ms(log: &Journal, index: u64) -> Result<Option<i64>, JournalError> {
    log.read(index).map(|entry| time_of(&entry))
}

fn time_of(entry: &[u8]) -> Option<i64> {
    let entry: serde_json::Value = serde_json::from_slice(entry).ok()?;
    entry.get("at_ms")?.as_i64()
}

fn millis(span: Duration) -> i64 {
    Span(span).millis()
}

/// What a reader is told of entries that are not there any more.
pub fn pruned_before(log: &str, oldest: u64) -> String {
    format!(
        "entries of the {log} log before {oldest} were pruned; their hashes are kept, so proofs about them still hold"
    )
}

/// The refusal to show a pruned entry.
pub(super) fn pruned(log: &str, index: u64, oldest: u64) -> Failure {
    Failure::new(format!("entry {index} of the {log} log was pruned"))
        .because(format!("the oldest entry kept is {oldest}"))
        .hint("`keep_traffic` in [journal] says how long entries are kept; `backstop journal tail` says when they were pruned")
}

#[cfg(test)]
mod tests {
    use backstop_journal::{Options, SigningKey};
    use backstop_testing::clock::ManualClock;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const HOUR: Duration = Duration::from_secs(3_600);
    const ORIGIN: &str = "backstop.test/retention";

    struct Log {
        journal: Journal,
        _dir: tempfile::TempDir,
    }

    /// A log that grew by so many entries an hour for each of these stretches.
    fn log(clock: &ManualClock, stretches: &[(Duration, u64)]) -> Log {
        let mut entries = vec![];
        for (span, an_hour) in stretches {
            for _ in 0..span.as_secs() / 3_600 {
                entries.extend((0..*an_hour).map(|_| dated(clock)));
                clock.advance(HOUR);
            }
        }
        log_of(&entries)
    }

    fn dated(clock: &ManualClock) -> Vec<u8> {
        let at_ms = clock.unix_millis();
        format!("{{\"entry\":\"outcome\",\"at_ms\":{at_ms}}}").into_bytes()
    }

    fn log_of(entries: &[Vec<u8>]) -> Log {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(ORIGIN).unwrap();
        let path = dir.path().join("key");
        key.save(&path).unwrap();
        let open = || {
            let key = SigningKey::load(&path).unwrap();
            Journal::open(&dir.path().join("log"), ORIGIN, key, Options::default()).unwrap()
        };
        let journal = open();
        for entry in entries {
            let _ = journal.append(entry, None).unwrap();
        }
        // Closed and opened, its segment has become bundles.
        journal.close().unwrap();
        Log {
            journal: open(),
            _dir: dir,
        }
    }

    fn planned(log: &Log, clock: &ManualClock, keep: Duration) -> Plan {
        plan(&log.journal, clock.unix_millis(), keep).unwrap()
    }

    fn doubted(plan: Plan) -> Option<Off> {
        match plan {
            Plan::Doubt(doubt) => Some(doubt.kind),
            _ => None,
        }
    }

    #[test]
    fn whole_bundles_of_older_entries_go_and_no_others() {
        let clock = ManualClock::noon();
        let log = log(&clock, &[(100 * DAY, 5)]);
        // Ten days have passed of retention: 1,200 entries, of which four bundles are whole.
        assert_eq!(
            planned(&log, &clock, 90 * DAY),
            Plan::Prune { before: 1_024 }
        );
        assert_eq!(log.journal.prune_entries(1_024).unwrap(), 1_024);
        assert_eq!(planned(&log, &clock, 90 * DAY), Plan::Nothing);
        clock.advance(3 * DAY);
        let next = planned(&log, &clock, 90 * DAY);
        assert_eq!(next, Plan::Prune { before: 1_536 });
        assert_eq!(planned(&log, &clock, 200 * DAY), Plan::Nothing);
    }

    #[test]
    fn the_newest_entries_stay_even_for_the_shortest_retention() {
        let clock = ManualClock::noon();
        let log = log(&clock, &[(10 * DAY, 30)]);
        let Plan::Prune { before } = planned(&log, &clock, DAY) else {
            panic!("nothing is pruned");
        };
        assert!(
            before <= 9 * 24 * 30 && before + 256 > 9 * 24 * 30,
            "{before}"
        );
    }

    #[test]
    fn a_clock_that_jumped_prunes_nothing() {
        let clock = ManualClock::noon();
        let log = log(&clock, &[(100 * DAY, 5)]);
        clock.advance(3_000 * DAY);
        assert_eq!(doubted(planned(&log, &clock, 90 * DAY)), Some(Off::Ahead));
        // The gate goes on writing by the wrong clock: that alone does not make it right.
        let _ = log.journal.append(&dated(&clock), None).unwrap();
        clock.advance(HOUR);
        let _ = log.journal.append(&dated(&clock), None).unwrap();
        log.journal.checkpoint_now().unwrap();
        assert_eq!(doubted(planned(&log, &clock, 90 * DAY)), Some(Off::Jumped));
        // Set right again, it is behind what was written meanwhile.
        clock.turn_back(3_000 * DAY);
        assert_eq!(doubted(planned(&log, &clock, 90 * DAY)), Some(Off::Behind));
        assert_eq!(log.journal.oldest(), 0);
    }

    #[test]
    fn after_a_long_pause_pruning_goes_on_a_day_later() {
        let clock = ManualClock::noon();
        let log = log(&clock, &[(100 * DAY, 5), (30 * DAY, 0), (DAY / 2, 5)]);
        assert_eq!(doubted(planned(&log, &clock, 90 * DAY)), Some(Off::Jumped));
        clock.advance(DAY);
        assert!(matches!(
            planned(&log, &clock, 90 * DAY),
            Plan::Prune { .. }
        ));
    }

    #[test]
    fn an_empty_log_and_a_log_without_times_are_left_alone() {
        let clock = ManualClock::noon();
        assert_eq!(planned(&log_of(&[]), &clock, DAY), Plan::Nothing);
        let log = log_of(&vec![b"no time".to_vec(); 600]);
        assert_eq!(log.journal.prunable(u64::MAX), 512);
        assert_eq!(planned(&log, &clock, DAY), Plan::Nothing);
    }

    #[test]
    fn doubts_say_what_to_do() {
        for kind in [Off::Behind, Off::Ahead, Off::Jumped] {
            let doubt = Doubt {
                kind,
                by_ms: 40 * DAY_MS,
                steady_ms: DAY_MS,
            };
            let said = doubt.to_string();
            assert!(said.contains("40d") && said.contains("hint: "), "{said}");
        }
    }
}
