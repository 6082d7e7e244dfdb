//! The gate's own answers in the words of the API that a client takes them for: a client shows the message of an error in
//! that API's form, and of any other no more than that there was one.
//!
//! What is said is the problem's, no more and no less.

use backstop_wire::providers::aws::ErrorForm;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::problem::Problem;

/// A form of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Problem details (RFC 9457).
    #[default]
    Problem,
    /// The same under the name of plain JSON: GitHub's own client reads no other.
    Json,
    /// A `Status` of Kubernetes, whose `status` is a word; all else of a problem stands beside it.
    Kubernetes,
    /// Its message alone: kubectl reads no more in answer to how it finds out what there is.
    Text,
    /// An error of AWS. In JSON it is a problem, too.
    Aws(ErrorForm),
}

/// A problem in words.
pub(crate) struct Worded {
    /// The media type, and what else the form needs.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub(crate) body: Bytes,
}

impl Dialect {
    /// Puts a problem into words.
    pub(crate) fn worded(self, problem: &Problem) -> Worded {
        match self {
            Self::Problem => Worded::of("application/problem+json", problem.json()),
            Self::Json => Worded::of("application/json; charset=utf-8", problem.json()),
            Self::Kubernetes => Worded::of("application/json", status(problem)),
            Self::Text => Worded::of("text/plain; charset=utf-8", problem.message()),
            Self::Aws(form) => aws(form, problem),
        }
    }
}

impl Worded {
    fn of(media_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static(media_type))],
            body: body.into(),
        }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        let name = HeaderName::from_static(name);
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>
fn status(problem: &Problem) -> String {
    let mut details = Map::new();
    if let Some(link) = &problem.link {
        let cause = json!([{ "reason": problem.kind, "message": link }]);
        details.insert("causes".to_owned(), cause);
    }
    if let Some(seconds) = problem.retry_seconds() {
        details.insert("retryAfterSeconds".to_owned(), seconds.into());
    }
    let reason = match problem.status {
        StatusCode::BAD_REQUEST => "BadRequest",
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => "Unauthorized",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        StatusCode::GATEWAY_TIMEOUT => "Timeout",
        _ => "InternalError",
    };
    let own = [
        ("kind", Value::from("Status")),
        ("apiVersion", "v1".into()),
        ("metadata", json!({})),
        ("status", "Failure".into()),
        ("reason", reason.into()),
        ("details", details.into()),
        ("code", problem.status.as_u16().into()),
    ];
    let mut members = problem.members();
    members.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(members).to_string()
}

/// <https://smithy.io/2.0/aws/protocols/>
fn aws(form: ErrorForm, problem: &Problem) -> Worded {
    let (code, exception) = match problem.status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => ("AccessDenied", "AccessDeniedException"),
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", "TooManyRequestsException"),
        StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "ServiceUnavailableException"),
        status if status.is_client_error() => ("InvalidRequest", "InvalidRequestException"),
        _ => ("InternalFailure", "InternalFailureException"),
    };
    let xml = |before: &str, after: &str| {
        let error = error(code, problem);
        let declaration = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
        Worded::of(
            "application/xml",
            format!("{declaration}\n{before}{error}{after}"),
        )
    };
    let mut members = problem.members();
    members.insert("__type".to_owned(), exception.into());
    match form {
        ErrorForm::Json => Worded::of(
            "application/problem+json",
            Value::Object(members).to_string(),
        )
        .with("x-amzn-errortype", exception),
        ErrorForm::Cbor => {
            Worded::of("application/cbor", cbor(&members)).with("smithy-protocol", "rpc-v2-cbor")
        }
        ErrorForm::Xml => xml("<ErrorResponse>", "</ErrorResponse>"),
        ErrorForm::Ec2 => xml("<Response><Errors>", "</Errors></Response>"),
        ErrorForm::S3 => xml("", ""),
    }
}

/// The element that all forms in XML have. What they do not know is for whoever reads it.
fn error(code: &str, problem: &Problem) -> String {
    let fault = if problem.status.is_client_error() {
        "Sender"
    } else {
        "Receiver"
    };
    let parts = [
        ("Type", Some(fault.to_owned())),
        ("Code", Some(code.to_owned())),
        ("Message", Some(problem.message())),
        ("Problem", Some(problem.urn())),
        ("Verdict", problem.verdict.map(|v| v.word().to_owned())),
        ("Rule", problem.rule.clone()),
        ("Hold", problem.hold.clone()),
        ("Link", problem.link.clone()),
    ];
    let mut out = String::from("<Error>");
    for (name, text) in parts {
        if let Some(text) = text {
            out += &format!("<{name}>{}</{name}>", escaped(&text));
        }
    }
    out + "</Error>"
}

