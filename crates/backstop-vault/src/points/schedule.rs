//! When the next recovery point is due, and which points to keep longer than the others. Pure functions of times.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A stored point, as far as keeping it is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name in the vault.
    pub name: String,
    /// When it was taken, in milliseconds since 1970.
    pub taken_at_ms: i64,
    /// Whether it raised an alarm.
    pub alarmed: bool,
    /// Whether it was drilled and all came back.
    pub drilled: bool,
}

/// When the next point is due, in milliseconds since 1970: `every` after the last that is known, at once if
/// there is none or if the last lies in the future.
#[must_use]
pub fn next_due(points: &[Known], every: Duration, now_ms: i64) -> i64 {
    let last = points.iter().map(|point| point.taken_at_ms).max();
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
    match last {
        Some(last) if last <= now_ms => last.saturating_add(every),
        _ => now_ms,
    }
}

/// The names of those to be kept longer: while an alarm stands the last good one before it, the newest that
/// was drilled, and the first of each month.
#[must_use]
pub fn pinned(points: &[Known]) -> Vec<&str> {
    let mut ordered: Vec<&Known> = points.iter().collect();
    ordered.sort_by_key(|point| point.taken_at_ms);
    let mut pinned: Vec<&Known> = Vec::new();
    // All that came after the first alarm may be of the damage, though it looks usual beside it.
    if let Some(first) = ordered.iter().position(|point| point.alarmed) {
        let good = ordered.iter().take(first).rev();
        pinned.extend(good.clone().take(1));
        pinned.extend(good.filter(|point| point.drilled).take(1));
    }
    pinned.extend(ordered.iter().rev().filter(|point| point.drilled).take(1));
    let mut last_month = None;
    for point in &ordered {
        let month = month(point.taken_at_ms);
        if !point.alarmed && last_month != Some(month) {
            last_month = Some(month);
            pinned.push(point);
        }
    }
    pinned.sort_by_key(|point| point.taken_at_ms);
    pinned.dedup_by_key(|point| &point.name);
    pinned.iter().map(|point| point.name.as_str()).collect()
}

/// Until when a point should be kept at least, in milliseconds since 1970: a year if it is pinned, else as
/// long as `usual`.
#[must_use]
pub fn keep_until(point: &Known, is_pinned: bool, usual: Duration) -> i64 {
    const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    let span = if is_pinned { usual.max(YEAR) } else { usual };
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    point.taken_at_ms.saturating_add(span)
}

/// Year and month of a moment, in UTC (days to civil dates as in Hinnant's `chrono` algorithms).
fn month(at_ms: i64) -> (i64, i64) {
    let days = at_ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (era * 400 + year + i64::from(month <= 2), month)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn point(name: &str, day: i64) -> Known {
        Known {
            name: name.to_owned(),
            taken_at_ms: day * DAY,
            alarmed: false,
            drilled: false,
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        assert_eq!(month(0), (1970, 1));
        assert_eq!(month(-1), (1969, 12));
        // 2024-02-29 and the day after.
        assert_eq!(month(19_782 * DAY), (2024, 2));
        assert_eq!(month(19_783 * DAY), (2024, 3));
        assert_eq!(month(20_782 * DAY), (2026, 11));
    }

    #[test]
    fn a_point_is_due_after_the_last_and_at_once_without_one() {
        let every = Duration::from_secs(24 * 60 * 60);
        assert_eq!(next_due(&[], every, 5), 5);
        assert_eq!(
            next_due(&[point("a", 3), point("b", 2)], every, 3 * DAY + 1),
            4 * DAY
        );
        // The clock went back: it is not waited for.
        assert_eq!(next_due(&[point("a", 30)], every, DAY), DAY);
    }

    #[test]
    fn the_last_good_one_and_one_a_month_stay() {
        let mut points: Vec<Known> = [
            ("a", 0),
            ("b", 10),
            ("c", 31),
            ("d", 40),
            ("e", 41),
            ("f", 42),
        ]
        .map(|(name, day)| point(name, day))
        .into();
        points[1].drilled = true;
        assert_eq!(pinned(&points), ["a", "b", "c"]);
        points[4].alarmed = true;
        points[5].drilled = true;
        points.reverse();
        assert_eq!(pinned(&points), ["a", "b", "c", "d", "f"]);
        assert_eq!(pinned(&[]), Vec::<&str>::new());
    }

    #[test]
    fn what_is_pinned_is_kept_at_least_a_year() {
        let month = Duration::from_secs(30 * 24 * 60 * 60);
        assert_eq!(keep_until(&point("a", 1), false, month), 31 * DAY);
        assert_eq!(keep_until(&point("a", 1), true, month), 367 * DAY);
    }
}
