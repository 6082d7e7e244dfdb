//! Idempotency tokens: values that clients make anew at every call, and that say no more than which call it is.
//!
//! It says where one stands. Whether its value is left out of anything is not decided here.

use serde_json::Value;

use crate::http::{Body, Request};

/// Where a request carries an idempotency token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyToken {
    /// A parameter of the query.
    Query(String),
    /// A header, by its name in lower case.
    Header(String),
    /// A member of the JSON or CBOR object that is the body, or a pair of the form.
    Body(String),
}

impl IdempotencyToken {
    /// The value there. None where there is none, where it is no text, or where the name stands twice.
    pub fn value<'r>(&self, request: &'r mut Request) -> Option<&'r mut String> {
        match self {
            Self::Query(name) => only(&mut request.query, name),
            Self::Header(name) => only(&mut request.headers, name),
            Self::Body(name) => match &mut request.body {
                Body::Form(pairs) => only(pairs, name),
                Body::Json(Value::Object(members)) | Body::Cbor(Value::Object(members)) => {
                    match members.get_mut(name) {
                        Some(Value::String(text)) => Some(text),
                        _ => None,
                    }
                }
                _ => None,
            },
        }
    }
}

fn only<'r>(pairs: &'r mut [(String, String)], name: &str) -> Option<&'r mut String> {
    let mut all = pairs.iter_mut().filter(|(n, _)| n == name);
    match (all.next(), all.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::Scheme;

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        all.iter().map(own).collect()
    }

    fn request(query: &[(&str, &str)], body: Body) -> Request {
        Request {
            method: "POST".into(),
            scheme: Scheme::Https,
            host: "api.example".into(),
            port: 443,
            raw_path: "/".into(),
            segments: vec![],
            query: pairs(query),
            headers: pairs(&[("x-client-token", "h")]),
            body,
        }
    }

    #[test]
    fn one_value_in_its_place_and_in_no_other() {
        let found =
            |token: IdempotencyToken, mut request: Request| token.value(&mut request).cloned();
        let query = || IdempotencyToken::Query("t".into());
        let body = || IdempotencyToken::Body("t".into());
        let header = IdempotencyToken::Header("x-client-token".into());
        let form = |all: &[(&str, &str)]| Body::Form(pairs(all));
        for (token, request, expected) in [
            (query(), request(&[("t", "q")], Body::Absent), Some("q")),
            (
                query(),
                request(&[("t", "q"), ("t", "q")], Body::Absent),
                None,
            ),
            (query(), request(&[("T", "q")], form(&[("t", "b")])), None),
            (header, request(&[], Body::Absent), Some("h")),
            (
                body(),
                request(&[("t", "q")], form(&[("t", "b")])),
                Some("b"),
            ),
            (body(), request(&[], form(&[("t", "b"), ("t", "c")])), None),
            (
                body(),
                request(&[], Body::Json(json!({"t": "j"}))),
                Some("j"),
            ),
            (
                body(),
                request(&[], Body::Cbor(json!({"t": "c"}))),
                Some("c"),
            ),
            (body(), request(&[], Body::Json(json!({"t": 1}))), None),
            (body(), request(&[], Body::Json(json!({"t": ["j"]}))), None),
            (
                body(),
                request(&[], Body::Json(json!({"a": {"t": "j"}}))),
                None,
            ),
            (body(), request(&[], Body::Json(json!([{"t": "j"}]))), None),
            (
                body(),
                request(&[], Body::Xml("<a><t>x</t></a>".into())),
                None,
            ),
        ] {
            assert_eq!(
                found(token.clone(), request).as_deref(),
                expected,
                "{token:?}"
            );
        }
    }
}
