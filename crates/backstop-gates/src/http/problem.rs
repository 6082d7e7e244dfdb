//! The gate's own answers: problem details (RFC 9457), so that an agent can read what stopped it and what to do. Where its
//! client would not show it those, the same in another `dialect`.

use std::time::Duration;

use backstop_core::verdict::Decision;
use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::Extensions;
use hyper::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Map, Value};

use super::body::Passing;
use super::dialect::Dialect;

/// The header that carries the verdict's word.
pub const VERDICT: HeaderName = HeaderName::from_static("backstop-verdict");

/// An answer of the gate's own. Nothing of a secret may be in it (invariant 8).
#[derive(Debug, Clone)]
pub struct Problem {
    /// The response's status.
    pub status: StatusCode,
    /// The last part of its type, `urn:backstop:problem:<kind>`: what programs tell problems apart by.
    pub kind: &'static str,
    /// The kind in a few words, always the same for one kind.
    pub title: &'static str,
    /// What happened this time, in a sentence.
    pub detail: String,
    /// A URI for this occurrence.
    pub instance: Option<String>,
    /// What was decided, where something was.
    pub verdict: Option<Decision>,
    /// The hold that waits for people.
    pub hold: Option<String>,
    /// Where a person can look.
    pub link: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Other headers: a challenge, for example.
    pub headers: HeaderMap,
}

impl Problem {
    /// A problem with nothing but what every problem has.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            instance: None,
            verdict: None,
            hold: None,
            link: None,
            rule: None,
            hint: None,
            retry_after: None,
            headers: HeaderMap::new(),
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a verdict and the rule that decided.
    #[must_use]
    pub fn decided(mut self, verdict: Decision, rule: impl Into<String>) -> Self {
        self.verdict = Some(verdict);
        self.rule = Some(rule.into());
        self
    }

    /// The same with when to try again.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Its type.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("urn:backstop:problem:{}", self.kind)
    }

    /// All that a person needs of it in one text, for clients that show no more.
    #[must_use]
    pub fn message(&self) -> String {
        let mut text = match self.detail.as_str() {
            "" => self.title.to_owned(),
            detail if detail.starts_with(self.title) => detail.to_owned(),
            detail => format!("{}. {detail}", self.title),
        };
        if let Some(link) = &self.link {
            text += &format!(" See {link}");
        }
        if let Some(hint) = &self.hint {
            text += &format!(" (hint: {hint})");
        }
        text
    }

    /// In how many seconds to try again.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        let seconds = self.retry_after?.as_millis().div_ceil(1000);
        u64::try_from(seconds).ok()
    }

    /// The body, as JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        Value::Object(self.members()).to_string().into()
    }

    /// The members of a problem, and `message`, by which many clients tell of an error.
    pub(crate) fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::String);
        put("type", Some(self.urn().into()));
        put("title", Some(self.title.into()));
        put("status", Some(self.status.as_u16().into()));
        put("detail", Some(self.detail.as_str().into()));
        put("instance", text(&self.instance));
        put("verdict", self.verdict.map(|v| v.word().into()));
        put("hold", text(&self.hold));
        put("link", text(&self.link));
        put("rule", text(&self.rule));
        put("hint", text(&self.hint));
        put("message", Some(self.message().into()));
        members
    }

    /// The response to a request with that method: HEAD's has no body.
    pub(crate) fn response(&self, method: &Method, dialect: Dialect) -> Response<Passing> {
        let worded = dialect.worded(self);
        let mut headers = self.headers.clone();
        for (name, value) in worded.headers {
            headers.insert(name, value);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LENGTH, worded.body.len().into());
        if let Some(verdict) = self.verdict {
            headers.insert(VERDICT, HeaderValue::from_static(verdict.word()));
        }
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let body = if *method == Method::HEAD {
            Passing::empty()
        } else {
            Passing::full(worded.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        *response.extensions_mut() = Extensions::new();
        response
    }

    /// The same as bytes of HTTP/1.1 that end a connection.
    pub(crate) fn last_words(&self) -> Vec<u8> {
        let json = self.json();
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut bytes = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            self.status.as_u16(),
            json.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&json);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn held() -> Problem {
        let mut problem = Problem::new(StatusCode::FORBIDDEN, "held", "held", "It waits.")
            .decided(Decision::Hold, "destroy-production")
            .retry_after(Duration::from_millis(1500))
            .hint("send it again");
        problem.hold = Some("h1".into());
        problem.link = Some("https://console.example/h1".into());
        problem.instance = Some("urn:backstop:request:7".into());
        problem
    }

    #[tokio::test]
    async fn it_is_a_problem_as_rfc_9457_has_it() {
        let response = held().response(&Method::POST, Dialect::Problem);
        assert_eq!(response.status(), 403);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/problem+json");
        assert_eq!(header("backstop-verdict"), "hold");
        assert_eq!(header("retry-after"), "2");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "type": "urn:backstop:problem:held",
                "title": "held",
                "status": 403,
                "detail": "It waits.",
                "instance": "urn:backstop:request:7",
                "verdict": "hold",
                "hold": "h1",
                "link": "https://console.example/h1",
                "rule": "destroy-production",
                "hint": "send it again",
                "message": "held. It waits. See https://console.example/h1 (hint: send it again)",
            })
        );
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let response = held().response(&Method::HEAD, Dialect::Problem);
        let length = held().json().len().to_string();
        assert_eq!(response.headers()["content-length"], length.as_str());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.is_empty());
    }
}
