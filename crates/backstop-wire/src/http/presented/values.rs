//! Every value of a request, in its order: a known secret may have been cut into several.

use std::borrow::Cow;

use serde_json::Value;

use crate::http::{Body, Raw, Request};

/// The segments, parameters, headers and fields of a request, each as bytes, for
/// [`Known::across`](crate::secrets::Known::across). A body that is neither JSON, form nor parts is one value.
#[must_use]
pub fn values<'a>(request: &'a Request, raw: &Raw<'a>) -> Vec<Cow<'a, [u8]>> {
    let mut all: Vec<Cow<'a, [u8]>> = Vec::new();
    let mut add = |text: &'a str| all.push(Cow::Borrowed(text.as_bytes()));
    request.segments.iter().for_each(|text| add(text));
    for (name, value) in &request.query {
        add(name);
        add(value);
    }
    all.extend(raw.headers.iter().map(|(_, value)| Cow::Borrowed(*value)));
    body(&request.body, &mut all);
    all
}

fn body<'a>(body: &'a Body, all: &mut Vec<Cow<'a, [u8]>>) {
    match body {
        Body::Absent | Body::Streamed { .. } => {}
        Body::Json(value) | Body::Cbor(value) => leaves(value, all),
        Body::Form(pairs) => {
            let pairs = pairs.iter().flat_map(|(name, value)| [name, value]);
            all.extend(pairs.map(|text| Cow::Borrowed(text.as_bytes())));
        }
        Body::Multipart(parts) => {
            all.extend(
                parts
                    .iter()
                    .map(|part| Cow::Borrowed(part.content.0.as_slice())),
            );
        }
        Body::Xml(text) | Body::Text { text, .. } => all.push(Cow::Borrowed(text.as_bytes())),
        Body::Bytes { bytes, .. } => all.push(Cow::Borrowed(bytes.0.as_slice())),
    }
}

fn leaves<'a>(value: &'a Value, all: &mut Vec<Cow<'a, [u8]>>) {
    match value {
        Value::String(text) => all.push(Cow::Borrowed(text.as_bytes())),
        Value::Number(number) => all.push(Cow::Owned(number.to_string().into_bytes())),
        Value::Array(values) => values.iter().for_each(|value| leaves(value, all)),
        Value::Object(map) => {
            for (key, value) in map {
                all.push(Cow::Borrowed(key.as_bytes()));
                leaves(value, all);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}
