//! Any request at all: reading ends, agrees with other readers where it accepts, and is stable.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::*;
use crate::http::{Carried, Part};

const BOUNDARY: &str = "x9boundary";

/// Pieces that readers stumble over, to be strung together.
const PIECES: &[&str] = &[
    "/",
    "//",
    "a",
    "B",
    "1",
    ".",
    "..",
    "%",
    "%2",
    "%2e",
    "%2F",
    "%5c",
    "%25",
    "%00",
    "%c3%bc",
    "%ff",
    "\\",
    ";",
    "?",
    "&",
    "=",
    "+",
    "#",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\0",
    "ü",
    ":",
    "@",
    "[",
    "]",
    "\"",
    "'",
    ",",
    "{",
    "}",
    "-",
    "--",
    "--x9boundary",
    "_method=DELETE",
    "chunked",
    "gzip",
    "identity",
    "application/json",
    "application/cbor",
    "multipart/form-data; boundary=x9boundary",
    "application/x-www-form-urlencoded",
    "text/xml",
    "; charset=utf-8",
    "api.example.com",
    ":443",
    "0x7f.1",
    "[::1]",
    "127.0.0.1",
    "Content-Disposition: form-data; name=\"a\"",
    "filename*=utf-8''x",
    "<a>",
    "</a>",
    "<?xml version=\"1.0\"?>",
    "<!DOCTYPE a>",
    "\u{feff}",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "\\u0061",
    "\\ud800",
    "1e999",
    "null",
    "\u{1f}\u{8b}",
    "\x78\x01",
    "\u{a1}a",
    "0\r\n\r\n",
];

const MEDIA_TYPES: &[&str] = &[
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x9boundary",
    "text/xml",
    "application/cbor",
    "application/graphql",
    "text/plain; charset=latin1",
];

const NAMES: &[&str] = &[
    "host",
    "Host",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "expect",
    "authorization",
    "x-http-method-override",
    "x-forwarded-host",
    "forwarded",
    "cookie",
    "x-any",
    "x_any",
    "content_length",
    "accept",
    "te",
    "a b",
    "",
];

fn strung(most: usize) -> impl Strategy<Value = String> {
    vec(prop::sample::select(PIECES), 0..most).prop_map(|pieces| pieces.concat())
}

/// Mostly what was strung together, and any bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => strung(12).prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..64)]
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "M-SEARCH", "get", "CONNECT", "", "G T",
    ])
}

/// Any, and often a media type or an encoding that is known, so that bodies are reached.
fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let known = |name: &'static str, values: &'static [&'static str]| {
        option::of(
            prop::sample::select(values).prop_map(move |value| (name, value.as_bytes().to_vec())),
        )
    };
    let media = known("content-type", MEDIA_TYPES);
    let encoding = known(
        "content-encoding",
        &["gzip", "deflate", "zstd", "aws-chunked", "identity"],
    );
    let any = vec((prop::sample::select(NAMES), bytes()), 0..2);
    (
        media,
        option::weighted(0.2, encoding),
        option::weighted(0.3, any),
    )
        .prop_map(|(media, encoding, any)| {
            media
                .into_iter()
                .chain(encoding.flatten())
                .chain(any.unwrap_or_default())
                .collect()
        })
}

/// Where it goes: mostly in order.
fn place() -> impl Strategy<Value = String> {
    prop_oneof![9 => Just("api.example.com".to_owned()), 1 => strung(3)]
}

