//! What a client makes anew at every call, taken out of what an approval is bound to: the call that repeats an approved one
//! would be another one for ever otherwise.
//!
//! It must leave out nothing else. So a token's value is written over and the request is read again: only where that alone
//! has become another is it left out. What is sent is never touched.

use backstop_core::digest::Digest;
use backstop_wire::http::Request;
use backstop_wire::providers::IdempotencyToken;
use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use memchr::memmem;

use crate::http::Head;

/// Longer values are no tokens.
const LONGEST: usize = 128;

/// What the client says of its body besides, where it is signed.
const HASHED: &str = "x-amz-content-sha256";

/// Head and body with zeros for the values of these tokens. `read` reads a request as its server would.
pub(super) fn settled(
    head: &Head,
    body: &Bytes,
    tokens: &[IdempotencyToken],
    read: impl Fn(&Head, &Bytes) -> Option<Request>,
) -> (Head, Bytes) {
    let mut now = (head.clone(), body.clone());
    for token in tokens {
        if let Some(next) = without(&now.0, &now.1, token, &read) {
            now = next;
        }
    }
    now
}

fn without(
    head: &Head,
    body: &Bytes,
    token: &IdempotencyToken,
    read: &impl Fn(&Head, &Bytes) -> Option<Request>,
) -> Option<(Head, Bytes)> {
    let mut expected = read(head, body)?;
    let value = token.value(&mut expected)?;
    if !is_plain(value) {
        return None;
    }
    let zeros = "0".repeat(value.len());
    let told = std::mem::replace(value, zeros.clone());
    let (mut head, before) = (head.clone(), body);
    let mut body = before.clone();
    match token {
        IdempotencyToken::Query(_) => {
            let target = once(head.target.as_str().as_bytes(), &told, &zeros)?;
            head.target = PathAndQuery::try_from(target.as_slice()).ok()?;
        }
        IdempotencyToken::Header(name) => {
            *head.headers.get_mut(name.as_str())? = HeaderValue::from_str(&zeros).ok()?;
        }
        IdempotencyToken::Body(_) => body = once(before, &told, &zeros)?.into(),
    }
    if read(&head, &body)? != expected {
        return None;
    }
    // A hash of the body says nothing more than the body.
    if let Some(hash) = head.headers.get_mut(HASHED)
        && *hash == Digest::of(before).to_hex()
    {
        *hash = HeaderValue::from_str(&Digest::of(&body).to_hex()).ok()?;
    }
    Some((head, body))
}

/// What every reader takes as it stands, in every place: UUIDs and what else tokens are made of.
fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=LONGEST).contains(&value.len()) && value.bytes().all(plain)
}

/// The bytes with zeros for what stands in them once.
fn once(within: &[u8], told: &str, zeros: &str) -> Option<Vec<u8>> {
    let mut places = memmem::find_iter(within, told);
    let (Some(at), None) = (places.next(), places.next()) else {
        return None;
    };
    let (before, rest) = within.split_at_checked(at)?;
    let after = rest.get(told.len()..)?;
    Some([before, zeros.as_bytes(), after].concat())
}

#[cfg(test)]
mod tests {
    use backstop_wire::http::{self, Raw, RawBody, Scheme, Version};
    use backstop_wire::providers::IdempotencyToken::{Body, Header, Query};
    use hyper::{HeaderMap, Method};

    use super::*;

    const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    const CBOR: (&str, &str) = ("content-type", "application/cbor");
    const ONE: &str = "6f1c2d3e-0a4b-4c5d-8e6f-7a8b9c0d1e2f";
    const OTHER: &str = "00b7f2aa-55c1-4d0e-9b1d-3f2e1d0c9b8a";

    fn read(head: &Head, body: &Bytes) -> Option<Request> {
        let headers: Vec<(&str, &[u8])> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        http::read(&Raw {
            method: head.method.as_str(),
            version: Version::Http11,
            scheme: Scheme::Https,
            authority: None,
            target: head.target.as_str(),
            headers: &headers,
            tls_name: None,
            tunnel: None,
            reverse: None,
            body: RawBody::Whole(body),
        })
        .ok()
    }

