//! An effect of an entry: `destroy drop volume.{volumeId} safeguard`.

use std::fmt::Write as _;

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use serde_json::{Map, Value};

use crate::sql::{ident, qualified};

use super::PackError;
use super::condition::at;

/// Objects that one argument can name.
const MOST: usize = 100;

/// An effect whose object an argument names.
#[derive(Debug, Clone)]
pub(super) struct Template {
    kind: EffectKind,
    verb: Verb,
    object: String,
    /// The object's id: text and arguments by turns.
    id: Vec<Piece>,
    reversible: bool,
    safeguard: bool,
    many: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Argument(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, PackError> {
        let odd = || PackError::Effect(text.to_owned());
        let mut words = text.split_whitespace();
        let kind: EffectKind = word(words.next()).ok_or_else(odd)?;
        let verb: Verb = word(words.next()).ok_or_else(odd)?;
        let object = words.next().ok_or_else(odd)?;
        let (object, id) = object.split_once('.').unwrap_or((object, ""));
        let mut template = Self {
            kind,
            verb,
            object: object.to_owned(),
            id: pieces(id).ok_or_else(odd)?,
            reversible: matches!(kind, EffectKind::Read | EffectKind::Define),
            safeguard: false,
            many: false,
        };
        for flag in words {
            match flag {
                "reversible" => template.reversible = true,
                "safeguard" => template.safeguard = true,
                "many" => template.many = true,
                _ => return Err(odd()),
            }
        }
        Ok(template)
    }

    pub(super) fn is_safeguard(&self) -> bool {
        self.safeguard
    }

    /// The arguments that it names.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.id.iter().filter_map(|piece| match piece {
            Piece::Argument(path) => Some(path.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The effects on the objects that the arguments name; on the kind alone where they name none.
    pub(super) fn effects(&self, arguments: &Map<String, Value>, because: &str) -> Vec<Effect> {
        let one = |object: String| {
            let mut effect = Effect::new(self.kind, self.verb, object)
                .bounded(self.bound())
                .because(because);
            effect.reversible = self.reversible;
            effect.safeguard = self.safeguard;
            effect
        };
        let ids = self.ids(arguments);
        if ids.is_empty() {
            return vec![one(ident(&self.object))];
        }
        ids.iter()
            .map(|id| one(qualified(&self.object, id)))
            .collect()
    }

    fn bound(&self) -> Bound {
        match (self.many, self.kind) {
            (true, _) => Bound::Unbounded,
            (false, EffectKind::Write) => Bound::Rows(1),
            _ => Bound::Structure,
        }
    }

    fn ids(&self, arguments: &Map<String, Value>) -> Vec<String> {
        if let [Piece::Argument(path)] = self.id.as_slice()
            && let Some(Value::Array(list)) = at(arguments, path)
        {
            let ids: Option<Vec<String>> = list.iter().map(plain).collect();
            return ids.filter(|ids| ids.len() <= MOST).unwrap_or_default();
        }
        let mut id = String::new();
        for piece in &self.id {
            match piece {
                Piece::Text(text) => id.push_str(text),
                Piece::Argument(path) => match at(arguments, path).and_then(plain) {
                    Some(value) => id.push_str(&value),
                    None => return Vec::new(),
                },
            }
        }
        if id.is_empty() { Vec::new() } else { vec![id] }
    }
}

/// An id in the one form that the same object always has: of a UUID, which databases read in several spellings, lower
/// case with hyphens.
pub(super) fn canonical(id: &str) -> String {
    let bare = id.trim();
    let bare = bare.strip_prefix("urn:uuid:").unwrap_or(bare);
    let bare = bare
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(bare);
    let digits: String = bare.chars().filter(|&c| c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return id.to_owned();
    }
    let mut out = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit.to_ascii_lowercase());
    }
    out
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(canonical(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A word of the design, as serde names it.
fn word<'de, T: serde::Deserialize<'de>>(word: Option<&'de str>) -> Option<T> {
    let word: StrDeserializer<'de, Error> = word?.into_deserializer();
    T::deserialize(word).ok()
}

fn pieces(mut id: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    while !id.is_empty() {
        let (text, rest) = id.split_once('{').unwrap_or((id, ""));
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        if text.len() == id.len() {
            break;
        }
        let (path, rest) = rest.split_once('}')?;
        pieces.push(Piece::Argument(path.to_owned()));
        id = rest;
    }
    Some(pieces)
}

/// An effect as a pack's tests write it: `destroy drop volume.v1 safeguard`.
pub(super) fn shown(effect: &Effect) -> String {
    let mut out = effect.kind.word().to_owned();
    let verb = serde_json::to_value(effect.verb).unwrap_or_default();
    let _ = write!(out, " {}", verb.as_str().unwrap_or_default());
    if let Some(object) = &effect.object {
        let _ = write!(out, " {object}");
    }
    let looks = matches!(effect.kind, EffectKind::Read | EffectKind::Define);
    for (flag, there) in [
        ("reversible", effect.reversible && !looks),
        ("safeguard", effect.safeguard),
        ("many", effect.bound == Bound::Unbounded),
    ] {
        if there {
            out.push(' ');
            out.push_str(flag);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn a_uuid_is_the_same_in_every_spelling() {
        let one = "3d2c42fb-0a1b-4c2d-8e3f-0123456789ab";
        for other in [
            one,
            "3D2C42FB-0A1B-4C2D-8E3F-0123456789AB",
            "3d2c42fb0a1b4c2d8e3f0123456789ab",
            "{3d2c42fb-0a1b-4c2d-8e3f-0123456789ab}",
            "urn:uuid:3d2c42fb-0a1b-4c2d-8e3f-0123456789AB",
            " 3d2c42fb-0a1b-4c2d-8e3f-0123456789ab ",
        ] {
            assert_eq!(canonical(other), one);
        }
        for plain in ["prod", "3D2C42FB", ""] {
            assert_eq!(canonical(plain), plain);
        }
    }
}
