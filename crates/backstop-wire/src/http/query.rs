//! Pairs of names and values, as they stand in a query and in a form.
//!
//! A plain `;` is refused: older Python and Ruby servers split there, most keep it, and Go drops the whole pair, so
//! that `dryRun=All;` is a dry run for one server and the real thing for another.

use super::Refused;
use super::percent::{self, Plus};
use super::refuse::refused;

/// More pairs than this are refused: servers stop reading at 1,000 or somewhat above, and say nothing.
const PAIRS: usize = 10_000;

/// The pairs of a query, which is what stands behind the first `?`.
pub(super) fn of_target(query: &str) -> Result<Vec<(String, String)>, Refused> {
    if query.contains('#') {
        return Err(refused(
            "the query has a fragment",
            "leave out `#` and what follows, or write `%23`",
        ));
    }
    if query.chars().any(|c| c == ' ' || c.is_control()) {
        return Err(refused(
            "the query has a space or a control character",
            "encode a space as `%20` and leave out the others",
        ));
    }
    pairs(query.as_bytes(), "the query")
}

/// The pairs in `text`; `place` is what a refusal calls it.
pub(super) fn pairs(text: &[u8], place: &str) -> Result<Vec<(String, String)>, Refused> {
    if text.contains(&b';') {
        return Err(refused(
            format!(
                "{place} has a `;`, which servers read as a separator, as itself, or not at all"
            ),
            "write `%3B` where it is part of a value, and `&` between pairs",
        ));
    }
    let mut pairs = Vec::new();
    for piece in text.split(|&byte| byte == b'&') {
        if piece.is_empty() {
            continue;
        }
        if pairs.len() == PAIRS {
            return Err(refused(
                format!("{place} has more than {PAIRS} pairs"),
                "send fewer at a time",
            ));
        }
        pairs.push(pair(piece, place)?);
    }
    Ok(pairs)
}

fn pair(piece: &[u8], place: &str) -> Result<(String, String), Refused> {
    let mut sides = piece.splitn(2, |&byte| byte == b'=');
    let name = decode(sides.next().unwrap_or_default(), place)?;
    let value = decode(sides.next().unwrap_or_default(), place)?;
    Ok((name, value))
}

fn decode(text: &[u8], place: &str) -> Result<String, Refused> {
    let text = percent::decode(text, Plus::Space).map_err(|wrong| {
        refused(
            format!("{place} {}", wrong.fragment()),
            "encode the UTF-8 bytes of each value with `%` and two hexadecimal digits; a percent sign is `%25`",
        )
    })?;
    // Servers written in C end the text there.
    if text.contains('\0') {
        return Err(refused(format!("{place} has a NUL"), "leave it out"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_order() {
        for (query, expected) in [
            ("", &[][..]),
            ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
            ("acl", &[("acl", "")]),
            ("a=b=c&&d=", &[("a", "b=c"), ("d", "")]),
            ("q=a+b%20c%2Bd", &[("q", "a b c+d")]),
            ("%61=%C3%BC", &[("a", "ü")]),
            (
                "u=https%3A%2F%2Fx%2F%3Fa%3D%2525",
                &[("u", "https://x/?a=%25")],
            ),
            ("t=a%0Ab", &[("t", "a\nb")]),
            ("f[a]=1&s=a%3Bb", &[("f[a]", "1"), ("s", "a;b")]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(of_target(query).ok(), Some(expected), "{query}");
        }
    }

    #[test]
    fn queries_that_servers_read_differently() {
        for query in [
            "a=1;b=2",
            "dryRun=All;",
            "a=%",
            "a=%zz",
            "a=%ff",
            "%c0%ae=1",
            "a=1#b",
            "a b",
            "a=%00",
            "a\n",
        ] {
            assert!(of_target(query).is_err(), "{query}");
        }
        let many = "a&".repeat(PAIRS + 1);
        assert!(of_target(&many).is_err());
    }
}
