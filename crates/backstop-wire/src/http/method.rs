//! The method, and the ways to name another one that some servers honour.

use super::refuse::refused;
use super::token::is_token;
use super::{Body, Refused};

/// Headers that name another method. Frameworks differ in which they honour, and for which methods.
pub(super) const HEADERS: &[&str] = &[
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// The same as parameters of a query or form, in lower case.
const PARAMETERS: &[&str] = &[
    "_method",
    "_httpmethod",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// The method as sent, if servers agree about it.
pub(super) fn read(method: &str) -> Result<String, Refused> {
    if !is_token(method) {
        return Err(refused(
            "the method is not a token",
            "send for instance `GET`",
        ));
    }
    // Methods are case-sensitive, yet some servers take `delete` for DELETE, and some clients send `patch`.
    if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(refused(
            "the method has lower-case letters, which servers read differently",
            "write it in upper case",
        ));
    }
    if method == "CONNECT" {
        return Err(refused(
            "a tunnel is asked for where a request is expected",
            "send CONNECT to the proxy, and nothing else to the target",
        ));
    }
    Ok(method.to_owned())
}

/// Refuses another method than `method` wherever a server could look for one.
pub(super) fn check_overrides(
    method: &str,
    headers: &[(String, String)],
    query: &[(String, String)],
    body: &Body,
) -> Result<(), Refused> {
    let in_headers = headers
        .iter()
        .filter(|(name, _)| HEADERS.contains(&name.as_str()))
        .map(|(_, value)| value.as_str());
    let in_query = in_pairs(query);
    let named = in_headers.chain(in_query).chain(in_body(body));
    for other in named {
        if !other.trim().eq_ignore_ascii_case(method) {
            return Err(refused(
                "another method is named in a header or parameter, which some servers honour and others do not",
                "send the method that is meant, and no override",
            ));
        }
    }
    Ok(())
}

fn in_pairs(pairs: &[(String, String)]) -> impl Iterator<Item = &str> {
    pairs
        .iter()
        .filter(|(name, _)| is_override(name))
        .map(|(_, value)| value.as_str())
}

fn in_body(body: &Body) -> Vec<&str> {
    match body {
        Body::Form(pairs) => in_pairs(pairs).collect(),
        // A part that is no text names no method, and so differs.
        Body::Multipart(parts) => parts
            .iter()
            .filter(|part| part.name.as_deref().is_some_and(is_override))
            .map(|part| std::str::from_utf8(&part.content.0).unwrap_or_default())
            .collect(),
        // Laravel and others look at JSON as they look at forms.
        Body::Json(serde_json::Value::Object(object)) => object
            .iter()
            .filter(|(name, _)| is_override(name))
            .map(|(_, value)| value.as_str().unwrap_or_default())
            .collect(),
        _ => Vec::new(),
    }
}

/// PHP leaves out spaces at the beginning of a parameter's name, takes `.` and space for `_`, and what is in brackets
/// for a key: `+.method[]` is `_method` there.
fn is_override(name: &str) -> bool {
    let name = name.trim().split('[').next().unwrap_or_default();
    let name = name.replace(['.', ' '], "_").to_ascii_lowercase();
    PARAMETERS.contains(&name.as_str())
}
