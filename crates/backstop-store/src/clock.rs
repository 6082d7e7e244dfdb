//! Time for the store: wall-clock time that never runs backwards.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the store takes the time from.
pub trait Clock: Send + Sync {
    /// Unix time in milliseconds.
    fn now_ms(&self) -> i64;

    /// Tells the clock of a moment that has certainly passed: the last entry of the journal.
    fn at_least(&self, _ms: i64) {}
}

/// The system's clock, held up by the monotonic one: when somebody sets the wall clock back, leases and
/// approvals go on ageing, and when it is set forward, they expire (invariant 7).
pub struct SystemClock {
    mark: Mutex<(i64, Instant)>,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            mark: Mutex::new((wall_ms(), Instant::now())),
        }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = i64::try_from(mark.1.elapsed().as_millis()).unwrap_or(i64::MAX);
        let aged = mark.0.saturating_add(elapsed);
        let wall = wall_ms();
        if wall > aged {
            *mark = (wall, Instant::now());
        }
        wall.max(aged)
    }

    fn at_least(&self, ms: i64) {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if ms > mark.0 {
            *mark = (ms, Instant::now());
        }
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_runs_backwards() {
        let clock = SystemClock::default();
        let future = clock.now_ms() + 1_000_000;
        clock.at_least(future);
        assert!(clock.now_ms() >= future);
    }
}
