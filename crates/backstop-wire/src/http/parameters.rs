//! `head; name=value; name="value"`, as `Content-Type` and `Content-Disposition` have it.
//!
//! Where readers differ there is no answer: a parameter twice, a backslash in quotes (an escape to some, a character
//! to others), quotes that do not end.

use super::token::{is_token, is_token_byte};

/// What was read: what stands before the first `;`, and the parameters with their names in lower case.
pub(super) struct Parameters<'a> {
    pub(super) head: &'a str,
    named: Vec<(String, &'a str)>,
}

impl<'a> Parameters<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (head, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let mut named: Vec<(String, &str)> = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                return Some(Self {
                    head: trim(head),
                    named,
                });
            }
            let (name, value, after) = parameter(rest)?;
            if named.iter().any(|(n, _)| *n == name) {
                return None;
            }
            named.push((name, value));
            rest = after;
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.named
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| *value)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }
}

/// The parameter that `text` begins with, and what follows it: nothing, or `;` and more.
fn parameter(text: &str) -> Option<(String, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    if !is_token(name) {
        return None;
    }
    let (value, after) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
    };
    let is_quoted = rest.starts_with('"');
    let value = if is_quoted { value } else { trim(value) };
    let is_whole = after.is_empty() || trim(after).is_empty() || trim(after).starts_with(';');
    let reads = if is_quoted {
        !value.contains('\\')
    } else {
        is_plain(value)
    };
    (is_whole && reads).then(|| (name.to_ascii_lowercase(), value, after))
}

/// A token, and some signs more than the standard has, since boundaries and types are often sent bare.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| is_token_byte(byte) || b"/:=?@()[]<>".contains(&byte))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read() {
        let read = Parameters::read(r#"form-data ; Name="a;b=c" ;filename=x.txt; x="";"#).unwrap();
        assert_eq!(read.head, "form-data");
        assert_eq!(read.get("name"), Some("a;b=c"));
        assert_eq!(read.get("filename"), Some("x.txt"));
        assert_eq!(read.get("x"), Some(""));
        let read = Parameters::read("multipart/form-data; boundary====12==").unwrap();
        assert_eq!(read.get("boundary"), Some("===12=="));
        assert!(Parameters::read("text/plain").is_some());
    }

    #[test]
    fn parameters_that_readers_take_differently() {
        for text in [
            "a; name",
            "a; =x",
            "a; n=",
            "a; n=1; N=2",
            "a; n=\"x",
            "a; n=\"x\"y",
            "a; n=\"x\\\"y\"",
            "a; n=x y",
            "a; n =x",
            "a; n= x y",
            "a; n=x,y",
            "a; n=x\"y",
            "a; n=x\\y",
            "a; ü=x",
            "a; n=ü",
        ] {
            assert!(Parameters::read(text).is_none(), "{text}");
        }
    }
}
