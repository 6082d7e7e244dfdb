//! The reading of AWS requests: what real clients send, the reviewed entries, and roads around both.

mod captured;
mod entries;
mod roads;
mod sweep;
mod tokens;

use backstop_core::effect::{Bound, Effect};
use url::Url;

use super::read;
use crate::http::{Body, Carried, Request, Scheme};
use crate::providers::Reading;

/// A request as the reader of HTTP would hand it over.
fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let url = Url::parse(url).unwrap();
    let decoded = |s: &str| {
        let plus = s.replace('+', "%2B");
        let pair = format!("k={plus}");
        let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next().unwrap();
        value.into_owned()
    };
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(n, v)| (n.to_lowercase(), (*v).to_owned()))
        .collect();
    let media_type = headers
        .iter()
        .find(|(n, _)| n == "content-type")
        .map_or("", |(_, v)| v.split(';').next().unwrap())
        .trim()
        .to_lowercase();
    Request {
        method: method.to_owned(),
        scheme: Scheme::Https,
        host: url.host_str().unwrap().to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: url
            .path()
            .split('/')
            .filter(|s| !s.is_empty())
            .map(decoded)
            .collect(),
        query: url
            .query_pairs()
            .map(|(n, v)| (n.into(), v.into()))
            .collect(),
        headers,
        body: carried(&media_type, body),
    }
}

fn carried(media_type: &str, body: &[u8]) -> Body {
    let text = || std::str::from_utf8(body).unwrap().to_owned();
    match media_type {
        "" if body.is_empty() => Body::Absent,
        "application/x-www-form-urlencoded" => Body::Form(
            url::form_urlencoded::parse(body)
                .map(|(n, v)| (n.into(), v.into()))
                .collect(),
        ),
        "application/json" => Body::Json(serde_json::from_slice(body).unwrap()),
        "application/cbor" => Body::Cbor(ciborium::from_reader(body).unwrap()),
        "application/xml" | "text/xml" => Body::Xml(text()),
        t if t.starts_with("application/x-amz-json") || t.starts_with("text/") => Body::Text {
            media_type: t.to_owned(),
            text: text(),
        },
        _ => Body::Bytes {
            media_type: media_type.to_owned(),
            bytes: Carried(body.to_vec()),
        },
    }
}

/// A signature for a service, as a header.
fn signed(service: &str, region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// The effects in the words of the tests: `KIND VERB OBJECT [safeguard] [reversible] [rows=N]`.
fn worded(effect: &Effect) -> String {
    let verb = serde_json::to_value(effect.verb).unwrap();
    let mut out = format!(
        "{} {} {}",
        effect.kind,
        verb.as_str().unwrap(),
        effect.object.as_deref().unwrap_or("-")
    );
    if effect.safeguard {
        out += " safeguard";
    }
    if effect.reversible {
        out += " reversible";
    }
    match effect.bound {
        Bound::Structure => {}
        Bound::Rows(n) => out += &format!(" rows={n}"),
        Bound::Unbounded => out += " rows=*",
    }
    out
}

/// Effects in words, each once.
fn effects(reading: &Reading) -> Vec<String> {
    let mut out = Vec::new();
    for effect in &reading.analysis.effects {
        let effect = worded(effect);
        if !out.contains(&effect) {
            out.push(effect);
        }
    }
    out
}

fn names(reading: &Reading) -> Vec<&str> {
    reading.operations.iter().map(|o| o.name.as_str()).collect()
}
