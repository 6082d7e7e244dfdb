//! A gRPC call that is answered by the gate itself. A client of gRPC reads no body that is no message of its schema: it is
//! told by a status and a text, in an answer without messages ("Trailers-Only" of gRPC over HTTP/2).

use backstop_core::verdict::Decision;
use backstop_wire::grpc::Kind;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode, Version};

use super::body::Passing;
use super::problem::{Problem, VERDICT};

pub(crate) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A call that waits for an answer.
pub(crate) struct Call(HeaderValue);

impl Call {
    /// Whether a request is a call whose client reads such an answer. Connect's clients read the status of HTTP.
    pub(crate) fn of(version: Version, headers: &HeaderMap) -> Option<Self> {
        let told = headers.get(header::CONTENT_TYPE)?;
        let reads = match Kind::of(told.to_str().ok()?)? {
            Kind::Grpc => version == Version::HTTP_2,
            Kind::Web | Kind::WebText => true,
            Kind::Connect => false,
        };
        reads.then(|| Self(told.clone()))
    }

    /// The answer.
    pub(crate) fn refused(&self, problem: &Problem) -> Response<Passing> {
        let mut response = Response::new(Passing::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.0.clone());
        headers.insert(STATUS, status(problem).into());
        if let Ok(message) = HeaderValue::from_str(&message(problem)) {
            headers.insert(MESSAGE, message);
        }
        if let Some(verdict) = problem.verdict {
            headers.insert(VERDICT, HeaderValue::from_static(verdict.word()));
        }
        response
    }
}

/// The code of gRPC. What is held is FAILED_PRECONDITION and not UNAVAILABLE: clients send what is unavailable again by
/// themselves, and a person is not asked sooner by that.
fn status(problem: &Problem) -> u16 {
    if problem.verdict == Some(Decision::Hold) {
        return 9;
    }
    match problem.status {
        StatusCode::BAD_REQUEST => 3,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => 4,
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => 7,
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => 8,
        StatusCode::NOT_IMPLEMENTED => 12,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => 16,
        _ => 13,
    }
}

/// What happened and what to do, in one text, percent-encoded as gRPC has it.
fn message(problem: &Problem) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{}. {}", problem.title, problem.detail);
    if let Some(hint) = &problem.hint {
        text.push_str(&format!(" hint: {hint}"));
    }
    if let Some(link) = &problem.link {
        text.push_str(&format!(" ({link})"));
    }
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn call(version: Version, media_type: &'static str) -> Option<Call> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        Call::of(version, &headers)
    }

    #[test]
    fn who_reads_such_an_answer_gets_one() {
        let (old, new) = (Version::HTTP_11, Version::HTTP_2);
        for (version, media_type, reads) in [
            (new, "application/grpc+proto", true),
            (old, "application/grpc", false),
            (old, "application/grpc-web+proto", true),
            (new, "application/connect+proto", false),
            (new, "application/json", false),
        ] {
            assert_eq!(call(version, media_type).is_some(), reads, "{media_type}");
        }
        assert!(Call::of(new, &HeaderMap::new()).is_none());
    }

    #[tokio::test]
    async fn it_has_no_message_and_says_why() {
        let call = call(Version::HTTP_2, "application/grpc").unwrap();
        let mut problem = Problem::new(
            StatusCode::FORBIDDEN,
            "grpc",
            "No",
            "Not 100 % \u{fc}ber\nall.",
        )
        .decided(Decision::Deny, "grpc")
        .hint("ask");
        let response = call.refused(&problem);
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("grpc-status"), "7");
        assert_eq!(
            header("grpc-message"),
            "No. Not 100 %25 %C3%BCber%0Aall. hint: ask"
        );
        assert_eq!(header("backstop-verdict"), "deny");
        assert_eq!(header("content-type"), "application/grpc");
        let body = response.into_body().collect().await.unwrap();
        assert!(body.to_bytes().is_empty());
        // What waits for a person is not sent again by the client itself.
        problem.verdict = Some(Decision::Hold);
        let response = call.refused(&problem);
        assert_eq!(response.headers()["grpc-status"], "9");
    }
}
