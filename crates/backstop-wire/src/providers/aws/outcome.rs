//! What a call does, before several calls become one reading.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};

use crate::providers::Operation;

/// A call's entry and its effects.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) operation: Operation,
    pub(super) effects: Vec<Effect>,
    /// Why the effects are not all there is, one fragment each.
    pub(super) incomplete: Vec<String>,
}

/// An effect as an entry writes it: `KIND VERB [OBJECT] [safeguard] [reversible|lasting] [rows=N|rows={Path}|rows=*]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) kind: EffectKind,
    pub(super) verb: Verb,
    pub(super) object: Option<String>,
    pub(super) safeguard: bool,
    pub(super) reversible: Option<bool>,
    pub(super) rows: Rows,
}

/// How many rows an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rows {
    Structure,
    Exactly(u64),
    At(String),
    Unbounded,
}

impl Written {
    /// Reads an effect; the word that is wrong otherwise.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let mut next = || words.next().ok_or_else(|| format!("`{text}` lacks a word"));
        let mut written = Self {
            kind: word(next()?)?,
            verb: word(next()?)?,
            object: None,
            safeguard: false,
            reversible: None,
            rows: Rows::Structure,
        };
        for word in words {
            match (word, word.strip_prefix("rows=")) {
                ("safeguard", _) => written.safeguard = true,
                ("reversible", _) => written.reversible = Some(true),
                ("lasting", _) => written.reversible = Some(false),
                (_, Some("*")) => written.rows = Rows::Unbounded,
                (_, Some(n)) => {
                    let path = n.strip_prefix('{').and_then(|n| n.strip_suffix('}'));
                    written.rows = match path {
                        Some(path) => Rows::At(path.to_owned()),
                        None => {
                            Rows::Exactly(n.parse().map_err(|_| format!("`{word}` has no number"))?)
                        }
                    };
                }
                (object, None) if written.object.is_none() => {
                    written.object = Some(object.to_owned())
                }
                _ => return Err(format!("`{word}` is one word too many")),
            }
        }
        Ok(written)
    }

    /// The effect, but for its object and what is counted.
    pub(super) fn effect(&self, object: Option<String>, bound: Bound) -> Effect {
        let mut effect = Effect::new(self.kind, self.verb, object).bounded(bound);
        effect.safeguard = self.safeguard;
        effect.reversible = self.reversible.unwrap_or(effect.reversible);
        effect
    }
}

/// A kind or verb by its word.
fn word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(word))
        .map_err(|_| format!("`{word}` is no kind or verb of an effect"))
}
