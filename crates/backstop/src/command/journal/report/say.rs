//! Sentences of the page: our own words, and what came from others, kept apart until they are rendered.
//!
//! Whatever an agent, a person or the journal's bytes could have chosen goes in by [`Say::theirs`]: no form of the page
//! may take it for anything but text.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use super::mask::masked;

/// Longer texts of others are cut within a sentence, in characters.
const LONGEST: usize = 600;

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Ours.
    Ours(String),
    /// Of others, made safe to look at and no more.
    Theirs(String),
}

/// A sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Say {
    parts: Vec<Part>,
}

impl Say {
    /// Begins with words of ours.
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self::default().ours(words)
    }

    /// Goes on with words of ours.
    pub(super) fn ours(mut self, words: impl Into<String>) -> Self {
        self.parts.push(Part::Ours(words.into()));
        self
    }

    /// Goes on with what came from others.
    pub(super) fn theirs(mut self, text: impl Display) -> Self {
        let text = plain(&text.to_string());
        let mut shown: String = text.chars().take(LONGEST).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        if shown.trim().is_empty() {
            shown = "(nothing)".to_owned();
        }
        self.parts.push(Part::Theirs(shown));
        self
    }

    /// Goes on with what somebody wrote freely, which may hold what it should not.
    pub(super) fn words(self, text: &str) -> Self {
        self.theirs(masked(text))
    }

    /// Goes on with another sentence.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Several things of others, with commas between.
    pub(super) fn list<T: Display>(mut self, all: impl IntoIterator<Item = T>) -> Self {
        for (n, one) in all.into_iter().enumerate() {
            if n > 0 {
                self = self.ours(", ");
            }
            self = self.theirs(one);
        }
        self
    }

    /// Its parts.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// As one line without any mark-up.
    pub(super) fn text(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Ours(text) | Part::Theirs(text) => text.as_str(),
            })
            .collect()
    }
}

impl Serialize for Say {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text())
    }
}

/// One line of others' text: what moves a cursor, turns the direction of reading or is not seen at all is shown escaped.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in crate::output::safe(text).chars() {
        let unseen = matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}'
                | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        );
        if unseen {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// How long after the first event: `+12.345 s`.
pub(super) fn after(ms: i64) -> String {
    let ms = ms.max(0);
    format!("+{}.{:03} s", ms / 1000, ms % 1000)
}

/// How many of what: `1 row`, `2 rows`.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(
            plain("a\u{200b}b\u{202e}c\nd\u{e0041}"),
            "a\\u{200b}b\\u{202e}c\\nd\\u{e0041}"
        );
        assert_eq!(plain("täglich 日本"), "täglich 日本");
    }

    #[test]
    fn moments_are_seconds_to_the_millisecond() {
        assert_eq!(after(0), "+0.000 s");
        assert_eq!(after(12_045), "+12.045 s");
        assert_eq!(after(-5), "+0.000 s");
    }

    #[test]
    fn ours_and_theirs_are_kept_apart() {
        let say = Say::new("for ").theirs("<b>").ours(": ").list(["a", "b"]);
        assert_eq!(say.text(), "for <b>: a, b");
        assert_eq!(say.parts().len(), 6);
        assert_eq!(
            Say::default()
                .theirs("x".repeat(700))
                .text()
                .chars()
                .count(),
            601
        );
        assert_eq!(Say::default().theirs("").text(), "(nothing)");
    }
}
