//! Moments and spans for people: `2026-04-25 13:07:09Z`, `in 12m`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::duration::Span;

/// Unix time in milliseconds, now.
pub fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment, in UTC.
pub fn stamp(ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .ok()
        .and_then(|t| t.format(&format).ok())
        .unwrap_or_else(|| format!("{ms} ms"))
}

/// How long until, or since, a moment.
pub fn from_now(ms: i64, now_ms: i64) -> String {
    let left = ms.saturating_sub(now_ms);
    let span = Span(Duration::from_secs(left.unsigned_abs() / 1000));
    if span.0.is_zero() {
        "now".to_owned()
    } else if left > 0 {
        format!("in {}", rough(span))
    } else {
        format!("{} ago", rough(span))
    }
}

/// Two units are enough for people.
fn rough(span: Span) -> Span {
    let seconds = span.seconds();
    let step = match seconds {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    Span(Duration::from_secs(seconds / step * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_well() {
        assert_eq!(stamp(1_777_122_429_000), "2026-04-25 13:07:09Z");
        assert_eq!(from_now(90_000, 0), "in 1m30s");
        assert_eq!(from_now(0, 7_262_000), "2h1m ago");
        assert_eq!(from_now(0, 500), "now");
    }
}
