//! Variables of a `.env` file, by where they stand: only the bytes of a value are ever replaced.
//!
//! Must not interpret: what one reader takes for a value and another does not is found out by its quoting alone.

use std::ops::Range;

/// A variable that is assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// Where its value stands, without quotes.
    pub(super) value: Range<usize>,
    /// The quote around it.
    pub(super) quote: Option<u8>,
    /// Everything from the start of its line to the end of the line that its value ends in, the line's end included.
    pub(super) whole: Range<usize>,
    /// What stands before the name: spaces and `export`.
    pub(super) lead: Range<usize>,
}

impl Variable {
    /// Its value in `text`.
    pub(super) fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.value.clone()).unwrap_or_default()
    }

    /// Whether a shell reads it, as `export` tells.
    pub(super) fn is_exported(&self, text: &[u8]) -> bool {
        let lead = text.get(self.lead.clone()).unwrap_or_default();
        lead.trim_ascii() == b"export"
    }
}

/// Whether a file of this name is one of variables.
pub(super) fn is_named(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with(".env") || name.ends_with(".env") || name == "env" || name.ends_with(".sh")
}

/// Every variable that is assigned in `text`, in order. Lines of comment are none.
pub(super) fn variables(text: &[u8]) -> Vec<Variable> {
    let mut all = vec![];
    let mut at = if text.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    while at < text.len() {
        let end = line_end(text, at);
        match variable(text, at, end) {
            Some(found) => {
                at = found.whole.end;
                all.push(found);
            }
            None => at = end,
        }
    }
    all
}

/// Past the end of the line that `at` is in, its terminator included.
pub(super) fn line_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter()
        .position(|b| *b == b'\n')
        .map_or(text.len(), |n| at + n + 1)
}

/// Where the line that `at` is in begins.
pub(super) fn line_start(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |n| n + 1)
}

fn variable(text: &[u8], start: usize, end: usize) -> Option<Variable> {
    let peek = |at: usize| text.get(at).copied();
    let blank = |at: usize| peek(at).is_some_and(|b| b == b' ' || b == b'\t');
    let skip = |mut at: usize| {
        while at < end && blank(at) {
            at += 1;
        }
        at
    };
    let mut at = skip(start);
    if text.get(at..at + 6) == Some(b"export") && blank(at + 6) {
        at = skip(at + 6);
    }
    let lead = start..at;
    let name_start = at;
    while at < end && peek(at).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
    {
        at += 1;
    }
    let name = std::str::from_utf8(text.get(name_start..at)?).ok()?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    at = skip(at);
    if peek(at)? != b'=' {
        return None;
    }
    at = skip(at + 1);
    let quote = peek(at).filter(|b| at < end && matches!(b, b'"' | b'\'' | b'`'));
    let (value, whole_end) = match quote {
        Some(quote) => {
            let from = at + 1;
            let close = closing(text, from, quote)?;
            (from..close, line_end(text, close))
        }
        None => {
            let line = text.get(at..end)?;
            // A comment begins after a blank; a `#` inside a value is part of it.
            let comment = (0..line.len()).find(|&n| {
                line.get(n) == Some(&b'#')
                    && (n == 0 || matches!(line.get(n - 1), Some(b' ' | b'\t')))
            });
            let shown = line.get(..comment.unwrap_or(line.len()))?.trim_ascii_end();
            (at..at + shown.len(), end)
        }
    };
    Some(Variable {
        name: name.to_owned(),
        value,
        quote,
        whole: start..whole_end,
        lead,
    })
}

/// Where the quote closes; a backslash keeps one open but within single quotes.
fn closing(text: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if quote != b'\'' => at += 2,
            _ if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_bytes() {
        let text = b"\xef\xbb\xbf# A=1\r\nexport A = \"x # y\" # note\r\nB=a#b #c\n  C='it\\'\nD=\"one\ntwo\"\nE=\n9F=1\nno line\nG=`t`";
        let found: Vec<(String, String)> = variables(text)
            .iter()
            .map(|v| {
                (
                    v.name.clone(),
                    String::from_utf8_lossy(v.of(text)).into_owned(),
                )
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            found,
            [
                ("A", "x # y"),
                ("B", "a#b"),
                ("C", "it\\"),
                ("D", "one\ntwo"),
                ("E", ""),
                ("G", "t"),
            ]
        );
        let all = variables(text);
        assert!(all[0].is_exported(text) && !all[1].is_exported(text));
        assert!(text[all[0].whole.clone()].ends_with(b"# note\r\n"));
        assert!(text[all[3].whole.clone()].ends_with(b"two\"\n"));
    }

    #[test]
    fn any_bytes_end() {
        for text in [
            &b"A=\"x\\"[..],
            b"A=\"",
            b"export",
            b"=",
            b"A",
            b"\xff\xfe=1",
            b"A=\\",
        ] {
            let _ = variables(text);
        }
    }
}
