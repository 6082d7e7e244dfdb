//! What becomes of a target's answer: no real credential comes back, a refused credential stops the lease, and what an
//! API hands to the lease is not foreign when it comes again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use backstop_wire::secrets::{Known, Stream};
use bytes::Bytes;
use hyper::header;
use hyper::{HeaderMap, StatusCode};

use super::guard::Guard;
use crate::http::{Filter, ResponseHead, Stop};

/// Why a body was stopped, and its lease.
pub(super) const FOREIGN: &str = "a credential that this lease did not get, in the body";

/// How much of an answer is looked at for a refusal in a 200, in bytes.
pub(super) const REFUSAL: usize = 64 * 1024;

/// Masks the gate's own credentials in what passes.
pub(super) struct Masking(Stream<Arc<Known<usize>>>, Guard);

impl Masking {
    pub(super) fn new(known: Arc<Known<usize>>, guard: Guard) -> Self {
        Self(Stream::masker(known), guard)
    }
}

impl Filter for Masking {
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.1.poll_stopped(cx)
    }

    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.1.check()?;
        if let Some(free) = self.0.untouched(&bytes) {
            return Ok(bytes.slice(..free));
        }
        let mut out = Vec::with_capacity(bytes.len());
        let _ = self.0.feed(&bytes, &mut out);
        Ok(out.into())
    }

    fn end(&mut self) -> Result<Bytes, Stop> {
        let mut out = Vec::new();
        self.0.flush(&mut out);
        Ok(out.into())
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Stop> {
        trailers.clear();
        Ok(())
    }

    fn keeps_length(&self) -> bool {
        true
    }
}

/// Stops a body that passes as it comes where it carries a credential that the gate knows: before its last byte went.
pub(super) struct Watching {
    stream: Stream<Arc<Known<usize>>>,
    guard: Guard,
    tripped: Arc<AtomicBool>,
}

impl Watching {
    pub(super) fn new(known: Arc<Known<usize>>, guard: Guard) -> Self {
        Self {
            stream: Stream::finder(known),
            guard,
            tripped: Arc::default(),
        }
    }

    /// Becomes true when it found one.
    pub(super) fn tripped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.tripped)
    }
}

impl Filter for Watching {
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.guard.poll_stopped(cx)
    }

    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.guard.check()?;
        if let Some(free) = self.stream.untouched(&bytes) {
            return Ok(bytes.slice(..free));
        }
        let mut out = Vec::with_capacity(bytes.len());
        if !self.stream.feed(&bytes, &mut out).is_empty() {
            self.tripped.store(true, Ordering::Release);
            return Err(Stop(FOREIGN.into()));
        }
        Ok(out.into())
    }

    fn end(&mut self) -> Result<Bytes, Stop> {
        let mut out = Vec::new();
        self.stream.flush(&mut out);
        Ok(out.into())
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) -> Result<(), Stop> {
        trailers.clear();
        Ok(())
    }

    fn keeps_length(&self) -> bool {
        true
    }
}

/// Cuts what passes unchanged when its lease is stopped.
pub(super) struct Cutting(pub(super) Guard);

impl Filter for Cutting {
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.0.poll_stopped(cx)
    }

    fn data(&mut self, bytes: Bytes) -> Result<Bytes, Stop> {
        self.0.check().map(|()| bytes)
    }

    fn keeps_length(&self) -> bool {
        true
    }
}

/// Takes the gate's own credentials out of the headers of an answer, or of its trailers.
pub(super) fn mask_headers(headers: &mut HeaderMap, known: &Known<usize>) {
    for value in headers.values_mut() {
        if !known.find_in(value.as_bytes()).is_empty() {
            *value = header::HeaderValue::from_static("[credential]");
        }
    }
}

/// The cookies that an answer sets.
pub(super) fn cookies(head: &ResponseHead) -> impl Iterator<Item = &str> {
    head.headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter_map(|value| value.split(';').next())
        .filter_map(|pair| pair.split_once('=').map(|(_, value)| value.trim()))
}

/// Whether an answer says that the credential was refused. A limit on the rate of requests is none, though some say 403.
pub(super) fn is_refusal(head: &ResponseHead) -> bool {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let limited = header("retry-after").is_some()
        || ["x-ratelimit-remaining", "ratelimit-remaining"]
            .iter()
            .any(|name| header(name) == Some("0"));
    match head.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => !limited,
        _ => false,
    }
}

/// Where an API says that it refused a credential, beside the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// Nowhere.
    Nothing,
    /// In the errors of a 200.
    Graphql,
    /// In the type of a 400.
    Aws,
}

