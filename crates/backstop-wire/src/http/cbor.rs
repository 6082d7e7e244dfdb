//! CBOR (RFC 8949) as the JSON that has the same shape.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use super::Refused;
use super::refuse::refused;

/// In bytes. A byte may hold a whole value, which takes many times its room in memory.
const LONGEST: usize = 4 * 1024 * 1024;

const DEEPEST: usize = 128;

/// Tags of which only what is in them counts: dates, big numbers and fractions, hints at encodings, URIs, UUIDs, sets,
/// and the mark that says "this is CBOR".
const TRANSPARENT: &[u64] = &[
    0, 1, 2, 3, 4, 5, 21, 22, 23, 24, 32, 33, 34, 36, 37, 258, 55799,
];

const BIG: u64 = 2;
const BIG_NEGATIVE: u64 = 3;

pub(super) fn read(bytes: &[u8]) -> Result<Value, Refused> {
    if bytes.len() > LONGEST {
        return Err(refused(
            format!("the CBOR body is longer than {} MiB", LONGEST / 1024 / 1024),
            "send it in smaller requests",
        ));
    }
    let mut rest = bytes;
    let value: Cbor = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEEPEST)
        .map_err(|_| unreadable("is not well-formed, or is nested too deeply"))?;
    if !rest.is_empty() {
        return Err(unreadable("has bytes after its end"));
    }
    json(value)
}

fn json(value: Cbor) -> Result<Value, Refused> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Integer(value) => integer(i128::from(value))?,
        Cbor::Float(value) => float(value)?,
        Cbor::Text(text) => Value::String(text),
        Cbor::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        Cbor::Array(values) => {
            Value::Array(values.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        Cbor::Map(entries) => object(entries)?,
        Cbor::Tag(tag, value) => tagged(tag, *value)?,
        _ => return Err(unreadable("has a value of a kind that is not known")),
    })
}

fn object(entries: Vec<(Cbor, Cbor)>) -> Result<Value, Refused> {
    let mut object = Map::new();
    for (key, value) in entries {
        let key = match key {
            Cbor::Text(text) => text,
            Cbor::Integer(number) => i128::from(number).to_string(),
            _ => {
                return Err(unreadable(
                    "has a key that is neither text nor a whole number",
                ));
            }
        };
        if object.insert(key, json(value)?).is_some() {
            return Err(unreadable("has a key twice"));
        }
    }
    Ok(Value::Object(object))
}

fn tagged(tag: u64, value: Cbor) -> Result<Value, Refused> {
    if !TRANSPARENT.contains(&tag) {
        return Err(unreadable("has a tag that is not known"));
    }
    match (tag, value) {
        (BIG, Cbor::Bytes(bytes)) => float(big(&bytes)),
        (BIG_NEGATIVE, Cbor::Bytes(bytes)) => float(-1.0 - big(&bytes)),
        (BIG | BIG_NEGATIVE, _) => Err(unreadable("has a big number that is not one")),
        (_, value) => json(value),
    }
}

/// As near as JSON's readers have it.
fn big(bytes: &[u8]) -> f64 {
    bytes
        .iter()
        .fold(0.0, |sum, &byte| sum * 256.0 + f64::from(byte))
}

fn integer(value: i128) -> Result<Value, Refused> {
    if let Ok(value) = u64::try_from(value) {
        return Ok(value.into());
    }
    if let Ok(value) = i64::try_from(value) {
        return Ok(value.into());
    }
    #[allow(clippy::cast_precision_loss, reason = "JSON's readers lose as much")]
    float(value as f64)
}

fn float(value: f64) -> Result<Value, Refused> {
    Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(|| unreadable("has a number that is none, or is out of range"))
}

fn unreadable(why: &str) -> Refused {
    refused(
        format!("the CBOR body {why}"),
        "send one CBOR value, each key once and nothing after it",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cbor_is_read_as_json() {
        for (bytes, expected) in [
            (&b"\xA1\x61a\x01"[..], json!({"a": 1})),
            (b"\xBF\x61a\x9F\x01\x20\xFF\xFF", json!({"a": [1, -1]})),
            (b"\x43abc", json!("YWJj")),
            (b"\xF7", json!(null)),
            (b"\xF9\x3E\x00", json!(1.5)),
            (b"\xC1\x1A\x51\x4B\x67\xB0", json!(1363896240)),
            (b"\xC0\x641970", json!("1970")),
            (
                b"\xC2\x49\x01\0\0\0\0\0\0\0\0",
                json!(18446744073709551616.0),
            ),
            (
                b"\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                json!(-18446744073709551616.0),
            ),
            (b"\xD9\xD9\xF7\xA1\x01\x02", json!({"1": 2})),
            (b"\x7F\x61a\x61b\xFF", json!("ab")),
        ] {
            assert_eq!(read(bytes), Ok(expected), "{bytes:?}");
        }
    }

    #[test]
    fn cbor_that_servers_read_differently() {
        for bytes in [
            &b""[..],
            b"\xA2\x61a\x01\x61a\x02",
            b"\xA2\x01\x01\x611\x02",
            b"\xA1\x61a\x01\x00",
            b"\xA1\xF6\x01",
            b"\xA1\x41a\x01",
            b"\x61\xFF",
            b"\xF9\x7E\x00",
            b"\xF9\x7C\x00",
            b"\xE0",
            b"\xFF",
            b"\x1C",
            b"\x82\x01",
            b"\xD8\x63\x01",
            b"\xC2\x01",
            b"\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x5B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&[0x81; 100_000]).is_err());
        assert!(read(&[0xC1; 100_000]).is_err());
        assert!(read(&vec![0; LONGEST + 1]).is_err());
    }
}
