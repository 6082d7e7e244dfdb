//! Kept credentials in the place of their placeholders, in what is sent to the target that revealed them.
//!
//! What a request means must not change by it: the caller reads it again, and compares.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::PathAndQuery;

use super::kept::Kept;
use crate::http::Head;

/// One stands where it cannot be put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misplaced(pub(super) &'static str);

/// Whether any of them stands in a request.
pub(super) fn stands(head: &Head, body: &[u8], kept: &[Arc<Kept>]) -> bool {
    kept.iter().any(|one| {
        let name = one.placeholder.as_bytes();
        has(head.target.as_str().as_bytes(), name)
            || head
                .headers
                .values()
                .any(|value| has(value.as_bytes(), name))
            || has(body, name)
    })
}

/// Head and body with the credentials in.
pub(super) fn put_in(
    head: &mut Head,
    body: &Bytes,
    kept: &[Arc<Kept>],
) -> Result<Bytes, Misplaced> {
    let mut body = body.clone();
    for one in kept {
        in_target(head, one)?;
        in_headers(head, one)?;
        if has(&body, one.placeholder.as_bytes()) {
            body = in_body(head, &body, one)?.into();
        }
    }
    Ok(body)
}

/// The head with the credentials in, of a request whose body quotes. What is quoted stays as it is, and so does the rest of
/// that body, `said`: nobody sees from outside which of the two a placeholder stands in.
pub(super) fn put_in_head(
    head: &mut Head,
    said: &[u8],
    kept: &[Arc<Kept>],
) -> Result<(), Misplaced> {
    for one in kept {
        if has(said, one.placeholder.as_bytes()) {
            return Err(Misplaced("a body that quotes texts"));
        }
        in_target(head, one)?;
        in_headers(head, one)?;
    }
    Ok(())
}

fn has(bytes: &[u8], name: &[u8]) -> bool {
    !name.is_empty() && memchr::memmem::find(bytes, name).is_some()
}

fn in_target(head: &mut Head, one: &Kept) -> Result<(), Misplaced> {
    let target = head.target.as_str();
    if !target.contains(&one.placeholder) {
        return Ok(());
    }
    let with = target.replace(&one.placeholder, &percent(one.secret.reveal()));
    head.target = PathAndQuery::try_from(with).map_err(|_| Misplaced("the URL"))?;
    Ok(())
}

fn in_headers(head: &mut Head, one: &Kept) -> Result<(), Misplaced> {
    for value in head.headers.values_mut() {
        let Some(text) = value
            .to_str()
            .ok()
            .filter(|text| text.contains(&one.placeholder))
        else {
            continue;
        };
        let with = text.replace(&one.placeholder, one.secret.reveal());
        let mut with = HeaderValue::from_str(&with).map_err(|_| Misplaced("a header"))?;
        with.set_sensitive(true);
        *value = with;
    }
    Ok(())
}

/// By the body's own rules for texts.
fn in_body(head: &Head, body: &[u8], one: &Kept) -> Result<Vec<u8>, Misplaced> {
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (name, secret) = (one.placeholder.as_bytes(), one.secret.reveal());
    if kind == "application/x-www-form-urlencoded" {
        return replaced(body, name, |_, _| Ok(percent(secret)));
    }
    let json = kind == "application/json" || kind.ends_with("+json") || kind.contains("json");
    let escaped = serde_json::to_string(secret).unwrap_or_default();
    let escaped = escaped.trim_start_matches('"');
    let escaped = escaped.strip_suffix('"').unwrap_or(escaped);
    replaced(body, name, |before, after| {
        let whole = json
            && before.ends_with(b"\"")
            && !before.ends_with(b"\\\"")
            && after.starts_with(b"\"");
        match (whole, is_plain(secret)) {
            (true, _) => Ok(escaped.to_owned()),
            (false, true) => Ok(secret.to_owned()),
            (false, false) => Err(Misplaced("the middle of a text in the body")),
        }
    })
}

