//! Signatures compared with those of botocore (`sigv4_vectors.json`; its source stands in it).

use backstop_core::secret::Secret;
use backstop_gates::http::sigv4::{AwsCredential, NotSigned, Payload, Signing, sign};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Deserialize)]
struct Vectors {
    region: String,
    time: String,
    key: (String, String),
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: String,
    service: String,
    token: Option<String>,
    authorization: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("sigv4_vectors.json")).unwrap()
}

fn credential(vectors: &Vectors, token: Option<&str>) -> AwsCredential {
    AwsCredential {
        access_key: vectors.key.0.clone(),
        secret_key: Secret::new(vectors.key.1.clone()),
        session_token: token.map(|t| Secret::new(t.to_owned())),
    }
}

#[test]
fn signatures_are_botocores() {
    let vectors = vectors();
    assert!(vectors.cases.len() >= 9);
    for case in &vectors.cases {
        let (host, path) = case
            .url
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        // What the client signed with goes.
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            headers.insert(name, "placeholder".parse().unwrap());
        }
        for (name, value) in &case.headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let signing = Signing {
            method: &case.method.parse::<Method>().unwrap(),
            host,
            target: &PathAndQuery::try_from(format!("/{path}")).unwrap(),
            payload: Payload::Bytes(case.body.as_bytes()),
            region: &vectors.region,
            service: &case.service,
            time: OffsetDateTime::parse(&vectors.time, &Rfc3339).unwrap(),
        };
        let credential = credential(&vectors, case.token.as_deref());
        sign(&mut headers, &signing, &credential).unwrap();
        assert_eq!(headers["authorization"], case.authorization, "{}", case.url);
        assert!(headers["authorization"].is_sensitive());
        let token = headers
            .get("x-amz-security-token")
            .map(|t| t.to_str().unwrap());
        assert_eq!(token, case.token.as_deref());
    }
}

#[test]
fn what_cannot_be_signed_in_one_way_is_not_signed() {
    let vectors = vectors();
    for (target, payload) in [
        ("/?a=b+c", Payload::Bytes(b"")),
        ("/?a=%zz", Payload::Bytes(b"")),
        ("/?X-Amz-Signature=00", Payload::Bytes(b"")),
        ("/", Payload::Told("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")),
        ("/", Payload::Told("anything")),
    ] {
        let signing = Signing {
            method: &Method::GET,
            host: "s3.example",
            target: &PathAndQuery::from_static(target),
            payload,
            region: "r",
            service: "s3",
            time: OffsetDateTime::UNIX_EPOCH,
        };
        let mut headers = HeaderMap::new();
        let done = sign(&mut headers, &signing, &credential(&vectors, None));
        assert!(
            matches!(done, Err(NotSigned::Query | NotSigned::Payload)),
            "{target}"
        );
        assert!(headers.is_empty());
    }
    for told in ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        let signing = Signing {
            method: &Method::PUT,
            host: "s3.example",
            target: &PathAndQuery::from_static("/k"),
            payload: Payload::Told(told),
            region: "r",
            service: "s3",
            time: OffsetDateTime::UNIX_EPOCH,
        };
        let mut headers = HeaderMap::new();
        sign(&mut headers, &signing, &credential(&vectors, None)).unwrap();
        assert_eq!(headers["x-amz-content-sha256"], told);
    }
}
