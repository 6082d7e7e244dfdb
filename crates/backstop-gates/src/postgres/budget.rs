//! Sliding windows: how many rows a lease with its children, and all leases at a target, have changed lately.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How finely a window is kept: the oldest part goes as a whole.
const PARTS: i64 = 60;

/// The rows changed or deleted at one target.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    windows: Mutex<HashMap<String, Window>>,
}

#[derive(Debug, Default)]
struct Window {
    parts: VecDeque<(i64, u64)>,
    sum: u64,
}

/// The key for all leases together; no lease is called so.
const ALL: &str = "";

impl Budgets {
    /// What the window of `lease` (the eldest of its line), and that of all leases, would hold with `rows` more.
    pub(crate) fn with(&self, lease: &str, rows: u64, now_ms: i64, window_ms: i64) -> (u64, u64) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = |key: &str| {
            let window = windows.entry(key.to_owned()).or_default();
            window.let_go(now_ms, window_ms);
            window.sum.saturating_add(rows)
        };
        (sum(lease), sum(ALL))
    }

    /// Counts rows of a transaction that is about to be committed.
    pub(crate) fn spend(&self, lease: &str, rows: u64, now_ms: i64, window_ms: i64) {
        if rows == 0 {
            return;
        }
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        for key in [lease, ALL] {
            let window = windows.entry(key.to_owned()).or_default();
            window.let_go(now_ms, window_ms);
            window.add(now_ms / (window_ms / PARTS).max(1), rows);
        }
        // A lease that has done nothing for a whole window needs no memory.
        if windows.len() > 4_096 {
            windows.retain(|_, window| {
                window.let_go(now_ms, window_ms);
                window.sum > 0
            });
        }
    }

    /// A person has looked at what the lease did and let it go on: its window begins anew.
    pub(crate) fn renew(&self, lease: &str) {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.remove(lease)
            && let Some(all) = windows.get_mut(ALL)
        {
            all.forget(&window);
        }
    }
}

impl Window {
    fn add(&mut self, part: i64, rows: u64) {
        match self.parts.back_mut() {
            Some((last, sum)) if *last >= part => *sum = sum.saturating_add(rows),
            _ => self.parts.push_back((part, rows)),
        }
        self.sum = self.sum.saturating_add(rows);
    }

    fn let_go(&mut self, now_ms: i64, window_ms: i64) {
        let oldest = now_ms / (window_ms / PARTS).max(1) - PARTS;
        while let Some((part, rows)) = self.parts.front().copied()
            && part < oldest
        {
            self.parts.pop_front();
            self.sum = self.sum.saturating_sub(rows);
        }
    }

    fn forget(&mut self, other: &Self) {
        for (part, rows) in &other.parts {
            if let Some((_, mine)) = self.parts.iter_mut().find(|(p, _)| p == part) {
                *mine = mine.saturating_sub(*rows);
            }
        }
        self.parts.retain(|(_, rows)| *rows > 0);
        self.sum = self.parts.iter().map(|(_, rows)| rows).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn small_steps_add_up_and_old_ones_go() {
        let budgets = Budgets::default();
        for n in 0..100 {
            budgets.spend("a", 1, n * 1_000, HOUR);
        }
        budgets.spend("b", 50, 100_000, HOUR);
        assert_eq!(budgets.with("a", 1, 100_000, HOUR), (101, 151));
        assert_eq!(budgets.with("b", 0, 100_000, HOUR), (50, 150));
        // A little more than a window later nothing of it counts.
        assert_eq!(budgets.with("a", 1, 2 * HOUR, HOUR), (1, 1));
    }

    #[test]
    fn a_window_never_forgets_what_is_younger_than_itself() {
        let budgets = Budgets::default();
        budgets.spend("a", 7, 59_999, HOUR);
        assert_eq!(budgets.with("a", 0, 59_999 + HOUR - 1, HOUR).0, 7);
    }

    #[test]
    fn what_a_person_has_looked_at_counts_no_more() {
        let budgets = Budgets::default();
        budgets.spend("a", 7, 0, HOUR);
        budgets.spend("b", 5, 0, HOUR);
        budgets.renew("a");
        assert_eq!(budgets.with("a", 1, 0, HOUR), (1, 6));
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let budgets = Budgets::default();
        budgets.spend("a", 7, 10 * HOUR, HOUR);
        budgets.spend("a", 7, 0, HOUR);
        assert_eq!(budgets.with("a", 0, 10 * HOUR, HOUR).0, 14);
    }
}
