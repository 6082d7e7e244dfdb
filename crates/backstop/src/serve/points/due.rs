//! When the next point of a target is to be taken. By the clock, and by how long this process has run: a clock that
//! was moved brings at most one point early, and never none at all.

use std::time::{Duration, Instant};

use backstop_store::State;
use backstop_vault::points::schedule::{self, Known};

/// How long after a first failure it is tried again; twice as long after each further one.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest between two tries.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What this process did for a target.
pub(super) struct Plan {
    since: Instant,
    took: Option<Instant>,
    failures: u32,
    tried: Option<Instant>,
}

impl Plan {
    /// Nothing yet, by a process that began then.
    pub(super) fn new(since: Instant) -> Self {
        Self {
            since,
            took: None,
            failures: 0,
            tried: None,
        }
    }

    pub(super) fn took(&mut self) {
        self.took = Some(Instant::now());
        self.failures = 0;
    }

    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.tried = Some(Instant::now());
    }

    /// How long until the next is due; zero if it is.
    pub(super) fn left(
        &self,
        state: &State,
        target: &str,
        every: Duration,
        now_ms: i64,
    ) -> Duration {
        if let (1.., Some(tried)) = (self.failures, self.tried) {
            return again(self.failures, every).saturating_sub(tried.elapsed());
        }
        let ran = self.took.unwrap_or(self.since).elapsed();
        let taken = state.points.get(target).map(super::pins::known);
        left(
            &taken.unwrap_or_default(),
            every,
            now_ms,
            ran,
            self.took.is_some(),
        )
    }
}

/// `ran` is how long ago this process took one, if `took`, or else began.
fn left(points: &[Known], every: Duration, now_ms: i64, ran: Duration, took: bool) -> Duration {
    let by_run = every.saturating_sub(ran);
    if took && ran < every / 2 {
        // One was taken just now, whatever the clock says.
        return by_run;
    }
    let due_ms = schedule::next_due(points, every, now_ms);
    let by_clock = Duration::from_millis(due_ms.saturating_sub(now_ms).max(0).unsigned_abs());
    by_clock.min(by_run)
}

fn again(failures: u32, every: Duration) -> Duration {
    let doubled = 1_u32
        .checked_shl(failures.saturating_sub(1).min(20))
        .unwrap_or(u32::MAX);
    AGAIN
        .saturating_mul(doubled)
        .min(LONGEST)
        .min(every.max(AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const DAY_MS: i64 = 86_400_000;
    const HOUR: Duration = Duration::from_secs(3_600);

    fn taken(days: &[i64]) -> Vec<Known> {
        days.iter()
            .map(|day| Known {
                name: day.to_string(),
                taken_at_ms: day * DAY_MS,
                alarmed: false,
                drilled: false,
            })
            .collect()
    }

    #[test]
    fn the_first_and_the_overdue_are_due_at_once_and_others_in_their_time() {
        assert!(left(&[], DAY, 5, Duration::ZERO, false).is_zero());
        assert!(left(&taken(&[3]), DAY, 5 * DAY_MS, Duration::ZERO, false).is_zero());
        let half = 3 * DAY_MS + DAY_MS / 2;
        assert_eq!(
            left(&taken(&[2, 3]), DAY, half, Duration::ZERO, false),
            DAY / 2
        );
        assert_eq!(
            left(&taken(&[3]), DAY, 3 * DAY_MS, Duration::ZERO, true),
            DAY
        );
    }

    #[test]
    fn a_moved_clock_brings_one_early_and_never_none() {
        // A year ahead: once, and then not before its time.
        let ahead = 400 * DAY_MS;
        assert!(left(&taken(&[3]), DAY, ahead, 20 * HOUR, true).is_zero());
        assert_eq!(left(&taken(&[3, 400]), DAY, ahead, HOUR, true), 23 * HOUR);
        // A clock that stands still, or was set back behind the last point: the process's own time counts.
        assert!(left(&taken(&[400]), DAY, 400 * DAY_MS, DAY, false).is_zero());
        assert_eq!(left(&taken(&[400]), DAY, 3 * DAY_MS, HOUR, true), 23 * HOUR);
        assert!(left(&taken(&[400]), DAY, 3 * DAY_MS, DAY, true).is_zero());
    }

    #[test]
    fn failures_are_tried_again_later_each_time() {
        let seconds: Vec<u64> = (1..=12).map(|n| again(n, DAY).as_secs()).collect();
        assert_eq!(
            seconds,
            [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        );
        assert_eq!(again(u32::MAX, DAY), LONGEST);
        assert_eq!(again(30, Duration::from_secs(60)).as_secs(), 60);
    }
}