    fn head(target: &str, headers: &[(&str, &str)]) -> Head {
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static("api.example"));
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        Head {
            method: Method::POST,
            version: hyper::Version::HTTP_11,
            scheme: Scheme::Https,
            site: None,
            authority: None,
            target: target.parse().unwrap(),
            headers: map,
            presented: None,
            upgrade: None,
            trailers: false,
        }
    }

    /// All that is bound of a request with that token in it, in one text.
    fn bound(
        token: &IdempotencyToken,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> String {
        let head = head(target, headers);
        let (head, body) = settled(&head, &body.into(), std::slice::from_ref(token), read);
        format!("{} {:?} {body:?}", head.target, head.headers)
    }

    /// The CBOR of `{"ClientToken": value, "Name": name}`.
    fn cbor(value: &str, name: &str) -> Vec<u8> {
        let text = |out: &mut Vec<u8>, text: &str| {
            out.extend([0x78, u8::try_from(text.len()).unwrap()]);
            out.extend(text.bytes());
        };
        let mut out = vec![0xa2];
        for part in ["ClientToken", value, "Name", name] {
            text(&mut out, part);
        }
        out
    }

    #[test]
    fn two_calls_that_differ_in_their_token_are_one() {
        let json = |value: &str| format!(r#"{{"Name": "a", "ClientToken": "{value}"}}"#);
        let form = |value: &str| format!("Action=RunInstances&ClientToken={value}&ImageId=ami-1");
        let token = Body("ClientToken".into());
        for (headers, bodies) in [
            (JSON, [json(ONE), json(OTHER)].map(String::into_bytes)),
            (FORM, [form(ONE), form(OTHER)].map(String::into_bytes)),
            (CBOR, [cbor(ONE, "a"), cbor(OTHER, "a")]),
        ] {
            let [one, other] = bodies.map(|body| bound(&token, "/", &[headers], body));
            assert_eq!(one, other);
            assert!(!one.contains(ONE), "{one}");
        }
        let token = Query("clientToken".into());
        let asked = |value: &str| format!("/a?x=1&clientToken={value}");
        assert_eq!(
            bound(&token, &asked(ONE), &[], ""),
            bound(&token, &asked(OTHER), &[], "")
        );
        let token = Header("x-amz-client-token".into());
        assert_eq!(
            bound(&token, "/", &[("x-amz-client-token", ONE)], ""),
            bound(&token, "/", &[("x-amz-client-token", OTHER)], "")
        );
    }

    #[test]
    fn the_bodys_hash_does_not_count_besides_and_another_does() {
        let token = Body("ClientToken".into());
        let asked = |value: &str, hash: Option<&str>| {
            let body = format!(r#"{{"ClientToken":"{value}"}}"#);
            let own = Digest::of(body.as_bytes()).to_hex();
            bound(&token, "/", &[JSON, (HASHED, hash.unwrap_or(&own))], body)
        };
        assert_eq!(asked(ONE, None), asked(OTHER, None));
        let wrong = Digest::of(b"another").to_hex();
        assert_ne!(asked(ONE, None), asked(OTHER, Some(&wrong)));
        assert_ne!(asked(ONE, None), asked(ONE, Some("UNSIGNED-PAYLOAD")));
    }

    /// Each pair differs in more than its token, or is no token's: both halves have the text `@`, and once it is another.
    #[test]
    fn nothing_else_hides_behind_a_token() {
        let longer = "a".repeat(LONGEST + 1);
        for (headers, body) in [
            // A member of the same name elsewhere.
            (JSON, r#"{"Spec":{"ClientToken":"@"}}"#),
            (
                JSON,
                r#"{"ClientToken":"fixed","Spec":{"ClientToken":"@"}}"#,
            ),
            (JSON, r#"{"ClientToken":{"ClientToken":"@"}}"#),
            (JSON, r#"[{"ClientToken":"@"}]"#),
            (JSON, r#"{"ClientToken":["@"]}"#),
            // The same value in two places: the other one counts.
            (JSON, r#"{"ClientToken":"@","Name":"@"}"#),
            (JSON, r#"{"ClientToken":"@","@":1}"#),
            // Twice, in other letters, or in other words for the letters.
            (JSON, r#"{"ClientToken":"@","ClientToken":"@x"}"#),
            (JSON, r#"{"ClientToken":"fixed","ClientToken":"@"}"#),
            (JSON, r#"{"ClientToken":"fixed","clienttoken":"@"}"#),
            (JSON, r#"{"clienttoken":"@"}"#),
            (JSON, r#"{"ClientToken":"fixed","Client\u0054oken":"@"}"#),
            (JSON, r#"{"ClientToken":"\u0040@"}"#),
            (JSON, r#"{"ClientToken":"a@\",\"DryRun\":\"true"}"#),
            (JSON, r#"{"ClientToken":"@","Note":"not @ alone"}"#),
            // No text, or none that every server reads as it stands.
            (JSON, r#"{"ClientToken":"@ with more"}"#),
            (JSON, r#"{"ClientToken":"@ü"}"#),
            (JSON, r#"{"ClientToken":"@/../x"}"#),
            // Not read as its server would.
            (JSON, r#"{"ClientToken":"@"} x"#),
            (("content-type", "text/plain"), r#"{"ClientToken":"@"}"#),
            (
                ("content-type", "application/octet-stream"),
                r#"{"ClientToken":"@"}"#,
            ),
            (FORM, "ClientToken=fixed&ClientToken=@"),
            (FORM, "ClientToken=@&ClientToken=@"),
            (FORM, "ClientToken=fixed&Client%54oken=@"),
            (FORM, "ClientToken=%41@"),
            (FORM, "ClientToken=@+x"),
            (FORM, "ClientToken.1=@"),
            (FORM, "clienttoken=@"),
            (FORM, "ClientToken=@&Name=@"),
        ] {
            let token = Body("ClientToken".into());
            let [one, other] =
                [ONE, OTHER].map(|value| bound(&token, "/", &[headers], body.replace('@', value)));
            assert_ne!(one, other, "{body}");
        }
        let token = Body("ClientToken".into());
        let json = |value: &str, more: &str| format!(r#"{{"ClientToken":"{value}"{more}}}"#);
        for (one, other) in [
            // All else counts byte for byte.
            (json(ONE, ""), json(OTHER, r#","Name":"a""#)),
            (json(ONE, ""), json(OTHER, " ")),
            (json(ONE, r#","Name":"a""#), json(OTHER, r#","Name":"b""#)),
            // Of another length; none at all; too long.
            (json(ONE, ""), json("short", "")),
            (json("", ""), json(ONE, "")),
            (json(&longer, ""), json(&longer.replace('a', "b"), "")),
        ] {
            assert_ne!(
                bound(&token, "/", &[JSON], one.clone()),
                bound(&token, "/", &[JSON], other),
                "{one}"
            );
        }
        assert_ne!(
            bound(&token, "/", &[CBOR], cbor(ONE, "a")),
            bound(&token, "/", &[CBOR], cbor(OTHER, "b"))
        );
        assert_ne!(
            bound(&token, "/", &[CBOR], cbor(ONE, ONE)),
            bound(&token, "/", &[CBOR], cbor(OTHER, OTHER))
        );
        // In the query and among the headers.
        let token = Query("clientToken".into());
        for target in [
            "/a?clientToken=fixed&clientToken=@",
            "/a?clientToken=@&clientToken=@",
            "/a?clientToken=fixed&client%54oken=@",
            "/a?clientToken=%41@",
            "/a/@?clientToken=@",
            "/a/clientToken=@",
            "/a?clienttoken=@",
        ] {
            let [one, other] =
                [ONE, OTHER].map(|value| bound(&token, &target.replace('@', value), &[], ""));
            assert_ne!(one, other, "{target}");
        }
        let token = Header("x-amz-client-token".into());
        let name = "x-amz-client-token";
        for (one, other) in [
            (
                vec![(name, ONE), (name, OTHER)],
                vec![(name, OTHER), (name, ONE)],
            ),
            (
                vec![(name, ONE), ("x-mode", "a")],
                vec![(name, OTHER), ("x-mode", "b")],
            ),
            (
                vec![("x-client-token", ONE)],
                vec![("x-client-token", OTHER)],
            ),
        ] {
            assert_ne!(
                bound(&token, "/", &one, ""),
                bound(&token, "/", &other, ""),
                "{one:?}"
            );
        }
    }

    /// The token of one operation is none of another: whoever reads says where one stands.
    #[test]
    fn without_a_token_everything_counts() {
        let body = |value: &str| Bytes::from(format!(r#"{{"ClientToken":"{value}"}}"#));
        let plain = |value: &str| settled(&head("/", &[JSON]), &body(value), &[], read).1;
        assert_eq!(plain(ONE), body(ONE));
        assert_ne!(plain(ONE), plain(OTHER));
    }
}