fn replaced(
    body: &[u8],
    name: &[u8],
    with: impl Fn(&[u8], &[u8]) -> Result<String, Misplaced>,
) -> Result<Vec<u8>, Misplaced> {
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(body, name) {
        let (before, after) = body.split_at(at);
        let after = after.get(name.len()..).unwrap_or_default();
        out.extend_from_slice(before.get(from..).unwrap_or_default());
        out.extend_from_slice(with(before, after)?.as_bytes());
        from = at + name.len();
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Ok(out)
}

/// Whether a text means itself wherever it stands.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.~:/+=@".contains(&b))
}

fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use backstop_core::secret::Secret;
    use backstop_wire::http::Scheme;
    use hyper::{HeaderMap, Method, Version};

    use super::*;

    fn head(kind: &str, target: &str) -> Head {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        headers.insert("x-token", "bsp_a".parse().unwrap());
        Head {
            method: Method::POST,
            version: Version::HTTP_11,
            scheme: Scheme::Https,
            site: None,
            authority: None,
            target: target.parse().unwrap(),
            headers,
            presented: None,
            upgrade: None,
            trailers: false,
        }
    }

    fn kept(secret: &str) -> [Arc<Kept>; 1] {
        [Arc::new(Kept {
            placeholder: "bsp_a".into(),
            secret: Secret::new(secret.into()),
        })]
    }

    fn swapped(kind: &str, target: &str, body: &str, secret: &str) -> Result<String, Misplaced> {
        let (mut head, kept) = (head(kind, target), kept(secret));
        let body = Bytes::copy_from_slice(body.as_bytes());
        assert!(stands(&head, &body, &kept));
        let out = put_in(&mut head, &body, &kept)?;
        let token = head.headers["x-token"].to_str().unwrap().to_owned();
        let out = String::from_utf8(out.to_vec()).unwrap();
        Ok(format!("{} {token} {out}", head.target))
    }

    #[test]
    fn nothing_is_put_into_a_body_that_quotes() {
        let mut head = head("application/json", "/x?k=bsp_a");
        let kept = kept("abc");
        assert!(put_in_head(&mut head, br#"{"v":"bsp_b"}"#, &kept).is_ok());
        assert_eq!(head.target, "/x?k=abc");
        assert_eq!(head.headers["x-token"], "abc");
        let refused = put_in_head(&mut head, br#"{"v":"bsp_a"}"#, &kept);
        assert!(refused.is_err());
    }

    #[test]
    fn each_place_has_its_own_way_of_writing() {
        let json = "application/json; charset=utf-8";
        for (kind, target, body, secret, wanted) in [
            (
                json,
                "/x",
                r#"{"v":"bsp_a"}"#,
                "a\"b\\",
                Some(r#"/x a"b\ {"v":"a\"b\\"}"#),
            ),
            (json, "/x?k=bsp_a", "{}", "a/b", Some("/x?k=a%2Fb a/b {}")),
            (
                "application/x-www-form-urlencoded",
                "/x",
                "k=bsp_a&l=1",
                "a&l=2",
                Some("/x a&l=2 k=a%26l%3D2&l=1"),
            ),
            (
                json,
                "/x",
                r#"{"query":"{a(b:\"bsp_a\")}"}"#,
                "abc",
                Some(r#"/x abc {"query":"{a(b:\"abc\")}"}"#),
            ),
            (json, "/x", r#"{"query":"{a(b:\"bsp_a\")}"}"#, "a\")}", None),
            ("text/plain", "/x", "bsp_a", "a b", None),
        ] {
            let got = swapped(kind, target, body, secret);
            assert_eq!(
                got.ok().as_deref(),
                wanted,
                "{kind} {target} {body} {secret}"
            );
        }
        assert_eq!(
            swapped(json, "/x", "{}", "a\nb"),
            Err(Misplaced("a header"))
        );
    }
}
