//! What it costs to look for credentials in one request, and for known ones in a body.

#![allow(clippy::expect_used, missing_docs)]

use backstop_core::secret::Secret;
use backstop_wire::http::{Body, Raw, RawBody, Request, Scheme, Version, presented};
use backstop_wire::secrets::{Engine, Known};

fn main() {
    divan::main();
}

const HEADERS: &[(&str, &[u8])] = &[
    ("host", b"backboard.railway.com"),
    ("user-agent", b"node-fetch/1.0"),
    ("accept", b"*/*"),
    ("accept-encoding", b"gzip, deflate, br"),
    ("content-type", b"application/json"),
    ("content-length", b"1024"),
    (
        "authorization",
        b"Bearer 3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49",
    ),
    ("x-request-id", b"3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49"),
];

/// A GraphQL request whose body is about 1 KiB.
fn request() -> Request {
    let fields =
        "id name createdAt updatedAt deletedAt environments { edges { node { id name } } } "
            .repeat(8);
    let body = serde_json::json!({
        "operationName": "project",
        "query": format!("query project($id: String!) {{ project(id: $id) {{ {fields} }} }}"),
        "variables": {
            "id": "3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49",
            "environmentId": "4f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49",
            "serviceId": "5f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49",
            "name": "web", "region": "europe-west4", "builder": "RAILPACK", "replicas": 2,
        },
    });
    Request {
        method: "POST".to_owned(),
        scheme: Scheme::Https,
        host: "backboard.railway.com".to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: vec!["graphql".to_owned(), "v2".to_owned()],
        query: vec![],
        headers: vec![],
        body: Body::Json(body),
    }
}

/// A REST request: forty fields, 1 KiB.
fn fields() -> Request {
    let map: serde_json::Map<String, serde_json::Value> = (0..40)
        .map(|n| {
            (
                format!("field_{n:02}"),
                serde_json::json!(format!("value {n}")),
            )
        })
        .collect();
    Request {
        body: Body::Json(map.into()),
        ..request()
    }
}

fn measure(bencher: divan::Bencher<'_, '_>, request: &Request) {
    let engine = Engine::shared().expect("the rules that ship");
    let raw = Raw {
        method: "POST",
        version: Version::Http2,
        scheme: Scheme::Https,
        authority: Some("backboard.railway.com"),
        target: "/graphql/v2",
        headers: HEADERS,
        tls_name: Some("backboard.railway.com"),
        tunnel: None,
        reverse: None,
        body: RawBody::Absent,
    };
    bencher.bench(|| presented(engine, request, &raw));
}

#[divan::bench]
fn graphql_of_1_kib(bencher: divan::Bencher<'_, '_>) {
    measure(bencher, &request());
}

#[divan::bench]
fn forty_fields(bencher: divan::Bencher<'_, '_>) {
    measure(bencher, &fields());
}

/// Ten known secrets in a body of 1 MiB that comes in pieces of 16 KiB and holds none of them.
#[divan::bench]
fn masked_mebibyte(bencher: divan::Bencher<'_, '_>) {
    let secrets = (0..10).map(|n| (n, Secret::new(format!("bk_Zx81qPvQ2mLx8ZbN4rW{n}"))));
    let known = Known::new(secrets).expect("ten are few");
    let piece = "{\"id\":\"3f0c8b1e-7f4d\",\"text\":\"some words\\nand more\"},".repeat(320);
    bencher
        .counter(divan::counter::BytesCount::new(piece.len() * 64))
        .bench(|| {
            let (mut stream, mut out) = (known.masker(), Vec::with_capacity(32 << 10));
            for _ in 0..64 {
                out.clear();
                divan::black_box(stream.feed(piece.as_bytes(), &mut out));
            }
            stream.finish(&mut out);
        });
}
