//! Spans of time as people write them: `45s`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A span of time, written as numbers with units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// Whole seconds.
    pub const fn seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// Whole milliseconds.
    pub fn millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut total = Duration::ZERO;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad(text));
        }
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .ok_or_else(|| bad(text))?;
            let (number, after) = rest.split_at_checked(digits).ok_or_else(|| bad(text))?;
            let letters = after
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(letters).ok_or_else(|| bad(text))?;
            let number: u64 = number.parse().map_err(|_| bad(text))?;
            let one = unit_of(unit).ok_or_else(|| bad(text))?;
            let part = u32::try_from(number).ok().and_then(|n| one.checked_mul(n));
            total = part
                .and_then(|p| total.checked_add(p))
                .ok_or_else(|| bad(text))?;
            rest = after.trim_start();
        }
        Ok(Self(total))
    }
}

fn unit_of(unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(1)),
        "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

fn bad(text: &str) -> String {
    format!(
        "`{text}` is not a time; hint: write a number with ms, s, m, h or d, as in `45s` or `1h30m`"
    )
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_secs();
        if left == 0 {
            return write!(f, "{}ms", self.0.subsec_millis());
        }
        for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
            if left >= size {
                write!(f, "{}{unit}", left / size)?;
                left %= size;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (text, seconds, printed) in [
            ("45s", 45, "45s"),
            ("1h30m", 5_400, "1h30m"),
            ("90m", 5_400, "1h30m"),
            ("2d 1h", 176_400, "2d1h"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(
                (span.seconds(), span.to_string().as_str()),
                (seconds, printed),
                "{text}"
            );
        }
        assert_eq!("250ms".parse::<Span>().unwrap().millis(), 250);
    }

    #[test]
    fn what_is_not_a_span_is_refused_with_a_hint() {
        for text in ["", "1", "h", "1x", "-1s", "99999999999d", "1h foo"] {
            assert!(
                text.parse::<Span>().unwrap_err().contains("hint:"),
                "{text}"
            );
        }
    }
}
