//! Requests that carry a document: as JSON with everything that JSON lets happen, in batches, in the URL, in a form, as
//! bare text; encoded, in other charsets, with names twice.

use std::fmt;
use std::io::Write as _;

use backstop_testing::railway::{PATH, Tenancy};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::Dice;
use super::documents::{Written, document};

/// A request as it is sent.
pub struct Sent {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(
            f,
            "{} {} {:?}\n{body}",
            self.method, self.target, self.headers
        )
    }
}

/// Writes one.
pub fn request(dice: &mut Dice, tenancy: &Tenancy) -> Sent {
    let written = document(dice, tenancy);
    match dice.below(12) {
        0 | 1 => get(dice, &written),
        2 => form(dice, &written),
        3 => text(dice, &written),
        4 => {
            let more: Vec<Written> = (0..dice.below(3))
                .map(|_| document(dice, tenancy))
                .collect();
            let all: Vec<String> = std::iter::once(&written)
                .chain(&more)
                .map(|one| object(dice, one, None))
                .collect();
            let body = format!("[{}]", all.join(","));
            posted(dice, PATH.to_owned(), body)
        }
        5 => {
            // A second document in the URL, or the second half of the first one.
            let other = document(dice, tenancy);
            let name = *dice.pick(&["query", "operationName", "variables", "other"]);
            let value = if name == "operationName" {
                operation(dice, &written).unwrap_or_default()
            } else {
                other.text
            };
            let query = Serializer::new(String::new())
                .append_pair(name, &value)
                .finish();
            let body = object(dice, &written, None);
            posted(dice, format!("{PATH}?{query}"), body)
        }
        6 => {
            let other = document(dice, tenancy);
            let body = object(dice, &written, Some(&other));
            posted(dice, PATH.to_owned(), body)
        }
        _ => {
            let body = object(dice, &written, None);
            posted(dice, PATH.to_owned(), body)
        }
    }
}

/// Which operation runs, or not quite.
fn operation(dice: &mut Dice, written: &Written) -> Option<String> {
    match (written.names.as_slice(), dice.below(12)) {
        (_, 0) => Some(String::new()),
        (_, 1) => Some("a".into()),
        (_, 2) => None,
        ([], _) => None,
        (names, _) => Some(dice.pick(names).clone()),
    }
}

/// A JSON object, written by hand: names can come twice, and be escaped.
fn object(dice: &mut Dice, written: &Written, other: Option<&Written>) -> String {
    let mut members = vec![("query".to_owned(), json!(written.text))];
    if !written.variables.is_empty() || dice.one_in(3) {
        members.push(("variables".to_owned(), json!(written.variables)));
    }
    match operation(dice, written) {
        Some(name) => members.push(("operationName".to_owned(), json!(name))),
        None if dice.one_in(3) => members.push(("operationName".to_owned(), Value::Null)),
        None => {}
    }
    if let Some(other) = other {
        match dice.below(4) {
            0 => members.push(("operationName".to_owned(), json!("B"))),
            1 => members.push(("Query".to_owned(), json!(other.text))),
            _ => members.push(("query".to_owned(), json!(other.text))),
        }
    }
    if dice.one_in(12) {
        let extra = *dice.pick(&["extensions", "id", "doc_id", "clientName", "documentId"]);
        members.push((
            extra.to_owned(),
            if extra == "extensions" {
                json!({})
            } else {
                json!("x")
            },
        ));
    }
    for at in (1..members.len()).rev() {
        members.swap(at, dice.below(at + 1));
    }
    let written: Vec<String> = members
        .iter()
        .map(|(name, value)| {
            let name = match name.split_at(1) {
                (first, rest) if dice.one_in(14) => {
                    format!("\"\\u{:04X}{rest}\"", u32::from(first.as_bytes()[0]))
                }
                _ => json!(name).to_string(),
            };
            format!("{name}{}{value}", dice.pick(&[":", ": "]))
        })
        .collect();
    format!("{{{}}}", written.join(","))
}

/// A POST of JSON, or of what is called something else.
fn posted(dice: &mut Dice, target: String, mut body: String) -> Sent {
    match dice.below(24) {
        0 => body.insert(0, '\u{feff}'),
        1 => body.push_str(" {}"),
        2 => body.push_str("\n\n"),
        3 => body.push('\0'),
        _ => {}
    }
    let kind = *dice.pick(&[
        "application/json",
        "application/json",
        "application/json",
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;Charset=\"UTF-8\"",
        "application/json; charset=utf-16le",
        "application/json; charset=iso-8859-1",
        "application/graphql+json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ]);
    let wide = kind.contains("utf-16");
    let bytes = match wide {
        true => body.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        false => body.into_bytes(),
    };
    let mut headers = vec![];
    if !kind.is_empty() {
        headers.push(("content-type", kind.to_owned()));
    }
    encoded(dice, target, headers, bytes)
}

/// Puts a content encoding on, now and then, or says so of what has none.
fn encoded(
    dice: &mut Dice,
    target: String,
    mut headers: Vec<(&'static str, String)>,
    mut body: Vec<u8>,
) -> Sent {
    let level = flate2::Compression::fast();
    match dice.below(14) {
        0 | 1 => {
            let mut gzip = flate2::write::GzEncoder::new(vec![], level);
            gzip.write_all(&body).unwrap();
            body = gzip.finish().unwrap();
            headers.push(("content-encoding", "gzip".to_owned()));
        }
        2 => {
            let mut zlib = flate2::write::ZlibEncoder::new(vec![], level);
            zlib.write_all(&body).unwrap();
            body = zlib.finish().unwrap();
            headers.push(("content-encoding", "deflate".to_owned()));
        }
        3 => headers.push(("content-encoding", "identity".to_owned())),
        4 => headers.push(("content-encoding", "gzip".to_owned())),
        _ => {}
    }
    headers.push(("content-length", body.len().to_string()));
    Sent {
        method: "POST",
        target,
        headers,
        body,
    }
}

/// The parts as pairs, one of them now and then twice.
fn pairs(dice: &mut Dice, written: &Written) -> String {
    let mut all = vec![("query", written.text.clone())];
    if !written.variables.is_empty() {
        all.push(("variables", json!(written.variables).to_string()));
    }
    all.extend(operation(dice, written).map(|name| ("operationName", name)));
    if dice.one_in(8) {
        let again = all[dice.below(all.len())].clone();
        all.push(again);
    }
    Serializer::new(String::new()).extend_pairs(all).finish()
}

fn get(dice: &mut Dice, written: &Written) -> Sent {
    Sent {
        method: "GET",
        target: format!("{PATH}?{}", pairs(dice, written)),
        headers: vec![("accept", "application/json".to_owned())],
        body: vec![],
    }
}

fn form(dice: &mut Dice, written: &Written) -> Sent {
    let body = pairs(dice, written);
    let kind = "application/x-www-form-urlencoded".to_owned();
    encoded(
        dice,
        PATH.to_owned(),
        vec![("content-type", kind)],
        body.into_bytes(),
    )
}

/// The document as the body, the rest in the URL.
fn text(dice: &mut Dice, written: &Written) -> Sent {
    let mut url = Serializer::new(String::new());
    if !written.variables.is_empty() {
        url.append_pair("variables", &json!(written.variables).to_string());
    }
    if let Some(name) = operation(dice, written) {
        url.append_pair("operationName", &name);
    }
    let kind = vec![("content-type", "application/graphql".to_owned())];
    let body = written.text.clone().into_bytes();
    encoded(dice, format!("{PATH}?{}", url.finish()), kind, body)
}
