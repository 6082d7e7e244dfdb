//! One GraphQL request out of a body.
//!
//! JSON alone, one request at a time. JSON is read whatever `curl --data` calls it: the call of the incident, as its
//! founder published it, states no content type. It must not guess at anything else.

use apollo_compiler::response::serde_json_bytes;
use apollo_compiler::response::{JsonMap, JsonValue};

/// A request, not yet looked at.
pub(super) struct Asked {
    pub(super) query: String,
    pub(super) operation: Option<String>,
    pub(super) variables: JsonMap,
}

/// Why a body holds no request that is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: &'static str,
}

/// What the headers say about the body.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) content_type: Option<String>,
    pub(super) encoding: Option<String>,
}

/// Media types whose bodies are read as JSON.
const READ: [&str; 2] = ["application/json", "application/x-www-form-urlencoded"];

const fn bad(message: &'static str) -> Unread {
    Unread {
        status: 400,
        code: "BAD_REQUEST",
        message,
    }
}

const fn unsupported(message: &'static str) -> Unread {
    Unread {
        status: 415,
        code: "BAD_REQUEST",
        message,
    }
}

/// Reads a body.
pub(super) fn read(told: &Told, body: &[u8]) -> Result<Asked, Unread> {
    media_type(told)?;
    let value: JsonValue =
        serde_json_bytes::serde_json::from_slice(body).map_err(|_| bad("the body is no JSON"))?;
    let JsonValue::Object(mut members) = value else {
        return Err(bad(
            "the body is no single GraphQL request; batches are off",
        ));
    };
    let query = match members.remove("query") {
        Some(JsonValue::String(query)) => query.as_str().to_owned(),
        None if members.contains_key("extensions") => {
            return Err(Unread {
                status: 400,
                code: "PERSISTED_QUERY_NOT_SUPPORTED",
                message: "persisted queries are off",
            });
        }
        _ => return Err(bad("`query` is no text")),
    };
    let operation = match members.remove("operationName") {
        None | Some(JsonValue::Null) => None,
        Some(JsonValue::String(name)) => Some(name.as_str().to_owned()),
        Some(_) => return Err(bad("`operationName` is no text")),
    };
    let variables = match members.remove("variables") {
        None | Some(JsonValue::Null) => JsonMap::new(),
        Some(JsonValue::Object(variables)) => variables,
        Some(_) => return Err(bad("`variables` is no object")),
    };
    Ok(Asked {
        query,
        operation,
        variables,
    })
}

fn media_type(told: &Told) -> Result<(), Unread> {
    let encoding = told.encoding.as_deref().unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(unsupported("compressed bodies are not read"));
    }
    let Some(stated) = &told.content_type else {
        return Err(unsupported("the body's type is not stated"));
    };
    let mut parts = stated.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if !READ.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return Err(unsupported("the body's type is not JSON"));
    }
    let other_charset = parts.any(|part| {
        let lower = part.to_ascii_lowercase().replace('"', "");
        lower.starts_with("charset=") && lower != "charset=utf-8"
    });
    if other_charset {
        return Err(unsupported("the body's charset is not UTF-8"));
    }
    Ok(())
}
