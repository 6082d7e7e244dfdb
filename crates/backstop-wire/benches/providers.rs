//! How long it takes to find out what a request does, once it is read: `cargo bench -p backstop-wire --bench providers`.
//!
//! One request for each kind of reader: a pack's entries, AWS's protocols. It must not time anything that was not
//! understood: to know nothing is fast.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use backstop_wire::http::{Body, Request, Scheme};
use backstop_wire::providers::{Reading, read};
use divan::{Bencher, black_box};
use serde_json::json;

fn main() {
    // The packs' texts are read once in a gate's life.
    for case in CASES {
        let reading = reading(&request(case), case);
        assert!(reading.analysis.is_complete(), "{case}: {reading:?}");
    }
    divan::main();
}

const CASES: [&str; 4] = [
    "GitHub, PATCH of a repository",
    "AWS, S3 GetObject",
    "AWS, EC2 DescribeInstances",
    "AWS, DynamoDB Query",
];

fn reading(request: &Request, case: &str) -> Reading {
    let pack = if case.starts_with("AWS") {
        "aws"
    } else {
        "github"
    };
    read(request, Some(pack))
}

fn request(case: &str) -> Request {
    let (method, host, path, target, body) = match case {
        "AWS, S3 GetObject" => (
            "GET",
            "invoices.s3.eu-west-1.amazonaws.com",
            "2026/11/invoice-4711.pdf",
            None,
            Body::Absent,
        ),
        "AWS, EC2 DescribeInstances" => (
            "POST",
            "ec2.eu-west-1.amazonaws.com",
            "",
            None,
            Body::Form(pairs(&[
                ("Action", "DescribeInstances"),
                ("Version", "2016-11-15"),
                ("Filter.1.Name", "instance-state-name"),
                ("Filter.1.Value.1", "running"),
            ])),
        ),
        "AWS, DynamoDB Query" => (
            "POST",
            "dynamodb.eu-west-1.amazonaws.com",
            "",
            Some("DynamoDB_20120810.Query"),
            Body::Text {
                media_type: "application/x-amz-json-1.0".to_owned(),
                text: json!({
                    "TableName": "orders",
                    "KeyConditionExpression": "customer = :c",
                    "ExpressionAttributeValues": {":c": {"S": "4711"}},
                })
                .to_string(),
            },
        ),
        _ => (
            "PATCH",
            "api.github.com",
            "repos/octo/hello",
            None,
            Body::Json(json!({"description": "x"})),
        ),
    };
    let target = target.map(|target| ("x-amz-target", target));
    let headers: Vec<_> = target.into_iter().collect();
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Request {
        method: method.to_owned(),
        scheme: Scheme::Https,
        host: host.to_owned(),
        port: 443,
        raw_path: format!("/{path}"),
        segments: segments.map(str::to_owned).collect(),
        query: vec![],
        headers: pairs(&headers),
        body,
    }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[divan::bench(args = CASES)]
fn understood(bencher: Bencher<'_, '_>, case: &str) {
    let request = request(case);
    bencher.bench(|| reading(black_box(&request), case));
}