/// Whether an answer has a body in an encoding, in which nothing can be masked. It was asked for none.
pub(super) fn is_encoded(head: &ResponseHead) -> bool {
    let none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
    let mut encodings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    !none && encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether an answer is one that may say so in its body only.
pub(super) fn may_refuse_inside(head: &ResponseHead, inside: Inside) -> bool {
    let json = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("json"));
    match inside {
        Inside::Nothing => false,
        Inside::Graphql => json && head.status.is_success(),
        Inside::Aws => head.status == StatusCode::BAD_REQUEST,
    }
}

/// Whether an answer says in its body that the credential was refused.
pub(super) fn refuses_inside(body: &[u8], inside: Inside) -> bool {
    match inside {
        Inside::Nothing => false,
        Inside::Graphql => graphql_refuses(body),
        Inside::Aws => aws_refuses(body),
    }
}

/// The errors that every service of AWS has in common, in all of its formats.
fn aws_refuses(body: &[u8]) -> bool {
    const TYPES: [&str; 9] = [
        "AccessDeniedException",
        "AccessDenied",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "NotAuthorized",
        "UnrecognizedClientException",
    ];
    let text = String::from_utf8_lossy(body);
    let named = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| TYPES.contains(&word));
    named
        && ["__type", "<Code>", "Code"]
            .iter()
            .any(|key| text.contains(key))
}

/// An error with a code that is for nothing else, or with the words that servers have for it.
fn graphql_refuses(body: &[u8]) -> bool {
    const CODES: [&str; 4] = [
        "UNAUTHENTICATED",
        "UNAUTHORIZED",
        "NOT_AUTHORIZED",
        "FORBIDDEN",
    ];
    const WORDS: [&str; 5] = [
        "not authorized",
        "unauthorized",
        "not authenticated",
        "unauthenticated",
        "invalid token",
    ];
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        return false;
    };
    let answers = match &value {
        serde_json::Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    answers
        .iter()
        .filter_map(|answer| answer.get("errors")?.as_array())
        .flatten()
        .any(|error| {
            let code = error.pointer("/extensions/code").and_then(|c| c.as_str());
            let words = error.get("message").and_then(|m| m.as_str());
            code.is_some_and(|code| CODES.contains(&code.to_ascii_uppercase().as_str()))
                || words.is_some_and(|words| {
                    let words = words.to_ascii_lowercase();
                    WORDS.iter().any(|word| words.contains(word))
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_on_the_rate_is_no_refusal() {
        let head = |status: StatusCode, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, header::HeaderValue::from_static(value))
            });
            ResponseHead {
                status,
                headers: headers.collect(),
            }
        };
        let forbidden = StatusCode::FORBIDDEN;
        assert!(is_refusal(&head(
            StatusCode::UNAUTHORIZED,
            &[("retry-after", "1")]
        )));
        assert!(is_refusal(&head(
            forbidden,
            &[("x-ratelimit-remaining", "17")]
        )));
        assert!(!is_refusal(&head(
            forbidden,
            &[("x-ratelimit-remaining", "0")]
        )));
        assert!(!is_refusal(&head(forbidden, &[("retry-after", "60")])));
        assert!(!is_refusal(&head(StatusCode::NOT_FOUND, &[])));
    }

    #[test]
    fn aws_says_so_in_the_type_of_its_error() {
        for body in [
            r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"x"}"#,
            "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
        ] {
            assert!(refuses_inside(body.as_bytes(), Inside::Aws), "{body}");
        }
        let other = r#"{"__type":"ResourceNotFoundException","message":"no such table"}"#;
        assert!(!refuses_inside(other.as_bytes(), Inside::Aws));
    }

    #[test]
    fn a_refusal_in_a_200_is_known_by_its_error() {
        for body in [
            r#"{"errors":[{"message":"Not Authorized"}],"data":null}"#,
            r#"[{"data":{}},{"errors":[{"message":"x","extensions":{"code":"UNAUTHENTICATED"}}]}]"#,
        ] {
            assert!(refuses_inside(body.as_bytes(), Inside::Graphql), "{body}");
            assert!(!refuses_inside(body.as_bytes(), Inside::Nothing), "{body}");
        }
        for body in [
            r#"{"data":{"note":"Not Authorized"}}"#,
            r#"{"errors":[{"message":"Project not found"}]}"#,
            "Not Authorized",
        ] {
            assert!(!refuses_inside(body.as_bytes(), Inside::Graphql), "{body}");
        }
    }
}
