//! Everything that a request says, written under one another, so that the rules run over it once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use backstop_core::secret::Secret;
use zeroize::Zeroizing;

use super::{Credentials, Place, Presented, Why, body};
use crate::secrets::{Class, Engine, Hit, Kind, Text, best, decoded_once, kind_by_host, unescaped};

/// Longer values are looked through where they are, and not taken apart.
const LONG: usize = 64 << 10;
/// Encodings one inside of the other that are undone.
pub(super) const DEEPEST: u8 = 3;
/// Bytes that are decoded in one request: more is made to be slow.
const DECODED: usize = 16 << 20;
/// A shorter credential may be in a longer text by chance.
const LONGER: usize = 8;
/// Between two values; no rule reaches over it.
const BREAK: &[u8] = b"\n\0\n";

/// What was read of a request so far.
pub(super) struct Sheet<'e> {
    engine: &'e Engine,
    host_kind: Option<&'static str>,
    text: Zeroizing<Vec<u8>>,
    lines: Vec<Line>,
    found: Vec<Presented>,
    missed: Option<&'static str>,
    /// Bytes that may still be decoded.
    decodable: usize,
}

struct Line {
    end: usize,
    place: Place,
    /// The credential that the line's value is known to be already.
    taken: Option<usize>,
}

impl<'e> Sheet<'e> {
    pub(super) fn new(engine: &'e Engine, host: &str) -> Self {
        Self {
            engine,
            host_kind: kind_by_host(host.as_bytes()),
            text: Zeroizing::new(Vec::with_capacity(4 << 10)),
            lines: Vec::with_capacity(64),
            found: Vec::new(),
            missed: None,
            decodable: DECODED,
        }
    }

    /// What the host takes as a credential, if that is known.
    pub(super) const fn host_kind(&self) -> Option<&'static str> {
        self.host_kind
    }

    /// Something was not looked through.
    pub(super) fn miss(&mut self, why: &'static str) {
        self.missed.get_or_insert(why);
    }

    /// A value that is a credential, whatever the rules say of it; they may know what it is.
    pub(super) fn credential(
        &mut self,
        place: &Place,
        name: &str,
        value: &str,
        kind: Option<&str>,
        why: Why,
    ) {
        if value.is_empty() {
            return;
        }
        self.found.push(Presented {
            place: place.clone(),
            value: Secret::new(value.to_owned()),
            kind: kind.filter(|kind| !kind.is_empty()).map(str::to_owned),
            why,
        });
        let number = self.found.len() - 1;
        self.write(place, name, value, Some(number), DEEPEST);
    }

    /// A value of which only the rules can say that it is one, and what it holds if it is encoded or has a structure.
    pub(super) fn value(&mut self, place: &Place, name: &str, value: &str, deeper: u8) {
        self.write(place, name, value, None, deeper);
    }

    /// Bytes that are looked through by themselves.
    pub(super) fn scan(&mut self, place: &Place, bytes: &[u8], class: Class) {
        let text = Text {
            bytes,
            path: b"",
            class,
        };
        let found = self.engine.find(text);
        if found.given_up {
            self.miss("a text in it is made to be slow to look through");
        }
        for hit in best(found.hits) {
            self.found.push(by_rule(&hit, place.clone()));
        }
    }

    fn write(&mut self, place: &Place, name: &str, value: &str, taken: Option<usize>, deeper: u8) {
        if value.len() > LONG {
            return self.scan(place, value.as_bytes(), Class::Generated);
        }
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        self.text.extend_from_slice(value.as_bytes());
        self.text.extend_from_slice(BREAK);
        self.lines.push(Line {
            end: self.text.len(),
            place: place.clone(),
            taken,
        });
        if deeper == 0 {
            return;
        }
        if taken.is_none() {
            body::inside(self, place, name, value, deeper - 1);
        }
        for decoded in decoded_once(value.as_bytes()) {
            let Some(left) = self.decodable.checked_sub(decoded.len()) else {
                return self.miss("more of it is encoded than is looked through");
            };
            self.decodable = left;
            if let Some(text) = as_text(&decoded) {
                self.write(place, name, text, taken, deeper - 1);
            }
        }
    }

    /// Runs the rules, and gives what there is.
    pub(super) fn finish(mut self) -> Credentials {
        let found = self.engine.find(Text {
            bytes: &self.text,
            path: b"",
            class: Class::Generated,
        });
        if found.given_up {
            self.miss("it is made to be slow to look through");
        }
        for hit in best(found.hits) {
            let line = self
                .lines
                .partition_point(|line| line.end <= hit.range.start);
            let Some(line) = self.lines.get(line) else {
                continue;
            };
            match line.taken.and_then(|taken| self.found.get_mut(taken)) {
                Some(known) => refine(known, &hit),
                None => self.found.push(by_rule(&hit, line.place.clone())),
            }
        }
        Credentials {
            presented: each_once(self.found),
            missed: self.missed,
        }
    }
}

/// What a rule found.
fn by_rule(hit: &Hit, place: Place) -> Presented {
    Presented {
        place,
        value: Secret::new(String::from_utf8_lossy(&hit.secret).into_owned()),
        kind: Some(Kind::of(hit).word().to_owned()),
        why: Why::Rule,
    }
}

/// A rule knows better what something is than its place does, unless the place says whose it is.
fn refine(known: &mut Presented, hit: &Hit) {
    const GENERAL: &[&str] = &[
        "password.unnamed",
        "password.http",
        "token.unnamed",
        "token.http",
    ];
    let general = known
        .kind
        .as_deref()
        .is_none_or(|kind| GENERAL.contains(&kind) || kind.ends_with(".token"));
    let kind = Kind::of(hit);
    if general && !GENERAL.contains(&kind.word()) {
        known.kind = Some(kind.word().to_owned());
    }
}

/// Each credential once for each place, by the strongest reason; the request's line only tells what no other place does.
fn each_once(found: Vec<Presented>) -> Vec<Presented> {
    if found.len() < 2 {
        return found;
    }
    let mut places: BTreeMap<(String, Place), Presented> = BTreeMap::new();
    let mut order = Vec::new();
    for one in found {
        let key = (one.value.reveal().clone(), one.place.clone());
        match places.get_mut(&key) {
            Some(other) => {
                other.why = other.why.min(one.why);
                other.kind = other.kind.take().or(one.kind);
            }
            None => {
                order.push(key.clone());
                places.insert(key, one);
            }
        }
    }
    let elsewhere = |line: &str| {
        let line = unescaped(line.as_bytes(), b'%').map_or(line.into(), |line| {
            Cow::Owned(String::from_utf8_lossy(&line).into_owned())
        });
        places.keys().any(|(value, place)| {
            *place != Place::Line
                && (line.contains(value.as_str()) && value.len() >= LONGER
                    || value.contains(&*line))
        })
    };
    let all = order.iter().filter_map(|key| {
        let told = key.1 == Place::Line && elsewhere(&key.0);
        places.get(key).filter(|_| !told).cloned()
    });
    all.collect()
}

/// Decoded bytes, if they are a text that a person could read.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let readable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(readable).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_without_end_is_not_called_looked_through() {
        let mut sheet = Sheet::new(Engine::shared().unwrap(), "x");
        sheet.decodable = 10_000;
        sheet.value(&Place::Line, "", &"%2525".repeat(2_000), DEEPEST);
        assert_eq!(sheet.missed, None);
        sheet.value(&Place::Line, "", &"%2525".repeat(2_000), DEEPEST);
        assert!(sheet.finish().missed.is_some());
    }
}
