//! Sliding windows: how many rows a lease with its children, and all leases at a target, have changed lately.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How finely a window is kept: the oldest part goes as a whole.
const PARTS: i64 = 60;

/// The rows changed or deleted at one target.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    windows: Mutex<HashMap<String, Window>>,
    begun: AtomicU64,
}

#[derive(Debug, Default)]
struct Window {
    /// Tells it from the one before it, which a person has let go.
    number: u64,
    parts: VecDeque<(i64, u64)>,
    sum: u64,
}

/// The key for all leases together; no lease is called so.
const ALL: &str = "";

/// Rows that were counted before it is certain that they are committed. Dropped, they count no more.
#[must_use = "what is not kept is given back at once"]
#[derive(Debug)]
pub(crate) struct Reserved {
    budgets: Arc<Budgets>,
    lease: String,
    /// The number of the lease's window.
    window: u64,
    /// Where they were counted for the lease, and for all.
    parts: [i64; 2],
    rows: u64,
    /// What the window of the lease (the eldest of its line), and that of all leases, hold with these rows.
    pub(crate) sums: (u64, u64),
}

impl Budgets {
    /// Counts rows of a transaction that is to be judged, so that others who are judged meanwhile see them.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        lease: &str,
        rows: u64,
        now_ms: i64,
        window_ms: i64,
    ) -> Reserved {
        let part = part_of(now_ms, window_ms);
        let mut windows = self.windows();
        let mut add = |key: &str| {
            let window = windows.entry(key.to_owned()).or_insert_with(|| Window {
                number: self.begun.fetch_add(1, Ordering::Relaxed),
                ..Window::default()
            });
            window.let_go(now_ms, window_ms);
            let counted = window.add(part, rows);
            (window.sum, window.number, counted)
        };
        let (of_lease, of_all) = (add(lease), add(ALL));
        // A lease that has done nothing for a whole window needs no memory.
        if windows.len() > 4_096 {
            windows.retain(|_, window| {
                window.let_go(now_ms, window_ms);
                window.sum > 0
            });
        }
        drop(windows);
        Reserved {
            budgets: Arc::clone(self),
            lease: lease.to_owned(),
            window: of_lease.1,
            parts: [of_lease.2, of_all.2],
            rows,
            sums: (of_lease.0, of_all.0),
        }
    }

    /// What the windows of a lease (the eldest of its line) and of all leases hold now.
    pub(crate) fn spent(&self, lease: &str, now_ms: i64, window_ms: i64) -> (u64, u64) {
        let mut windows = self.windows();
        let mut of = |key: &str| {
            windows.get_mut(key).map_or(0, |window| {
                window.let_go(now_ms, window_ms);
                window.sum
            })
        };
        (of(lease), of(ALL))
    }

    /// A person has looked at what the lease did and let it go on: its window begins anew.
    pub(crate) fn renew(&self, lease: &str) {
        let mut windows = self.windows();
        if let Some(window) = windows.remove(lease)
            && let Some(all) = windows.get_mut(ALL)
        {
            all.forget(&window);
        }
    }

    /// The window has another length from now on: what was counted keeps its time.
    pub(crate) fn resize(&self, was_ms: i64, is_ms: i64) {
        if was_ms == is_ms {
            return;
        }
        let (was, is) = ((was_ms / PARTS).max(1), (is_ms / PARTS).max(1));
        for window in self.windows().values_mut() {
            let parts = std::mem::take(&mut window.parts);
            window.sum = 0;
            for (part, rows) in parts {
                // The latest moment that the part stands for: never forgotten too early.
                window.add((part * was + was - 1) / is, rows);
            }
        }
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved {
    /// How many they are.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// The rows are about to be committed.
    pub(crate) fn keep(mut self) {
        self.rows = 0;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.rows == 0 {
            return;
        }
        let mut windows = self.budgets.windows();
        // A window that a person has let go took these rows with it.
        if windows.get(&self.lease).map(|w| w.number) != Some(self.window) {
            return;
        }
        for (key, part) in [self.lease.as_str(), ALL].into_iter().zip(self.parts) {
            if let Some(window) = windows.get_mut(key) {
                window.take(part, self.rows);
            }
        }
    }
}

/// The part of a window that a moment falls into.
fn part_of(now_ms: i64, window_ms: i64) -> i64 {
    now_ms / (window_ms / PARTS).max(1)
}

impl Window {
    /// Counts rows, and says in which part.
    fn add(&mut self, part: i64, rows: u64) -> i64 {
        if rows == 0 {
            return part;
        }
        self.sum = self.sum.saturating_add(rows);
        match self.parts.back_mut() {
            // A clock that went back loses nothing.
            Some((last, sum)) if *last >= part => {
                *sum = sum.saturating_add(rows);
                *last
            }
            _ => {
                self.parts.push_back((part, rows));
                part
            }
        }
    }

    /// Takes rows back from the part that they were counted in.
    fn take(&mut self, part: i64, rows: u64) {
        if let Some((_, mine)) = self.parts.iter_mut().find(|(p, _)| *p == part) {
            let back = rows.min(*mine);
            *mine -= back;
            self.sum = self.sum.saturating_sub(back);
        }
    }

    fn let_go(&mut self, now_ms: i64, window_ms: i64) {
        let oldest = part_of(now_ms, window_ms) - PARTS;
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

    fn budgets() -> Arc<Budgets> {
        Arc::default()
    }

    fn spend(budgets: &Arc<Budgets>, lease: &str, rows: u64, now_ms: i64) {
        budgets.reserve(lease, rows, now_ms, HOUR).keep();
    }

    fn with(budgets: &Arc<Budgets>, lease: &str, rows: u64, now_ms: i64) -> (u64, u64) {
        budgets.reserve(lease, rows, now_ms, HOUR).sums
    }

    #[test]
    fn a_window_of_another_length_forgets_nothing_too_early() {
        for (was, is) in [(HOUR, 10 * HOUR), (HOUR, HOUR / 10), (HOUR, HOUR + 7)] {
            let budgets = budgets();
            let now = 1_000 * HOUR;
            spend(&budgets, "a", 5, now - HOUR / 20);
            spend(&budgets, "a", 6, now);
            budgets.resize(was, is);
            assert_eq!(
                budgets.reserve("a", 0, now, is).sums,
                (11, 11),
                "{was} {is}"
            );
            assert_eq!(
                budgets.reserve("a", 0, now + 2 * is + 2 * was, is).sums,
                (0, 0)
            );
        }
    }

    #[test]
    fn small_steps_add_up_and_old_ones_go() {
        let budgets = budgets();
        for n in 0..100 {
            spend(&budgets, "a", 1, n * 1_000);
        }
        spend(&budgets, "b", 50, 100_000);
        assert_eq!(with(&budgets, "a", 1, 100_000), (101, 151));
        assert_eq!(with(&budgets, "b", 0, 100_000), (50, 150));
        // A little more than a window later nothing of it counts.
        assert_eq!(with(&budgets, "a", 1, 2 * HOUR), (1, 1));
    }

    #[test]
    fn a_window_never_forgets_what_is_younger_than_itself() {
        let budgets = budgets();
        spend(&budgets, "a", 7, 59_999);
        assert_eq!(with(&budgets, "a", 0, 59_999 + HOUR - 1).0, 7);
    }

    #[test]
    fn what_a_person_has_looked_at_counts_no_more() {
        let budgets = budgets();
        spend(&budgets, "a", 7, 0);
        spend(&budgets, "b", 5, 0);
        budgets.renew("a");
        assert_eq!(with(&budgets, "a", 1, 0), (1, 6));
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let budgets = budgets();
        spend(&budgets, "a", 7, 10 * HOUR);
        spend(&budgets, "a", 7, 0);
        assert_eq!(with(&budgets, "a", 0, 10 * HOUR).0, 14);
    }

    #[test]
    fn who_is_judged_meanwhile_sees_what_is_not_committed_yet() {
        let budgets = budgets();
        let first = budgets.reserve("a", 60, 0, HOUR);
        assert_eq!(with(&budgets, "a", 60, 0), (120, 120));
        let second = budgets.reserve("a", 5, 1, HOUR);
        assert_eq!(second.sums, (65, 65));
        drop(first);
        assert_eq!(with(&budgets, "a", 60, 0), (65, 65));
        second.keep();
        assert_eq!(with(&budgets, "a", 0, 0), (5, 5));
        // What is given back after the window was renewed, or has passed, is not taken from others.
        let late = budgets.reserve("a", 3, 0, HOUR);
        let later = budgets.reserve("b", 3, 0, HOUR);
        budgets.renew("a");
        spend(&budgets, "a", 4, 0);
        drop(late);
        assert_eq!(with(&budgets, "a", 0, 0), (4, 7));
        spend(&budgets, "b", 4, 3 * HOUR);
        drop(later);
        assert_eq!(with(&budgets, "b", 0, 3 * HOUR), (4, 4));
    }
}
