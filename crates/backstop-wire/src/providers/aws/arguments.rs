//! What an operation is called with, as JSON under the names that the SDKs use, whatever protocol it came in by.

use serde_json::{Map, Value};

use super::called::{Call, Protocol};
use super::shapes::{self, Input, Kind, Member, Place, Shape, Shapes};
use super::template::header;
use super::value::{Decoded, json, scalar, text};
use super::{query, xml};
use crate::http::{Body, Request};

/// Reads the arguments of a call.
pub(super) fn decode(call: &Call, request: &Request) -> Decoded {
    let shapes = shapes::of(call.service.name);
    let known = shapes.and_then(|s| {
        s.input(call.known.name)
            .map(|(input, shape)| (s, input, shape))
    });
    match call.protocol {
        Protocol::Query => {
            let shape = known.map(|(shapes, _, shape)| (shapes, shape));
            query::decode(request, shape, call.service.speaks("ec2"))
        }
        Protocol::Json | Protocol::Cbor => object(request, call.protocol, known),
        Protocol::Rest => rest(call, request, known),
    }
}

type Typed<'a> = (&'a Shapes, Input, &'a Shape);

/// A body that is one JSON object, or the CBOR of one.
fn object(request: &Request, protocol: Protocol, known: Option<Typed<'_>>) -> Decoded {
    let mut out = Decoded::default();
    let value = match (&request.body, protocol) {
        (Body::Json(value), Protocol::Json) | (Body::Cbor(value), Protocol::Cbor) => {
            Some(value.clone())
        }
        (Body::Absent, _) => Some(Value::Object(Map::new())),
        (body, Protocol::Json) => text(body).and_then(json),
        _ => None,
    };
    let Some(value @ Value::Object(_)) = value else {
        out.doubt("its arguments cannot be read");
        return out;
    };
    out.value = value;
    if let Some((shapes, _, shape)) = known {
        named(&mut out, shapes, shape);
    }
    out
}

/// Renames what is called otherwise on the wire, and says what nobody reviewed.
fn named(out: &mut Decoded, shapes: &Shapes, shape: &Shape) {
    let value = std::mem::take(&mut out.value);
    out.value = renamed(value, shapes, shape, &mut out.doubts);
}

fn renamed(value: Value, shapes: &Shapes, shape: &Shape, doubts: &mut Vec<String>) -> Value {
    match (value, shape) {
        (Value::Object(map), Shape::Structure(members)) => {
            let mut out = Map::new();
            for (wire, value) in map {
                let member = members
                    .iter()
                    .find(|m| m.place == Place::Body && m.wire == wire);
                match (member, value) {
                    (_, Value::Null) => {}
                    (Some(m), value) => {
                        let value = inner(value, shapes, &m.kind, doubts);
                        out.insert(m.name.to_owned(), value);
                    }
                    (None, value) => {
                        doubts.push(format!("the pack does not know the argument `{wire}`"));
                        out.insert(wire, value);
                    }
                }
            }
            Value::Object(out)
        }
        (Value::Object(map), Shape::Map { kind, .. }) => map
            .into_iter()
            .map(|(k, v)| (k, inner(v, shapes, kind, doubts)))
            .collect(),
        (Value::Array(list), Shape::List { kind, .. }) => list
            .into_iter()
            .map(|v| inner(v, shapes, kind, doubts))
            .collect(),
        (value, _) => value,
    }
}

fn inner(value: Value, shapes: &Shapes, kind: &Kind, doubts: &mut Vec<String>) -> Value {
    let Kind::Of(name) = kind else {
        return value;
    };
    match shapes.shape(name) {
        Some(shape) => renamed(value, shapes, shape, doubts),
        None => value,
    }
}

/// Labels of the URI, the query, headers and the body.
fn rest(call: &Call, request: &Request, known: Option<Typed<'_>>) -> Decoded {
    let mut out = Decoded::default();
    let mut map = Map::new();
    for (name, value) in &call.labels {
        map.insert((*name).to_owned(), Value::from(value.as_str()));
    }
    let xml = call.service.speaks("rest-xml");
    match known {
        Some((shapes, input, shape @ Shape::Structure(members))) => {
            in_query(call, request, members, &mut map, &mut out);
            in_headers(request, members, &mut map, &mut out);
            in_body(request, xml, (shapes, input, shape), &mut map, &mut out);
        }
        _ => {
            for (name, value) in &request.query {
                if !name.to_ascii_lowercase().starts_with("x-amz-") {
                    map.entry(name.as_str())
                        .or_insert_with(|| Value::from(value.as_str()));
                }
            }
            untyped_body(request, xml, &mut map, &mut out);
        }
    }
    out.value = Value::Object(map);
    out
}