/// Text as XML 1.0 takes it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A map of texts and numbers (RFC 8949). Every length takes eight bytes, which any reader takes.
fn cbor(members: &Map<String, Value>) -> Vec<u8> {
    const NUMBER: u8 = 0;
    const TEXT: u8 = 3;
    const MAP: u8 = 5;
    let mut out = Vec::new();
    let mut item = |kind: u8, number: u64, text: &str| {
        out.push((kind << 5) | 27);
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    item(MAP, members.len() as u64, "");
    for (name, value) in members {
        item(TEXT, name.len() as u64, name);
        match (value.as_u64(), value.as_str()) {
            (Some(number), _) => item(NUMBER, number, ""),
            (None, text) => {
                let text = text.unwrap_or_default();
                item(TEXT, text.len() as u64, text);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backstop_core::verdict::Decision;
    use backstop_wire::http::{self, Body, Raw, RawBody, Scheme, Version};

    use super::*;

    const LINK: &str = "https://console.example/holds/h1";

    fn held() -> Problem {
        let mut problem = Problem::new(
            StatusCode::FORBIDDEN,
            "held",
            "This waits for a person",
            "Nothing was sent: <b> & \"c\"\u{1}.",
        )
        .decided(Decision::Hold, "production-destroy")
        .retry_after(Duration::from_secs(30))
        .hint("send it again");
        problem.hold = Some("h1".into());
        problem.link = Some(LINK.into());
        problem
    }

    fn header(worded: &Worded, name: &str) -> Option<String> {
        let found = worded.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    /// The body, as the gate itself reads such a body.
    fn read(worded: &Worded) -> Body {
        let media_type = header(worded, "content-type").unwrap();
        let headers: [(&str, &[u8]); 2] = [
            ("host", b"api.example"),
            ("content-type", media_type.as_bytes()),
        ];
        let raw = Raw {
            method: "POST",
            version: Version::Http11,
            scheme: Scheme::Https,
            authority: None,
            target: "/",
            headers: &headers,
            tls_name: None,
            tunnel: None,
            reverse: None,
            body: RawBody::Whole(&worded.body),
        };
        http::read(&raw).unwrap().body
    }

    fn members(worded: &Worded) -> Map<String, Value> {
        match read(worded) {
            Body::Json(Value::Object(members)) | Body::Cbor(Value::Object(members)) => members,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn github_is_told_the_problem_as_plain_json() {
        let worded = Dialect::Json.worded(&held());
        assert_eq!(members(&worded), held().members());
        assert!(
            header(&worded, "content-type")
                .unwrap()
                .starts_with("application/json")
        );
        let message = held().message();
        assert!(message.contains(LINK) && message.contains("send it again"));
    }

    #[test]
    fn kubernetes_is_told_a_status_with_the_link_in_its_message() {
        let worded = Dialect::Kubernetes.worded(&held());
        assert_eq!(header(&worded, "content-type").unwrap(), "application/json");
        let found = members(&worded);
        for (name, expected) in [
            ("kind", json!("Status")),
            ("apiVersion", json!("v1")),
            ("metadata", json!({})),
            ("status", json!("Failure")),
            ("reason", json!("Forbidden")),
            ("code", json!(403)),
            ("message", json!(held().message())),
            (
                "details",
                json!({ "causes": [{ "reason": "held", "message": LINK }], "retryAfterSeconds": 30 }),
            ),
        ] {
            assert_eq!(found.get(name), Some(&expected), "{name}");
        }
        let text = Dialect::Text.worded(&held());
        assert_eq!(text.body, held().message());
        // All else is there as it is elsewhere.
        for (name, value) in held().members() {
            assert!(
                name == "status" || found.get(&name) == Some(&value),
                "{name}"
            );
        }
    }

    #[test]
    fn aws_is_told_in_json_and_cbor_under_its_own_names() {
        for form in [ErrorForm::Json, ErrorForm::Cbor] {
            let worded = Dialect::Aws(form).worded(&held());
            let mut expected = held().members();
            expected.insert("__type".to_owned(), "AccessDeniedException".into());
            assert_eq!(members(&worded), expected, "{form:?}");
        }
        let json = Dialect::Aws(ErrorForm::Json).worded(&held());
        assert_eq!(
            header(&json, "x-amzn-errortype").unwrap(),
            "AccessDeniedException"
        );
        assert_eq!(
            header(&json, "content-type").unwrap(),
            "application/problem+json"
        );
        let cbor = Dialect::Aws(ErrorForm::Cbor).worded(&held());
        assert_eq!(header(&cbor, "smithy-protocol").unwrap(), "rpc-v2-cbor");
    }

    #[test]
    fn aws_is_told_in_xml_with_nothing_that_breaks_it() {
        for (form, begins, ends) in [
            (
                ErrorForm::Xml,
                "<ErrorResponse><Error>",
                "</Error></ErrorResponse>",
            ),
            (
                ErrorForm::Ec2,
                "<Response><Errors><Error>",
                "</Error></Errors></Response>",
            ),
            (ErrorForm::S3, "<Error>", "</Error>"),
        ] {
            let worded = Dialect::Aws(form).worded(&held());
            // It is well-formed: it was read as XML.
            let Body::Xml(text) = read(&worded) else {
                panic!("{form:?}");
            };
            let (_, root) = text.split_once("?>\n").unwrap();
            assert!(root.starts_with(begins) && root.ends_with(ends), "{text}");
            for part in [
                "<Code>AccessDenied</Code>",
                "Nothing was sent: &lt;b&gt; &amp; \"c\" . ",
                "<Verdict>hold</Verdict><Rule>production-destroy</Rule><Hold>h1</Hold>",
                LINK,
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }

    #[test]
    fn who_is_at_fault_is_said() {
        let code = |status: StatusCode| {
            let problem = Problem::new(status, "x", "X", "It is so.");
            let body = Dialect::Aws(ErrorForm::S3).worded(&problem).body;
            String::from_utf8(body.to_vec()).unwrap()
        };
        for (status, expected) in [
            (
                StatusCode::BAD_REQUEST,
                "<Type>Sender</Type><Code>InvalidRequest<",
            ),
            (StatusCode::TOO_MANY_REQUESTS, "<Code>TooManyRequests<"),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "<Type>Receiver</Type><Code>ServiceUnavailable<",
            ),
            (StatusCode::BAD_GATEWAY, "<Code>InternalFailure<"),
        ] {
            assert!(code(status).contains(expected), "{}", code(status));
        }
    }
}
