//! Every way that a request is packed, and the ways that servers read differently.

use serde_json::{Value, json};

use super::*;
use crate::http::{Carried, Part, Scheme};

fn request(method: &str, query: &[(&str, &str)], body: Body) -> Request {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Request {
        method: method.to_owned(),
        scheme: Scheme::Https,
        host: "api.example".to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: vec!["graphql".to_owned()],
        query: query.iter().map(pair).collect(),
        headers: Vec::new(),
        body,
    }
}

fn part(name: &str, file: Option<&str>, content: &str) -> Part {
    Part {
        name: Some(name.to_owned()),
        file: file.map(str::to_owned),
        media_type: "text/plain".to_owned(),
        content: Carried(content.as_bytes().to_vec()),
    }
}

fn form(pairs: &[(&str, &str)]) -> Body {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Body::Form(pairs.iter().map(pair).collect())
}

fn graphql(text: &str) -> Body {
    Body::Text {
        media_type: "application/graphql".to_owned(),
        text: text.to_owned(),
    }
}

const HASH_OF_X: &str = "bd2cbb2cb5bd9ca27d7f9e46a25b8e3bc6b3abf5c0ba2b4b5ab5b7f0f29f9f3d";

#[test]
fn every_packing_says_the_same() {
    let body =
        json!({"query": "query Q($a: Int) { x }", "variables": {"a": 1}, "operationName": "Q"});
    let flat = [
        ("query", "query Q($a: Int) { x }"),
        ("variables", r#"{"a":1}"#),
        ("operationName", "Q"),
    ];
    let packed = [
        request("POST", &[], Body::Json(body.clone())),
        request("POST", &[("source", "cli")], Body::Json(body.clone())),
        request("POST", &[("operationName", "Q")], Body::Json(body.clone())),
        request("POST", &[], form(&flat)),
        request("POST", &flat[1..], graphql(flat[0].1)),
        request(
            "POST",
            &[],
            Body::Multipart(vec![
                part("operations", None, &body.to_string()),
                part("map", None, "{}"),
            ]),
        ),
    ];
    for request in packed {
        let read = requests(&request).unwrap();
        let [one] = read.as_slice() else {
            panic!("one of {request:?}");
        };
        assert_eq!(one.over, Over::Post);
        assert_eq!(one.document.as_deref(), Some(flat[0].1));
        assert_eq!(one.operation.as_deref(), Some("Q"));
        assert_eq!(Value::Object(one.variables.clone()), json!({"a": 1}));
    }
    let got = requests(&request("GET", &flat, Body::Absent)).unwrap();
    assert_eq!(got[0].over, Over::Get);
    assert_eq!(got[0].variables["a"], 1);
}

#[test]
fn a_batch_keeps_its_order() {
    let body = json!([{"query": "{a}"}, {"query": "{b}", "variables": null}]);
    let read = requests(&request("POST", &[], Body::Json(body))).unwrap();
    let texts: Vec<_> = read
        .iter()
        .map(|one| (one.place, one.document.as_deref()))
        .collect();
    assert_eq!(texts, [(Some(0), Some("{a}")), (Some(1), Some("{b}"))]);
}

#[test]
fn a_hash_must_be_the_texts() {
    let body = |hash: &str| {
        let mut body =
            json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
        body["query"] = json!("{x}");
        Body::Json(body)
    };
    let hash = sha256("{x}");
    assert_eq!(hash.len(), 64);
    let read = requests(&request("POST", &[], body(&hash))).unwrap();
    assert_eq!(read[0].hash.as_deref(), Some(hash.as_str()));
    assert!(requests(&request("POST", &[], body(HASH_OF_X))).is_err());
    assert!(requests(&request("POST", &[], body(&hash.to_uppercase()))).is_err());
}

#[test]
fn a_hash_alone_is_known_or_not() {
    let hash = sha256("{x}");
    let body = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
    let read = requests(&request("POST", &[], Body::Json(body))).unwrap();
    assert!(read[0].text(&|_| None).is_err());
    assert_eq!(
        read[0]
            .text(&|known| (known == hash).then_some("{x}"))
            .unwrap(),
        "{x}"
    );
}

#[test]
fn files_have_a_null_in_the_variables() {
    let operations =
        r#"{"query":"mutation($f: Upload!) { up(f: $f) }","variables":{"f":null,"l":[null]}}"#;
    let send = |map: &str, files: &[&str]| {
        let mut parts = vec![part("operations", None, operations), part("map", None, map)];
        parts.extend(
            files
                .iter()
                .map(|name| part(name, Some("a.txt"), "content")),
        );
        requests(&request("POST", &[], Body::Multipart(parts)))
    };
    let read = send(r#"{"0":["variables.f","variables.l.0"]}"#, &["0"]).unwrap();
    assert_eq!(
        Value::Object(read[0].variables.clone()),
        json!({"f": "upload", "l": ["upload"]})
    );
    for (map, files) in [
        (r#"{"0":["variables.f"]}"#, &[][..]),
        (r#"{"0":["variables.f"]}"#, &["0", "0"]),
        (r#"{"0":["variables.f"]}"#, &["0", "1"]),
        (r#"{"0":["query"]}"#, &["0"]),
        (r#"{"0":["variables"]}"#, &["0"]),
        (r#"{"0":["variables.g"]}"#, &["0"]),
        (r#"{"0":["variables.l.00"]}"#, &["0"]),
        (r#"{"0":[]}"#, &["0"]),
        (r#"{"0":"variables.f"}"#, &["0"]),
        (r#"{"0":["variables.f"],"0":["query"]}"#, &["0"]),
        ("[]", &[]),
    ] {
        assert!(send(map, files).is_err(), "{map}");
    }
}

#[test]
fn what_servers_read_differently_is_refused() {
    let x = || Body::Json(json!({"query": "{x}"}));
    let json = |value: Value| Body::Json(value);
    let bad = [
        // The URL and the body both name a document.
        request("POST", &[("query", "{y}")], x()),
        request("POST", &[("Query", "{y}")], x()),
        request("POST", &[("doc_id", "7")], x()),
        request("POST", &[("operationName", "Other")], x()),
        request("POST", &[("extensions", "{}")], x()),
        request("POST", &[("query", "{y}")], graphql("{x}")),
        request(
            "POST",
            &[("variables", "{}"), ("variables", "{}")],
            graphql("{x}"),
        ),
        // Keys that other servers take a document by.
        request("POST", &[], json(json!({"query": "{x}", "id": "7"}))),
        request("POST", &[], json(json!({"query": "{x}", "Query": "{y}"}))),
        request("POST", &[], json(json!({"doc_id": "7"}))),
        request(
            "POST",
            &[],
            json(json!({"query": "{x}", "extensions": {"other": 1}})),
        ),
        // Wrong shapes.
        request("POST", &[], json(json!({"query": ["{x}"]}))),
        request(
            "POST",
            &[],
            json(json!({"query": "{x}", "variables": "{}"})),
        ),
        request("POST", &[], json(json!({"query": "{x}", "variables": []}))),
        request("POST", &[], json(json!({"query": ""}))),
        request("POST", &[], json(json!({}))),
        request("POST", &[], json(json!([]))),
        request("POST", &[], json(json!([[{"query": "{x}"}]]))),
        request("POST", &[], json(json!("{x}"))),
        request("POST", &[], form(&[("query", "{x}"), ("query", "{y}")])),
        request(
            "POST",
            &[],
            form(&[("query", "{x}"), ("variables", r#"{"a":1,"a":2}"#)]),
        ),
        request("POST", &[], form(&[("query", "{x}"), ("other", "")])),
        // Other media types and methods.
        request(
            "POST",
            &[],
            Body::Text {
                media_type: "text/plain".to_owned(),
                text: r#"{"query":"{x}"}"#.to_owned(),
            },
        ),
        request("POST", &[("query", "{x}")], Body::Absent),
        request("GET", &[], Body::Absent),
        request("GET", &[("query", "{x}")], x()),
        request("GET", &[("query", "{x}"), ("query", "{y}")], Body::Absent),
        request("GET", &[("query", "{x}"), ("id", "7")], Body::Absent),
        request("PUT", &[], x()),
        request("HEAD", &[("query", "{x}")], Body::Absent),
    ];
    for request in bad {
        assert!(
            requests(&request).is_err(),
            "{request:?} {:?}",
            request.query
        );
    }
}

#[test]
fn nothing_of_a_value_is_shown() {
    let body = json!({"query": "{x}", "variables": {"token": "s3cret"}});
    let read = requests(&request("POST", &[], Body::Json(body))).unwrap();
    assert!(!format!("{read:?}").contains("s3cret"));
    let long = "s".repeat(500);
    let error = requests(&request("POST", &[], Body::Json(json!({long: 1})))).unwrap_err();
    assert!(error.what.len() < 200, "{error}");
}
