//! What providers answer is others' words: short, and nothing in it drives a terminal.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long a name from elsewhere may be, in characters.
const LONGEST: usize = 120;

/// A name or message from elsewhere as it may be shown.
pub(crate) fn word(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(LONGEST)
        .map(|c| match c {
            c if c.is_control() => ' ',
            // What turns the direction of text, or cannot be seen.
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => ' ',
            c => c,
        })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// `1 bucket`, `2 buckets`.
pub(crate) fn count(n: usize, one: &str) -> String {
    match (n, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (n, Some(stem)) => format!("{n} {stem}ies"),
        (n, None) => format!("{n} {one}s"),
    }
}

/// A moment as AWS, Kubernetes and Railway write it.
pub(crate) fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// A moment in seconds since 1970, with fractions.
pub(crate) fn seconds(value: Option<&serde_json::Value>) -> Option<OffsetDateTime> {
    let value = value?.as_f64()?;
    if !(0.0..1e12).contains(&value) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    OffsetDateTime::from_unix_timestamp(value as i64).ok()
}

/// A moment as reports write it.
pub(crate) fn stamp(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// `9 hours`, `3 days`.
pub(crate) fn age(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let minutes = usize::try_from((now - at).whole_minutes()).unwrap_or(0);
    match minutes {
        0..=119 => count(minutes, "minute"),
        120..=2879 => count(minutes / 60, "hour"),
        _ => count(minutes / 1440, "day"),
    }
}

/// `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}
