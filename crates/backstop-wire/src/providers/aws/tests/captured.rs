//! What botocore really sends (`packs/aws/requests.ndjson`, written by `scripts/packs/aws_requests.py`) is read as what
//! botocore was asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::super::{arguments, called, identify};
use super::{names, read, request};
use crate::http::Request;

/// A request and what was asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Captured {
    /// The place of its test in the pack's file.
    pub(super) test: Option<usize>,
    pub(super) service: String,
    pub(super) operation: String,
    arguments: Value,
    pub(super) hint: Option<String>,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    body_base64: Option<String>,
}

impl Captured {
    pub(super) fn all() -> Vec<Self> {
        let lines = include_str!("../../../../packs/aws/requests.ndjson").lines();
        lines.map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    pub(super) fn request(&self) -> Request {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let bytes = self
            .body_base64
            .as_ref()
            .map(|b| STANDARD.decode(b).unwrap());
        let body = bytes.as_deref().unwrap_or(self.body.as_bytes());
        request(&self.method, &self.url, &headers, body)
    }

    fn id(&self) -> String {
        format!("{}:{} {}", self.service, self.operation, self.url)
    }
}

/// Neptune and DocumentDB share host, name and API with RDS.
fn shared(service: &str) -> &str {
    match service {
        "neptune" | "docdb" => "rds",
        other => other,
    }
}

#[test]
fn the_operation_is_the_one_that_was_asked_for() {
    for captured in Captured::all() {
        let reading = read(&captured.request(), captured.hint.as_deref());
        let wanted = format!("{}:{}", shared(&captured.service), captured.operation);
        assert_eq!(
            names(&reading),
            [wanted],
            "{} {:?}",
            captured.id(),
            reading.analysis.incomplete
        );
    }
}

#[test]
fn the_arguments_are_those_that_were_asked_for() {
    let mut compared = 0;
    for captured in Captured::all() {
        let request = captured.request();
        let at = identify::identify(&request, captured.hint.as_deref());
        let calls = called::calls(&request, &at);
        let decoded = arguments::decode(&calls.calls[0], &request);
        assert!(
            decoded.doubts.is_empty(),
            "{} {:?}",
            captured.id(),
            decoded.doubts
        );
        let reviewed = captured.test.is_some();
        for (name, wanted) in captured.arguments.as_object().unwrap() {
            // Without shapes the query protocols' lists and REST's headers have other names.
            if !reviewed && decoded.value.get(name).is_none() {
                continue;
            }
            compared += 1;
            let found = decoded.value.get(name).unwrap_or(&Value::Null);
            assert!(
                same(wanted, found),
                "{} {name}: {wanted} and {found}",
                captured.id()
            );
        }
    }
    assert!(compared > 400, "{compared}");
}

/// The same but for how scalars are written: times and bytes go over the wire in their own forms.
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(w), _) if w.is_empty() && found.is_null() => true,
        (Value::Object(w), Value::Object(f)) => {
            let at = |k: &String| f.get(k).unwrap_or(&Value::Null);
            w.iter().all(|(k, v)| same(v, at(k)))
        }
        (Value::Array(w), _) if w.is_empty() => {
            found.is_null() || *found == Value::Array(Vec::new())
        }
        (Value::Array(w), Value::Array(f)) => {
            w.len() == f.len() && w.iter().zip(f).all(|(w, f)| same(w, f))
        }
        (Value::String(w), Value::Null) if w.len() < 8 => true,
        (Value::Number(_), Value::String(f)) if f.starts_with("20") && f.contains('T') => true,
        (Value::String(w), Value::String(f)) => w == f || STANDARD.encode(w) == *f,
        (w, f) => w.to_string().trim_matches('"') == f.to_string().trim_matches('"'),
    }
}