fn version() -> impl Strategy<Value = Version> {
    prop::sample::select(vec![Version::Http10, Version::Http11, Version::Http2])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn reading_ends_and_what_is_read_is_in_order(
        method in method(), version in version(), target in prop_oneof![Just("/".to_owned()), strung(8)], sent in headers(), body in bytes(),
        authority in option::weighted(0.9, place()), tls_name in option::of(place()), tunnel in option::of(place()), reverse in option::weighted(0.1, place()),
    ) {
        let headers: Vec<(&str, &[u8])> = sent.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        let raw = Raw {
            method, version, scheme: Scheme::Https, authority: authority.as_deref(), target: &target, headers: &headers,
            tls_name: tls_name.as_deref(), tunnel: tunnel.as_deref(), reverse: reverse.as_deref(), body: RawBody::Whole(&body),
        };
        if let Ok(request) = read(&raw) {
            in_order(&request);
        }
    }

    #[test]
    fn a_path_and_a_query_are_what_others_read(path in strung(5), query in strung(6)) {
        let target = format!("/{path}?{query}");
        let headers = [("host", &b"api.example.com"[..])];
        let Ok(request) = read(&plain("GET", &target, &headers, RawBody::Absent)) else { return Ok(()) };
        in_order(&request);
        let url = Url::parse(&format!("https://api.example.com{target}")).unwrap();
        let segments: Vec<String> = url.path_segments().unwrap().filter(|segment| !segment.is_empty()).map(decoded).collect();
        prop_assert_eq!(&request.segments, &segments);
        let pairs: Vec<(String, String)> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        prop_assert_eq!(&request.query, &pairs);
    }

    #[test]
    fn a_form_is_what_others_read(form in strung(8)) {
        let headers = [("host", &b"api.example.com"[..]), ("content-type", b"application/x-www-form-urlencoded")];
        let Ok(request) = read(&plain("POST", "/", &headers, RawBody::Whole(form.as_bytes()))) else { return Ok(()) };
        let pairs: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let expected = if form.is_empty() { Body::Absent } else { Body::Form(pairs) };
        prop_assert_eq!(request.body, expected);
    }

    #[test]
    fn a_body_of_json_is_what_others_read(text in json_text()) {
        let headers = [("host", &b"api.example.com"[..]), ("content-type", b"application/json")];
        let read = read(&plain("POST", "/", &headers, RawBody::Whole(text.as_bytes())));
        let others: Result<Value, _> = serde_json::from_str(&text);
        match (read, others) {
            (Ok(request), Ok(value)) => prop_assert_eq!(request.body, Body::Json(value)),
            (Ok(_), Err(error)) => prop_assert!(text.is_empty(), "{}", error),
            // What others read and we do not has a key that stands twice.
            (Err(refusal), Ok(_)) => prop_assert!(refusal.what.contains("twice"), "{}", refusal),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn what_was_read_reads_the_same_when_it_is_written_again(request in request()) {
        let sent = Written::of(&request);
        let first = sent.read();
        prop_assert_eq!(first.as_ref(), Ok(&request));
        let again = Written::of(&first.unwrap()).read();
        prop_assert_eq!(again, Ok(request));
    }
}

/// What holds of every request that was read.
fn in_order(request: &Request) {
    assert!(
        request
            .method
            .bytes()
            .all(|byte| !byte.is_ascii_lowercase())
    );
    assert!(!request.host.is_empty() && !request.host.ends_with('.'));
    assert_eq!(request.host, request.host.to_ascii_lowercase());
    for segment in &request.segments {
        assert!(
            !segment.is_empty()
                && !segment.contains('\\')
                && !segment.chars().any(char::is_control)
        );
        assert!(
            segment
                .split('/')
                .all(|piece| piece != "." && piece != "..")
        );
    }
    for (name, value) in &request.headers {
        assert_eq!(*name, name.to_ascii_lowercase());
        assert!(!value.contains(['\r', '\n', '\0']));
    }
}

fn plain<'a>(
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a [u8])],
    body: RawBody<'a>,
) -> Raw<'a> {
    Raw {
        method,
        version: Version::Http11,
        scheme: Scheme::Https,
        authority: None,
        target,
        headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body,
    }
}

/// As a form would, which a path is but for `+`.
fn decoded(segment: &str) -> String {
    let pair = format!("={}", segment.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes())
        .next()
        .unwrap()
        .1
        .into_owned()
}

fn json_text() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"A\"",
        "\"\\u0061\"",
        "\"b\"",
        "1",
        "-1.5",
        "true",
        "null",
        " ",
    ];
    let strung =
        vec(prop::sample::select(pieces.to_vec()), 0..10).prop_map(|pieces| pieces.concat());
    let key = prop::sample::select(vec!["\"a\"", "\"A\"", "\"\\u0061\"", "\"b\"", "\"c\""]);
    let leaf = prop::sample::select(vec![
        "1", "-1.5", "true", "null", "\"x\"", "1e3", "[]", "{}",
    ])
    .prop_map(ToOwned::to_owned);
    let nested = leaf.prop_recursive(3, 16, 3, move |inner| {
        let object = vec((key.clone(), inner.clone()), 0..3).prop_map(|entries| {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key}:{value}"))
                .collect();
            format!("{{{}}}", entries.join(","))
        });
        let list = vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(",")));
        prop_oneof![object, list]
    });
    prop_oneof![1 => strung, 3 => nested]
}

