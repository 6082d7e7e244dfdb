//! Canonical JSON: the one byte string that a value is hashed as.
//!
//! Written out explicitly (keys sorted by code unit, no white space, integers only) because a dependency
//! anywhere in the build can turn on `serde_json/preserve_order` and would change digests with it.

use serde::Serialize;
use serde_json::Value;

use crate::digest::Digest;

/// A value that has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// It is not representable in JSON at all.
    #[error("the value cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Floating-point numbers print differently in different places.
    #[error("a number with a fraction has no canonical form")]
    Fraction,
}

/// The canonical JSON of `value`.
///
/// # Errors
/// When it holds a non-integer number or cannot be serialized.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::with_capacity(256);
    write(&serde_json::to_value(value)?, &mut out)?;
    Ok(out)
}

/// The digest of the canonical JSON of `value`.
///
/// # Errors
/// As [`to_bytes`].
pub fn digest<T: Serialize>(value: &T) -> Result<Digest, CanonicalError> {
    Ok(Digest::of(&to_bytes(value)?))
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) if n.is_f64() => return Err(CanonicalError::Fraction),
        Value::Number(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::String(s) => serde_json::to_writer(out, s)?,
        Value::Array(items) => write_array(items, out)?,
        Value::Object(map) => write_object(map, out)?,
    }
    Ok(())
}

fn write_array(items: &[Value], out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_object(
    map: &serde_json::Map<String, Value>,
    out: &mut Vec<u8>,
) -> Result<(), CanonicalError> {
    let mut keys: Vec<(&String, &Value)> = map.iter().collect();
    keys.sort_by(|a, b| a.0.cmp(b.0));
    out.push(b'{');
    for (i, (key, value)) in keys.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, key)?;
        out.push(b':');
        write(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let bytes = to_bytes(&json!({"b":1,"a":{"z":[true,null],"y":"\u{1}é"}})).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"a\":{\"y\":\"\\u0001é\",\"z\":[true,null]},\"b\":1}"
        );
    }

    #[test]
    fn fractions_are_refused() {
        assert!(matches!(
            to_bytes(&json!({"a":1.5})),
            Err(CanonicalError::Fraction)
        ));
    }
}
