//! A clock that stands still until a test moves it.
//!
//! It must not read the real time after it was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock under a test's control; clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    milliseconds: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows some milliseconds since the Unix epoch.
    pub fn at_unix_millis(milliseconds: i64) -> Self {
        Self {
            milliseconds: Arc::new(AtomicI64::new(milliseconds)),
        }
    }

    /// A clock that shows noon, UTC, on 1 June 2026.
    pub fn noon() -> Self {
        Self::at_unix_millis(1_780_315_200_000)
    }

    /// Milliseconds since the Unix epoch.
    pub fn unix_millis(&self) -> i64 {
        self.milliseconds.load(Ordering::SeqCst)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub fn unix_seconds(&self) -> i64 {
        self.unix_millis().div_euclid(1_000)
    }

    /// The time as the standard library has it.
    pub fn now(&self) -> SystemTime {
        let distance = Duration::from_millis(self.unix_millis().unsigned_abs());
        if self.unix_millis() < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        }
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.milliseconds
            .fetch_add(whole_millis(by), Ordering::SeqCst);
    }

    /// Moves it back, as a machine's clock does when somebody sets it.
    pub fn turn_back(&self, by: Duration) {
        self.milliseconds
            .fetch_sub(whole_millis(by), Ordering::SeqCst);
    }
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time_and_it_stands_still() {
        let clock = ManualClock::noon();
        let other = clock.clone();
        clock.advance(Duration::from_secs(90));
        assert_eq!(other.unix_millis(), 1_780_315_200_000 + 90_000);
        other.turn_back(Duration::from_secs(100));
        assert_eq!(clock.unix_seconds(), 1_780_315_200 - 10);
        assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(1_780_315_190));
    }
}
