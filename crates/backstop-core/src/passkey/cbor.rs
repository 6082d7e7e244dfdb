//! CBOR as authenticators write it: the CTAP2 canonical form, each key of a map once.
//!
//! Reads one item and says what is left; anything that a second encoder would write differently is refused.

use ciborium::Value;

use super::PasskeyError;

/// Deeper than any attestation statement or extension goes.
const MAX_DEPTH: usize = 8;

/// The first item of `bytes`, the bytes it took, and the bytes behind it. `what` names it in the error.
pub(super) fn first<'a>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<(Value, &'a [u8], &'a [u8]), PasskeyError> {
    let bad = PasskeyError::Cbor(what);
    let mut rest = bytes;
    let value: Value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|_| bad.clone())?;
    let taken = bytes
        .len()
        .checked_sub(rest.len())
        .and_then(|n| bytes.get(..n))
        .ok_or(bad.clone())?;
    let mut again = Vec::with_capacity(taken.len());
    ciborium::into_writer(&value, &mut again).map_err(|_| bad.clone())?;
    if again != taken || !keys_are_unique(&value) {
        return Err(bad);
    }
    Ok((value, taken, rest))
}

/// The one item that `bytes` consists of.
pub(super) fn only(bytes: &[u8], what: &'static str) -> Result<Value, PasskeyError> {
    match first(bytes, what)? {
        (value, _, []) => Ok(value),
        _ => Err(PasskeyError::Cbor(what)),
    }
}

fn keys_are_unique(value: &Value) -> bool {
    match value {
        Value::Map(entries) => {
            let twice = entries
                .iter()
                .enumerate()
                .any(|(i, (key, _))| entries.iter().take(i).any(|(k, _)| k == key));
            !twice
                && entries
                    .iter()
                    .all(|(key, value)| keys_are_unique(key) && keys_are_unique(value))
        }
        Value::Array(items) => items.iter().all(keys_are_unique),
        Value::Tag(_, inner) => keys_are_unique(inner),
        _ => true,
    }
}
