//! clientDataJSON: what the browser says the ceremony was about (section 5.8.1).
//!
//! Parsed as JSON and never matched against a template: browsers add members at will. Members that are not
//! known are ignored, members that come twice are refused, wherever they are.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Expected, PasskeyError, base64url};

/// Chromium's longest are under 1 KiB; this leaves room for members to come.
const MAX_BYTES: usize = 16 * 1024;

/// The members that decide.
#[derive(Debug)]
pub(super) struct ClientData {
    kind: String,
    pub(super) challenge: Vec<u8>,
    pub(super) origin: String,
    cross_origin: bool,
    embedded: bool,
}

impl ClientData {
    /// Reads the exact bytes that the browser hashed.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PasskeyError> {
        if bytes.len() > MAX_BYTES {
            return Err(PasskeyError::TooLong("clientDataJSON"));
        }
        let Ok(Json::Object(mut members)) = serde_json::from_slice::<Json>(bytes) else {
            return Err(PasskeyError::ClientData);
        };
        let challenge = text(&mut members, "challenge")?;
        Ok(Self {
            kind: text(&mut members, "type")?,
            challenge: base64url::decode(&challenge)
                .ok_or(PasskeyError::ClientDataMember("challenge"))?,
            origin: text(&mut members, "origin")?,
            cross_origin: match members.remove("crossOrigin") {
                None | Some(Json::Bool(false)) => false,
                Some(Json::Bool(true)) => true,
                Some(_) => return Err(PasskeyError::ClientDataMember("crossOrigin")),
            },
            embedded: members.contains_key("topOrigin"),
        })
    }

    /// Checks type, challenge, origin and embedding, in the order of sections 7.1 and 7.2.
    pub(super) fn check(
        &self,
        expected: &Expected<'_>,
        kind: &'static str,
    ) -> Result<(), PasskeyError> {
        if expected.challenge.len() < 16 {
            return Err(PasskeyError::WeakChallenge);
        }
        if self.kind != kind {
            return Err(PasskeyError::WrongType(kind));
        }
        if self.challenge != expected.challenge {
            return Err(PasskeyError::WrongChallenge);
        }
        if !expected.origins.contains(&self.origin) {
            return Err(PasskeyError::WrongOrigin);
        }
        if self.cross_origin || self.embedded {
            return Err(PasskeyError::CrossOrigin);
        }
        Ok(())
    }
}

fn text(members: &mut BTreeMap<String, Json>, name: &'static str) -> Result<String, PasskeyError> {
    match members.remove(name) {
        Some(Json::Text(text)) => Ok(text),
        _ => Err(PasskeyError::ClientDataMember(name)),
    }
}

/// JSON in which no object has a member twice. What is never looked at keeps no content.
enum Json {
    Other,
    Bool(bool),
    Text(String),
    Object(BTreeMap<String, Json>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with every key once")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        while items.next_element::<Json>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, Json>()? {
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("a key comes twice"));
            }
        }
        Ok(Json::Object(members))
    }
}
