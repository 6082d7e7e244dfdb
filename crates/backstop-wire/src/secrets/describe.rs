//! What one value is, told without showing it.

use super::class::Class;
use super::engine::{Engine, Text};
use super::hit::{Hit, best};

/// What a value is, by the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The kind, as the scope audit names it: `github.classic`; `service.token` for services without one of their own.
    pub kind: String,
    /// What told it: a published rule's id, or a reader of Backstop's own.
    pub rule: String,
}

impl Kind {
    /// What a hit is.
    pub(crate) fn of(hit: &Hit) -> Self {
        Self {
            kind: hit.kind.clone().into_owned(),
            rule: hit.rule.clone().into_owned(),
        }
    }

    /// The one word to show: the kind, or the rule where the kind only says "a token of some service".
    #[must_use]
    pub fn word(&self) -> &str {
        match self.kind.as_str() {
            "service.token" if !self.rule.is_empty() => &self.rule,
            kind => kind,
        }
    }
}

/// What `value` is, if its own form tells it: no name stands beside it. None as well where the rules cannot be read,
/// which a test excludes.
#[must_use]
pub fn describe(value: &[u8]) -> Option<Kind> {
    let engine = Engine::shared().ok()?;
    let value = value.trim_ascii();
    let text = Text {
        bytes: value,
        path: b"",
        class: Class::Generated,
    };
    best(engine.find(text).hits)
        .into_iter()
        // A part of a longer text says little of the whole.
        .filter(|hit| hit.range.len() * 4 >= value.len() * 3)
        .max_by_key(|hit| hit.range.len())
        .map(|hit| Kind::of(&hit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_by_its_form() {
        let kind = |value: &str| describe(value.as_bytes()).map(|kind| kind.word().to_owned());
        let github = ["ghp_", "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t"].concat();
        assert_eq!(kind(&github).as_deref(), Some("github.classic"));
        assert_eq!(
            kind("postgres://app:k3Yp9QxL@db/shop").as_deref(),
            Some("postgres.password")
        );
        assert_eq!(kind("3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49"), None);
        assert_eq!(kind("a long text with "), None);
        let told = format!("{:?}", describe(github.as_bytes()));
        assert!(!told.contains("kT9v"), "{told}");
    }
}
