//! Slowing down whoever presents wrong credentials, by where they come from.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const FORGET: Duration = Duration::from_secs(600);
const SLOWEST: Duration = Duration::from_secs(10);
const MOST: usize = 10_000;

/// Wrong credentials by source. Right ones are never slowed: nobody can lock others out.
#[derive(Default)]
pub(crate) struct Failures {
    recent: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Failures {
    /// Counts one, and says how long to wait before telling.
    pub(crate) fn count(&self, source: &str) -> Duration {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MOST {
            recent.retain(|_, (_, at)| at.elapsed() < FORGET);
        }
        let entry = recent
            .entry(host(source).to_owned())
            .or_insert((0, Instant::now()));
        if entry.1.elapsed() >= FORGET {
            entry.0 = 0;
        }
        *entry = (entry.0.saturating_add(1), Instant::now());
        let delay =
            Duration::from_millis(250).saturating_mul(1 << entry.0.min(6).saturating_sub(1));
        delay.min(SLOWEST)
    }

    /// A right credential came from there.
    pub(crate) fn forgive(&self, source: &str) {
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(host(source));
    }
}

/// The source without its port.
pub(crate) fn host(source: &str) -> &str {
    if source.starts_with("unix:") {
        // The number after it is a user, not a port.
        return source;
    }
    source.rsplit_once(':').map_or(source, |(host, _)| host)
}
