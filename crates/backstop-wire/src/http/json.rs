//! JSON as every server would read it.
//!
//! Of a key that stands twice some servers take the first value, some the last; it is refused, however it is written.
//! In the envelope (the object that is the body, or each object of a list that is the body) a key may not come again in
//! other letters either: Go's decoder does not tell `query` from `Query`, and there the operation is chosen. Deeper down
//! that is left alone, since keys there are often data.
//!
//! Comments, NaN, lone surrogates, numbers out of range and nesting beyond 127 levels are refused by `serde_json`.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::charset;
use super::refuse::refused;
use super::{Media, Refused};

/// More values than this are refused: each takes many times the memory that it took to send.
pub(super) const VALUES: usize = 1_000_000;

pub(super) fn read(bytes: &[u8], media: &Media<'_>) -> Result<Value, Refused> {
    charset::without_mark(bytes)?;
    strict_json(charset::text(bytes, media.charset())?)
}

/// Whether `bytes` are a JSON object or list, whatever they are called.
pub(super) fn is_structure(bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start().first();
    matches!(begins, Some(b'{' | b'[')) && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// JSON that stands inside something else: a parameter, a part of a form.
///
/// # Errors
///
/// [`Refused`] if servers could read it in two ways, or not at all.
pub fn strict_json(text: &str) -> Result<Value, Refused> {
    let left = Cell::new(VALUES);
    let mut json = serde_json::Deserializer::from_str(text);
    let seed = Strict {
        left: &left,
        place: Place::Top,
    };
    // The messages are serde_json's fixed ones or ours, with line and column; no value is in them.
    seed.deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| {
            refused(
                format!("the JSON body cannot be read in one way: {error}"),
                "send one JSON value, each key once and nothing after it",
            )
        })
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// In a list that is the body: a batch.
    Listed,
    Deeper,
}

#[derive(Clone, Copy)]
struct Strict<'c> {
    left: &'c Cell<usize>,
    place: Place,
}

impl Strict<'_> {
    fn within(self, list: bool) -> Self {
        let place = match self.place {
            Place::Top if list => Place::Listed,
            _ => Place::Deeper,
        };
        Self { place, ..self }
    }

    fn count<E: Error>(self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or_else(|| E::custom("too many values"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.count().map(|()| Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.count().map(|()| Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.count().map(|()| value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.count().map(|()| value.into())
    }

    /// Also of integers that need more than 64 bits: as near as most servers read them.
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.count()?;
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.count().map(|()| Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.count()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.within(true))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.count()?;
        let mut object = Map::new();
        let mut folded = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if self.place != Place::Deeper && !folded.insert(fold(&key)) {
                return Err(A::Error::custom(
                    "a key stands twice, or again in other letters",
                ));
            }
            let value = entries.next_value_seed(self.within(false))?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// One spelling for all that differ in case alone; by way of the capitals, which brings `ſ` to `s`.
pub(super) fn fold(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read() {
        for (text, expected) in [
            ("null", json!(null)),
            (
                " {\"a\": [1, -2, 3.5, true, \"\\u00fc\\ud83d\\ude00\"]}\n",
                json!({"a": [1, -2, 3.5, true, "ü😀"]}),
            ),
            ("18446744073709551615", json!(18446744073709551615u64)),
            ("18446744073709551616", json!(18446744073709551616.0)),
            ("{\"a\":{\"b\":1,\"B\":2}}", json!({"a": {"b": 1, "B": 2}})),
            ("\"a\\u0000b\"", json!("a\0b")),
        ] {
            assert_eq!(strict_json(text), Ok(expected), "{text}");
        }
        assert!(strict_json(&format!("{}{}", "[".repeat(127), "]".repeat(127))).is_ok());
    }

    #[test]
    fn json_that_servers_read_differently() {
        for text in [
            "",
            " ",
            "{",
            "{\"a\":1}x",
            "{\"a\":1}{\"a\":1}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "{\"x\":{\"a\":1,\"a\":1}}",
            "[{\"x\":[{\"a\":1,\"a\":1}]}]",
            "{\"query\":1,\"Query\":2}",
            "[{\"query\":1,\"QUERY\":2}]",
            "{\"s\":1,\"ſ\":2}",
            "{\"k\":1,\"\u{212A}\":2}",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "NaN",
            "Infinity",
            "1e999",
            "-1e999",
            "// x\n1",
            "/* */1",
            "{a:1}",
            "{'a':1}",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "+1",
            ".5",
            "1.",
            "0x1",
            "\"a\nb\"",
            "\u{feff}{}",
            "True",
            "undefined",
        ] {
            assert!(strict_json(text).is_err(), "{text}");
        }
        assert!(strict_json(&"[".repeat(200_000)).is_err());
        assert!(strict_json(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_err());
        assert!(strict_json(&format!("[{}0]", "0,".repeat(VALUES))).is_err());
    }

    #[test]
    fn no_value_stands_in_a_refusal() {
        for text in [
            "{\"hunter2\":1,\"hunter2\":2}",
            "[\"hunter2\" \"hunter2\"]",
            "hunter2",
            "{\"a\":hunter2}",
        ] {
            let refusal = strict_json(text).unwrap_err().to_string();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}
