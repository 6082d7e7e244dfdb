//! Texts that a request only quotes: what an agent says to a model, and what it has read for it.
//!
//! Which they are, a pack says. Here they are taken out, so that whoever looks for credentials sees what the request
//! itself says, and nothing else.

use serde_json::{Map, Value};

use super::{Body, Request};

/// What stands where a quoted text stood. No name makes it a credential: it has the form of a template's hole.
pub const QUOTED: &str = "<quoted>";

/// The request without the texts that its body quotes at these places: tokens of JSON pointers, where `*` is every element
/// of a list, and a last `**` all that lies there, names included. Otherwise a text is quoted, and nothing but a text.
/// Nothing, if it quotes none; a body that is no JSON never does.
#[must_use]
pub fn without_quoted(request: &Request, places: &[Vec<String>]) -> Option<Request> {
    let Body::Json(body) = &request.body else {
        return None;
    };
    let open: Vec<&[String]> = places.iter().map(Vec::as_slice).collect();
    let mut found = false;
    let body = without(body, &open, &mut found);
    found.then(|| Request {
        method: request.method.clone(),
        scheme: request.scheme,
        host: request.host.clone(),
        port: request.port,
        raw_path: request.raw_path.clone(),
        segments: request.segments.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: Body::Json(body),
    })
}

/// `open` are the places that lie here or deeper, by what is left of them.
fn without(value: &Value, open: &[&[String]], found: &mut bool) -> Value {
    if open.iter().any(|place| is_here(place, value)) {
        *found = true;
        return Value::from(QUOTED);
    }
    match value {
        value if open.is_empty() => value.clone(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let deeper = deeper(open, |token| token == name);
                (name.clone(), without(value, &deeper, found))
            };
            Value::Object(members.iter().map(member).collect::<Map<_, _>>())
        }
        Value::Array(elements) => {
            let deeper = deeper(open, |token| token == "*");
            let element = |value: &Value| without(value, &deeper, found);
            Value::Array(elements.iter().map(element).collect())
        }
        value => value.clone(),
    }
}

fn is_here(place: &[String], value: &Value) -> bool {
    match place {
        [] => value.is_string(),
        [token] => token == "**",
        _ => false,
    }
}

fn deeper<'p>(open: &[&'p [String]], is: impl Fn(&str) -> bool) -> Vec<&'p [String]> {
    let step = |place: &'p [String]| {
        let (first, rest) = place.split_first()?;
        is(first).then_some(rest)
    };
    open.iter().copied().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::{Carried, Scheme};

    fn request(body: Body) -> Request {
        Request {
            method: "POST".into(),
            scheme: Scheme::Https,
            host: "model.example".into(),
            port: 443,
            raw_path: "/".into(),
            segments: vec![],
            query: vec![],
            headers: vec![],
            body,
        }
    }

    fn left(body: Value, places: &[&str]) -> Option<Value> {
        let tokens =
            |place: &&str| -> Vec<String> { place.split('/').skip(1).map(str::to_owned).collect() };
        let places: Vec<Vec<String>> = places.iter().map(tokens).collect();
        let rest = without_quoted(&request(Body::Json(body)), &places)?;
        match rest.body {
            Body::Json(body) => Some(body),
            _ => None,
        }
    }

    #[test]
    fn a_text_is_taken_out_where_a_place_names_it_and_nothing_else_is() {
        let body = json!({
            "system": "s",
            "messages": [
                { "content": "a", "Content": "b", "content ": "c" },
                { "content": [{ "text": "d", "source": { "url": "e" } }, "f"] },
                { "content": { "text": "g" } },
            ],
            "max_tokens": 7,
        });
        let places = [
            "/system",
            "/messages/*/content",
            "/messages/*/content/*/text",
            "/max_tokens",
            "/not/there",
        ];
        assert_eq!(
            left(body, &places),
            Some(json!({
                "system": QUOTED,
                "messages": [
                    { "content": QUOTED, "Content": "b", "content ": "c" },
                    { "content": [{ "text": QUOTED, "source": { "url": "e" } }, "f"] },
                    { "content": { "text": "g" } },
                ],
                "max_tokens": 7,
            }))
        );
    }

    #[test]
    fn all_that_lies_at_a_place_goes_with_its_names() {
        let body = json!({ "input": { "token": ["a", 1] }, "inputs": { "input": "b" } });
        assert_eq!(
            left(body, &["/input/**"]),
            Some(json!({ "input": QUOTED, "inputs": { "input": "b" } }))
        );
        // A text of that name is all that lies there, too.
        assert_eq!(
            left(json!({ "input": "a" }), &["/input/**"]),
            Some(json!({ "input": QUOTED }))
        );
    }

    #[test]
    fn nothing_is_quoted_where_no_place_is_or_the_body_is_no_json() {
        assert_eq!(left(json!({ "system": "s" }), &[]), None);
        assert_eq!(left(json!({ "system": ["s"] }), &["/system"]), None);
        assert_eq!(left(json!(["s"]), &["/0", "/system"]), None);
        let places = [vec!["system".to_owned()]];
        for body in [
            Body::Absent,
            Body::Cbor(json!({ "system": "s" })),
            Body::Form(vec![("system".into(), "s".into())]),
            Body::Text {
                media_type: "text/plain".into(),
                text: "{\"system\":\"s\"}".into(),
            },
            Body::Bytes {
                media_type: String::new(),
                bytes: Carried(b"{\"system\":\"s\"}".to_vec()),
            },
            Body::Streamed {
                media_type: "application/json".into(),
                length: None,
            },
        ] {
            assert!(without_quoted(&request(body), &places).is_none());
        }
    }
}
