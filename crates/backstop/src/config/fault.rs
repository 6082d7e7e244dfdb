//! A mistake in the configuration file: where it is, what it is, and what would be right.

use std::ops::Range;
use std::path::Path;

use crate::failure::Failure;

/// A mistake at a place in the file.
pub(super) fn at(path: &Path, text: &str, span: Range<usize>, what: &str, right: &str) -> Failure {
    let (line, column) = position(text, span.start);
    Failure::usage(format!(
        "`{}` line {line} column {column}: {what}",
        path.display()
    ))
    .hint(right)
}

/// A mistake that the TOML reader found: syntax, an unknown key, a wrong type.
pub(crate) fn of_toml(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let span = error.span().unwrap_or(0..0);
    let (what, right) = explain(error.message());
    at(path, text, span, &what, &right)
}

fn explain(message: &str) -> (String, String) {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(rest);
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return (
            format!("the key {rest} is missing"),
            format!("add {rest} = …; docs/configuration.md lists every key"),
        );
    }
    if let Some((what, hint)) = message.split_once("; hint: ") {
        return (what.to_owned(), hint.to_owned());
    }
    if let Some((what, expected)) = message.split_once(", expected ") {
        return (
            what.to_owned(),
            format!("write {}; the file is TOML", kind(expected)),
        );
    }
    (
        message.replace('\n', ", "),
        "the file is TOML; docs/configuration.md has a commented example".to_owned(),
    )
}

/// What the reader expected, without the names of Rust's types.
fn kind(expected: &str) -> &str {
    match expected {
        "usize" | "u8" | "u16" | "u32" | "u64" | "i32" | "i64" => "a number without quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list, as in [\"a\", \"b\"]",
        other => other,
    }
}

/// `rest` is "`pasue`, expected one of `listen`, `pause`" or "…, expected `x`", or "…, there are no fields".
fn unknown_key(rest: &str) -> (String, String) {
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let key = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let what = format!("there is no key `{key}` here");
    let nearest = known.iter().map(|k| (distance(key, k), k)).min();
    let right = match nearest {
        Some((d, k)) if d <= 2 => format!("did you mean `{k}`?"),
        _ if known.is_empty() => "remove it".to_owned(),
        _ => format!("the keys here are {}", known.join(", ")),
    };
    (what, right)
}

/// How many letters have to change.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let before = |at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let same = before(j) + usize::from(x != *y);
            let left = next.last().copied().unwrap_or(0) + 1;
            next.push(same.min(before(j + 1) + 1).min(left));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_small_for_slips() {
        assert_eq!(distance("pasue", "pause"), 2);
        assert_eq!(distance("listne", "listen"), 2);
        assert_eq!(distance("same", "same"), 0);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn positions_count_from_one() {
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("", 0), (1, 1));
    }
}