fn in_query(
    call: &Call,
    request: &Request,
    members: &[Member],
    map: &mut Map<String, Value>,
    out: &mut Decoded,
) {
    for (name, value) in &request.query {
        let member = members
            .iter()
            .find(|m| m.place == Place::Query && m.wire == name);
        let Some(member) = member else {
            let asked = call.known.template.as_ref().is_some_and(|t| t.asks(name));
            // S3 tells its operations apart by such words: one that nobody knows may mean another operation.
            if call.service.name == "s3" && !asked && !is_signing(name) {
                out.doubt(format!("the pack does not know `{name}` in the query"));
            }
            continue;
        };
        let value = scalar(value, &member.kind);
        match map.get_mut(member.name) {
            None => {
                let value = match member.kind {
                    Kind::Of(_) => Value::Array(vec![value]),
                    _ => value,
                };
                map.insert(member.name.to_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(before) if *before == value => {}
            Some(_) => out.doubt(format!("`{name}` is given twice")),
        }
    }
}

/// What belongs to signing and to the SDKs, not to the operation.
fn is_signing(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-amz-")
        || matches!(
            name.as_str(),
            "x-id" | "awsaccesskeyid" | "signature" | "expires"
        )
}

fn in_headers(
    request: &Request,
    members: &[Member],
    map: &mut Map<String, Value>,
    out: &mut Decoded,
) {
    for member in members.iter().filter(|m| m.place == Place::Header) {
        let mut told = header(request, member.wire);
        let Some(first) = told.next() else {
            continue;
        };
        if told.any(|other| other != first) {
            out.doubt(format!("the header `{}` is given twice", member.wire));
        }
        map.insert(member.name.to_owned(), scalar(first, &member.kind));
    }
}

fn in_body(
    request: &Request,
    xml: bool,
    known: Typed<'_>,
    map: &mut Map<String, Value>,
    out: &mut Decoded,
) {
    let (shapes, input, shape) = known;
    let Shape::Structure(members) = shape else {
        return;
    };
    if let Some(member) = members.iter().find(|m| m.name == input.payload) {
        let value = match member.kind {
            Kind::Of(name) => shapes
                .shape(name)
                .and_then(|inner| whole(request, xml, (shapes, inner), out)),
            // An object's content is not an argument.
            Kind::Blob => None,
            _ => document(&request.body),
        };
        if let Some(value) = value {
            map.insert(member.name.to_owned(), value);
        }
    } else if members.iter().any(|m| m.place == Place::Body)
        && let Some(Value::Object(body)) = whole(request, xml, (shapes, shape), out)
    {
        map.extend(body);
    }
}

/// A body that is one structure.
fn whole(
    request: &Request,
    xml: bool,
    (shapes, shape): (&Shapes, &Shape),
    out: &mut Decoded,
) -> Option<Value> {
    if is_empty(&request.body) {
        return None;
    }
    if xml {
        let value = text(&request.body)
            .and_then(|t| xml::decode(t, Some((shapes, shape)), &mut out.doubts));
        if value.is_none() {
            out.doubt("its body cannot be read");
        }
        return value;
    }
    let value = match &request.body {
        Body::Json(value) => Some(value.clone()),
        body => text(body).and_then(json),
    };
    match value {
        Some(value) => Some(renamed(value, shapes, shape, &mut out.doubts)),
        None => {
            out.doubt("its body cannot be read");
            None
        }
    }
}

/// A body that is a text of its own: a policy.
fn document(body: &Body) -> Option<Value> {
    match body {
        Body::Json(value) => Some(Value::from(value.to_string())),
        body => text(body).map(Value::from),
    }
}

fn is_empty(body: &Body) -> bool {
    match body {
        Body::Absent => true,
        Body::Bytes { bytes, .. } => bytes.0.is_empty(),
        Body::Text { text, .. } | Body::Xml(text) => text.trim().is_empty(),
        Body::Form(pairs) => pairs.is_empty(),
        Body::Streamed { length, .. } => *length == Some(0),
        _ => false,
    }
}

/// A body whose shape nobody wrote down.
fn untyped_body(request: &Request, xml: bool, map: &mut Map<String, Value>, out: &mut Decoded) {
    let value = match &request.body {
        Body::Json(value) | Body::Cbor(value) => Some(value.clone()),
        Body::Xml(text) if xml => xml::decode(text, None, &mut out.doubts),
        Body::Streamed { media_type, .. }
            if media_type.contains("json") || media_type.contains("xml") =>
        {
            out.doubt("its body is too long to be judged");
            None
        }
        body => text(body).and_then(json),
    };
    if let Some(Value::Object(body)) = value {
        // What the URI says counts.
        body.into_iter().for_each(|(name, value)| {
            map.entry(name).or_insert(value);
        });
    }
}
