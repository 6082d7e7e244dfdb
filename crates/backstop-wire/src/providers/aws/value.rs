//! Arguments on their way to JSON.

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::shapes::Kind;
use crate::http::Body;

/// Arguments, and what is unclear about them.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) value: Value,
    pub(super) doubts: Vec<String>,
}

impl Decoded {
    pub(super) fn doubt(&mut self, why: impl Into<String>) {
        self.doubts.push(why.into());
    }
}

/// A body as text, where it was not taken for something else already.
pub(super) fn text(body: &Body) -> Option<&str> {
    match body {
        Body::Text { text, .. } | Body::Xml(text) => Some(text),
        Body::Bytes { bytes, .. } => std::str::from_utf8(&bytes.0).ok(),
        _ => None,
    }
}

/// A scalar written as text, as its kind says; what does not fit stays text.
pub(super) fn scalar(text: &str, kind: &Kind) -> Value {
    let trimmed = text.trim();
    let found = match kind {
        Kind::Bool if trimmed.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        Kind::Bool if trimmed.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        Kind::Int => trimmed.parse::<i64>().ok().map(Value::from),
        Kind::Float => trimmed.parse::<f64>().ok().map(Value::from),
        _ => None,
    };
    found.unwrap_or_else(|| Value::from(text))
}

/// JSON in which no key stands twice: with one that does, servers differ in which they take.
pub(super) fn json(text: &str) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::from(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = list.next_element_seed(Strict)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict)?;
            if out.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_twice_is_no_json() {
        assert_eq!(json(r#"{"a":[1,{"b":null}]}"#).unwrap()["a"][0], 1);
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":1}}"#,
            "{} {}",
            "",
        ] {
            assert_eq!(json(text), None, "{text}");
        }
    }
}
