//! A credential in the body: a text in JSON, or a field of a form. Its bytes are replaced, and no others.

use std::fmt::Write as _;
use std::ops::Range;

use backstop_wire::http::{Body, Request, Spot, form_text, json_text};
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use serde_json::Value;
use url::form_urlencoded;

use super::{NEUTRAL, NotPlaced, same};
use crate::http::Head;
use crate::http::gate::config::Placing;

pub(super) fn take(
    head: &mut Head,
    bytes: &mut Bytes,
    placing: &Placing,
    placeholder: &str,
) -> bool {
    let mut encodings = head.headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let spot = spot(bytes, placing).filter(|spot| same(&spot.text, placeholder));
    spot.is_some_and(|spot| replace(head, bytes, spot.range, &written(placing, NEUTRAL)).is_ok())
}

pub(super) fn put_in(
    head: &mut Head,
    bytes: &mut Bytes,
    placing: &Placing,
    secret: &str,
) -> Result<(), NotPlaced> {
    let spot = spot(bytes, placing).filter(|spot| spot.text == NEUTRAL);
    let range = spot.ok_or(NotPlaced)?.range;
    replace(head, bytes, range, &written(placing, secret))
}

/// Whether the server reads the body as what it was taken for, and finds the credential there: the media type decides.
pub(super) fn is_read(request: &Request, placing: &Placing) -> bool {
    match (placing, &request.body) {
        (Placing::Json { pointer }, Body::Json(value)) => {
            value.pointer(pointer).and_then(Value::as_str) == Some(NEUTRAL)
        }
        (Placing::Form { name }, Body::Form(pairs)) => {
            let values = pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v);
            values.eq([NEUTRAL])
        }
        _ => false,
    }
}

fn spot(bytes: &[u8], placing: &Placing) -> Option<Spot> {
    match placing {
        Placing::Json { pointer } => json_text(bytes, pointer),
        Placing::Form { name } => form_text(bytes, name),
        _ => None,
    }
}

/// A text as the body has it, in ASCII: it says the same in whichever charset the body is said to be.
fn written(placing: &Placing, text: &str) -> String {
    if matches!(placing, Placing::Form { .. }) {
        return form_urlencoded::byte_serialize(text.as_bytes()).collect();
    }
    let mut out = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]).iter() {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

fn replace(
    head: &mut Head,
    bytes: &mut Bytes,
    place: Range<usize>,
    with: &str,
) -> Result<(), NotPlaced> {
    let before = bytes.get(..place.start).ok_or(NotPlaced)?;
    let after = bytes.get(place.end..).ok_or(NotPlaced)?;
    let whole = [before, with.as_bytes(), after].concat();
    *bytes = whole.into();
    if head.headers.contains_key(CONTENT_LENGTH) {
        head.headers.insert(CONTENT_LENGTH, bytes.len().into());
    }
    Ok(())
}
