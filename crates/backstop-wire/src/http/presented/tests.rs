//! Requests written as text, and what they carry.

mod attacks;
mod innocent;
mod places;

use super::*;
use crate::http::{Body, Carried, Part as BodyPart, RawBody, Scheme, Version};

/// What these tests take for credentials; put together, so that no scanner takes this file for a leak.
fn github() -> String {
    ["ghp_", "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t"].concat()
}

const UUID: &str = "3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49";
/// No rule knows it.
const DRAWN: &str = "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFg";

/// A JSON Web Token of nobody's.
fn jwt() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let head = part(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = part(r#"{"sub":"agent-7","iss":"https://login.example.dev","exp":4102444800}"#);
    format!("{head}.{claims}.{DRAWN}{DRAWN}")
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Reads `METHOD url`, header lines, an empty line and a body.
fn carried(text: &str) -> Credentials {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, address) = lines.next().unwrap().split_once(' ').unwrap();
    let address = url::Url::parse(address).unwrap();
    let headers: Vec<(&str, &[u8])> = lines
        .map(|line| {
            line.split_once(": ")
                .unwrap_or((line.trim_end_matches(':'), ""))
        })
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let target = &address[url::Position::BeforePath..url::Position::AfterQuery];
    let authority = &address[url::Position::BeforeUsername..url::Position::AfterPort];
    let raw = Raw {
        method,
        version: Version::Http11,
        scheme: Scheme::Https,
        authority: Some(authority),
        target,
        headers: &headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body: RawBody::Whole(body.as_bytes()),
    };
    let decode = |text: &str| String::from_utf8(percent_decode(text)).unwrap();
    let request = Request {
        method: method.to_owned(),
        scheme: Scheme::Https,
        host: address.host_str().unwrap().to_owned(),
        port: 443,
        raw_path: String::new(),
        segments: address
            .path()
            .split('/')
            .filter(|s| !s.is_empty())
            .map(decode)
            .collect(),
        query: address.query_pairs().into_owned().collect(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_ascii_lowercase(),
                    String::from_utf8_lossy(value).into_owned(),
                )
            })
            .collect(),
        body: body_of(&headers, body),
    };
    let engine = Engine::shared().unwrap();
    presented(engine, &request, &raw)
}

fn percent_decode(text: &str) -> Vec<u8> {
    crate::secrets::unescaped(text.as_bytes(), b'%').map_or(text.into(), |bytes| bytes.to_vec())
}

fn body_of(headers: &[(&str, &[u8])], body: &str) -> Body {
    let media = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let media_type = media.as_deref().unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap().trim().to_owned();
    match media_type.as_str() {
        _ if body.is_empty() => Body::Absent,
        "application/json" => Body::Json(serde_json::from_str(body).unwrap()),
        "application/cbor" => Body::Cbor(serde_json::from_str(body).unwrap()),
        "application/x-www-form-urlencoded" => Body::Form(
            url::form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect(),
        ),
        "application/xml" | "text/xml" => Body::Xml(body.to_owned()),
        // A part on each line: `name|file|type|content`.
        "multipart/form-data" => Body::Multipart(body.lines().map(part).collect()),
        "text/plain" | "application/graphql" | "application/x-ndjson" | "application/yaml" => {
            Body::Text {
                media_type,
                text: body.to_owned(),
            }
        }
        _ => Body::Bytes {
            media_type,
            bytes: Carried(body.as_bytes().to_vec()),
        },
    }
}

fn part(line: &str) -> BodyPart {
    let mut fields = line.splitn(4, '|');
    let mut next = || {
        fields
            .next()
            .filter(|field| !field.is_empty())
            .map(str::to_owned)
    };
    BodyPart {
        name: next(),
        file: next(),
        media_type: next().unwrap_or("text/plain".to_owned()),
        content: Carried(next().unwrap_or_default().into_bytes()),
    }
}

/// A place in a few words.
fn place(place: &Place) -> String {
    let part = |part: &Part| match part {
        Part::Whole => String::new(),
        Part::Scheme(scheme) => format!(" {scheme}"),
        part => format!(" {part:?}").to_ascii_lowercase(),
    };
    match place {
        Place::Header { name, part: p } => format!("header {name}{}", part(p)),
        Place::Proxy { part: p } => format!("proxy{}", part(p)),
        Place::Userinfo { part: p } => format!("userinfo{}", part(p)),
        Place::Query { name, presigned } => {
            format!("query {name}{}", if *presigned { " presigned" } else { "" })
        }
        Place::Path { index } => format!("path {index}"),
        Place::Line => "line".to_owned(),
        Place::Cookie { name } => format!("cookie {name}"),
        Place::Subprotocol => "subprotocol".to_owned(),
        Place::Metadata { name } => format!("metadata {name}"),
        Place::Body { pointer } => format!("body {pointer}"),
    }
}

/// Each credential as `place = value`.
fn told(request: &str) -> Vec<String> {
    carried(request)
        .presented
        .iter()
        .map(|one| format!("{} = {}", place(&one.place), one.value.reveal()))
        .collect()
}
