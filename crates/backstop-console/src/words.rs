//! Times, counts and states in the words that a person reads.

use backstop_core::effect::Bound;
use backstop_core::hold::HoldState;
use backstop_core::lease::{LeaseRecord, LeaseState};
use time::OffsetDateTime;
use time::macros::format_description;

/// A moment, for the page and for `<time datetime>`.
pub(crate) struct Moment {
    pub(crate) machine: String,
    pub(crate) text: String,
    pub(crate) distance: String,
}

/// `at_ms` as seen at `now_ms`.
pub(crate) fn moment(at_ms: i64, now_ms: i64) -> Moment {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let text = at
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_else(|| "at no known time".to_owned());
    let machine = text.replacen(' ', "T", 1) + "Z";
    Moment {
        machine,
        text: text + " UTC",
        distance: distance(at_ms, now_ms),
    }
}

/// `4 min ago`, `in 2 h 5 min`.
fn distance(at_ms: i64, now_ms: i64) -> String {
    let apart = at_ms.saturating_sub(now_ms);
    let length = span(apart.saturating_abs());
    match apart {
        -999..=999 => "now".to_owned(),
        a if a < 0 => format!("{length} ago"),
        _ => format!("in {length}"),
    }
}

/// A length of time in its two largest units.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..=86_399 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How many an effect can touch, of what is called `one`, and several of them with an `s`: rows of a database, objects of
/// an API.
pub(crate) fn touched(bound: Bound, one: &str) -> String {
    match bound {
        Bound::Structure => "structure".to_owned(),
        Bound::Rows(1) => format!("at most 1 {one}"),
        Bound::Rows(n) => format!("at most {} {one}s", thousands(n)),
        Bound::Unbounded => format!("any number of {one}s"),
    }
}

/// A size in the unit that gives it one to three digits before the point.
pub(crate) fn bytes(n: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| n >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (u128::from(n) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{n} bytes"),
    }
}

pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What became of a hold, in one sentence.
pub(crate) fn outcome(state: &HoldState, name: impl Fn(&str) -> String, now_ms: i64) -> String {
    let at = |ms: i64| distance(ms, now_ms);
    match state {
        HoldState::Waiting { yes } if yes.is_empty() => "nobody has decided yet".to_owned(),
        HoldState::Waiting { yes } => {
            let names: Vec<String> = yes.iter().map(|y| name(&y.person)).collect();
            format!("approved by {}; it needs more people", names.join(", "))
        }
        HoldState::Approved {
            yes,
            from_ms,
            until_ms,
        } => {
            let names: Vec<String> = yes.iter().map(|y| name(&y.person)).collect();
            let wait = if *from_ms > now_ms {
                format!("; counts {}", at(*from_ms))
            } else {
                String::new()
            };
            format!(
                "approved by {}{wait}; not done yet, good for another {}",
                names.join(", "),
                span(until_ms - now_ms)
            )
        }
        HoldState::Denied { person, at_ms, .. } => {
            format!("denied by {} {}", name(person), at(*at_ms))
        }
        HoldState::Withdrawn { why, at_ms } => format!("taken back {}: {why}", at(*at_ms)),
        HoldState::Expired { at_ms } => format!("ran out {}", at(*at_ms)),
        HoldState::Consumed { at_ms } => format!("approved, and released once, {}", at(*at_ms)),
    }
}

/// A lease's standing: its word, and why.
pub(crate) fn standing(record: &LeaseRecord, now_ms: i64) -> (&'static str, String) {
    match &record.state {
        LeaseState::Active if now_ms < record.lease.expires_ms => ("active", String::new()),
        LeaseState::Active => ("ended", "expired".to_owned()),
        LeaseState::Halted {
            why, reads: true, ..
        } => ("halted", format!("{why}; reads still pass")),
        LeaseState::Halted { why, .. } => ("halted", why.clone()),
        LeaseState::Ended { why, .. } => ("ended", why.clone()),
    }
}

/// `YYYY-MM-DDTHH:MM` of a form, as Unix milliseconds in UTC.
pub(crate) fn parse_minute(text: &str) -> Option<i64> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let at = time::PrimitiveDateTime::parse(text, format).ok()?;
    at.assume_utc().unix_timestamp().checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (ms, text) in [
            (0, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (61_000, "1 min 1 s"),
            (7_500_000, "2 h 5 min"),
            (90_000_000, "1 d 1 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn moments_are_utc_and_relative() {
        let m = moment(1_700_000_000_000, 1_700_000_240_000);
        assert_eq!(
            (m.text.as_str(), m.distance.as_str()),
            ("2023-11-14 22:13:20 UTC", "4 min ago")
        );
        assert_eq!(m.machine, "2023-11-14T22:13:20Z");
        assert_eq!(moment(2_000, 0).distance, "in 2 s");
    }

    #[test]
    fn rows_are_readable() {
        assert_eq!(
            touched(Bound::Rows(1_234_567), "row"),
            "at most 1,234,567 rows"
        );
        assert_eq!(touched(Bound::Rows(100), "row"), "at most 100 rows");
        assert_eq!(touched(Bound::Rows(1), "object"), "at most 1 object");
        assert_eq!(touched(Bound::Unbounded, "object"), "any number of objects");
    }

    #[test]
    fn form_times_are_read_as_utc() {
        assert_eq!(parse_minute("2023-11-14T22:13"), Some(1_699_999_980_000));
        assert_eq!(parse_minute("yesterday"), None);
    }
}
