//! Moments and spans for people: `2026-04-25 13:07:09Z`, `in 12m`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
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

/// A moment to the millisecond, in UTC.
pub fn exact(ms: i64) -> String {
    let format =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|t| t.format(&format).ok())
        .unwrap_or_else(|| format!("{ms} ms"))
}

/// A moment as people name one: `2h` ago, or `2026-04-25 13:07:09Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Span),
    /// Unix time in milliseconds.
    At(i64),
}

impl Moment {
    /// Unix time in milliseconds, if it is `now_ms` now.
    pub fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Ago(span) => now_ms.saturating_sub(span.millis()),
            Self::At(ms) => ms,
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(span) = text.parse() {
            return Ok(Self::Ago(span));
        }
        let stamp = text.trim().replacen(' ', "T", 1);
        let at = OffsetDateTime::parse(&stamp, &Rfc3339).map_err(|_| {
            format!("`{text}` is no moment; hint: write `2h` for two hours ago, or `2026-04-25 13:07:09Z`")
        })?;
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000)
            .map(Self::At)
            .map_err(|_| {
                format!("`{text}` is out of all reach; hint: write `2h` for two hours ago")
            })
    }
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
        assert_eq!(exact(1_777_122_429_007), "2026-04-25 13:07:09.007Z");
        assert_eq!(from_now(90_000, 0), "in 1m30s");
        assert_eq!(from_now(0, 7_262_000), "2h1m ago");
        assert_eq!(from_now(0, 500), "now");
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        for (text, ms) in [
            ("2026-04-25 13:07:09Z", 1_777_122_429_000),
            ("2026-04-25T15:07:09.007+02:00", 1_777_122_429_007),
            ("90m", 1_777_122_429_000 - 5_400_000),
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(moment.ms(1_777_122_429_000), ms, "{text}");
        }
        for text in ["yesterday", "2026-04-25", ""] {
            assert!(
                text.parse::<Moment>().unwrap_err().contains("hint:"),
                "{text}"
            );
        }
    }
}
