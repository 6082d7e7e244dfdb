//! Denials of late, by lease.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long one counts, in milliseconds.
const WINDOW_MS: i64 = 600_000;

/// Counts them.
#[derive(Default)]
pub(crate) struct Denials {
    recent: Mutex<HashMap<String, Vec<i64>>>,
}

impl Denials {
    /// Counts one; tells how many there were within ten minutes.
    pub(crate) fn count(&self, lease: &str, now_ms: i64) -> usize {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, at| at.last().is_some_and(|last| now_ms - last < WINDOW_MS));
        let mine = recent.entry(lease.to_owned()).or_default();
        mine.retain(|at| now_ms - at < WINDOW_MS);
        mine.push(now_ms);
        mine.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Denials;

    #[test]
    fn they_count_for_ten_minutes_and_by_lease() {
        let denials = Denials::default();
        assert_eq!(denials.count("a", 0), 1);
        assert_eq!(denials.count("a", 599_999), 2);
        assert_eq!(denials.count("b", 599_999), 1);
        assert_eq!(denials.count("a", 600_000), 2);
        assert_eq!(denials.count("a", 2_000_000), 1);
    }
}