/// Requests in the form that reading brings them to.
fn request() -> impl Strategy<Value = Request> {
    let segment = "[a-zA-Z0-9 +:@~ü日/-]{1,8}";
    let name = "[a-zA-Z0-9 +&=ü./\\[\\]-]{1,6}";
    let value = "[a-zA-Z0-9 +&=%;#\"ü\n/-]{0,8}";
    let pairs = vec((name, value), 0..4);
    (
        vec(segment, 0..4),
        pairs,
        body(),
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH"]),
    )
        .prop_map(|(segments, query, (media_type, body), method)| {
            let raw_path = path_of(&segments);
            let mut headers = vec![("host".to_owned(), "api.example.com".to_owned())];
            headers.extend(media_type.map(|media_type| ("content-type".to_owned(), media_type)));
            Request {
                method: method.to_owned(),
                scheme: Scheme::Https,
                host: "api.example.com".to_owned(),
                port: 443,
                raw_path,
                segments,
                query,
                headers,
                body,
            }
        })
}

fn path_of(segments: &[String]) -> String {
    let segments: Vec<String> = segments
        .iter()
        .map(|segment| encoded(segment).replace('+', "%20"))
        .collect();
    format!("/{}", segments.join("/"))
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn body() -> impl Strategy<Value = (Option<String>, Body)> {
    let told = |media_type: &str| Some(media_type.to_owned());
    let structure = value().prop_filter("a list or an object", |value| {
        value.is_array() || value.is_object()
    });
    let name = "[a-zA-Z0-9 ü./-]{1,6}";
    let part =
        (name, option::of(name), vec(any::<u8>(), 0..16)).prop_map(|(name, file, content)| Part {
            name: Some(name),
            file,
            media_type: "text/plain".to_owned(),
            content: Carried(content),
        });
    prop_oneof![
        Just((None, Body::Absent)),
        value().prop_map(move |value| (told("application/json"), Body::Json(value))),
        structure.prop_map(move |value| (told("application/cbor"), Body::Cbor(value))),
        vec(("[a-z&=+% ü]{1,6}", "[a-z&=+%; ü]{0,6}"), 1..4)
            .prop_map(move |pairs| (told("application/x-www-form-urlencoded"), Body::Form(pairs))),
        vec(part, 0..4).prop_map(|parts| (
            Some(format!("multipart/form-data; boundary={BOUNDARY}")),
            Body::Multipart(parts)
        )),
        "[a-z &;ü]{0,8}".prop_map(move |text| (
            told("text/xml"),
            Body::Xml(format!("<a><![CDATA[{text}]]></a>"))
        )),
        ".{1,16}".prop_map(move |text| (
            told("text/plain"),
            Body::Text {
                media_type: "text/plain".to_owned(),
                text
            }
        )),
        vec(any::<u8>(), 1..16).prop_map(move |bytes| {
            let media_type = "application/octet-stream".to_owned();
            (
                Some(media_type.clone()),
                Body::Bytes {
                    media_type,
                    bytes: Carried(bytes),
                },
            )
        }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) + 0.5)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z0-9]{0,4}", inner, 0..4).prop_map(|entries: BTreeMap<String, Value>| {
                Value::Object(entries.into_iter().collect())
            }),
        ]
    })
}

/// A request put on the wire again.
struct Written {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Written {
    fn of(request: &Request) -> Self {
        let query: Vec<String> = request.query.iter().map(pair).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        Self {
            method: request.method.clone(),
            target: format!("{}{mark}{}", path_of(&request.segments), query.join("&")),
            headers: request.headers.clone(),
            body: body_of(&request.body),
        }
    }

    fn read(&self) -> Result<Request, Refused> {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        read(&plain(
            &self.method,
            &self.target,
            &headers,
            RawBody::Whole(&self.body),
        ))
    }
}

fn pair((name, value): &(String, String)) -> String {
    format!("{}={}", encoded(name), encoded(value))
}

fn body_of(body: &Body) -> Vec<u8> {
    match body {
        Body::Absent | Body::Streamed { .. } => Vec::new(),
        Body::Json(value) => serde_json::to_vec(value).unwrap(),
        Body::Cbor(value) => {
            let mut bytes = Vec::new();
            ciborium::into_writer(value, &mut bytes).unwrap();
            bytes
        }
        Body::Form(pairs) => pairs
            .iter()
            .map(pair)
            .collect::<Vec<_>>()
            .join("&")
            .into_bytes(),
        Body::Multipart(parts) => parts_of(parts),
        Body::Xml(text) | Body::Text { text, .. } => text.clone().into_bytes(),
        Body::Bytes { bytes, .. } => bytes.0.clone(),
    }
}

fn parts_of(parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let name = part.name.as_deref().unwrap_or_default();
        let file = part
            .file
            .as_deref()
            .map(|file| format!("; filename=\"{file}\""))
            .unwrap_or_default();
        out.extend(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
            )
            .bytes(),
        );
        out.extend(&part.content.0);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{BOUNDARY}--\r\n").bytes());
    out
}
