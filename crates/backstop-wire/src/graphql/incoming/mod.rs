//! What a request asks a GraphQL server, whatever way it is packed: JSON, a batch, the URL, a form, multipart.
//!
//! Where two places could name the document, or a name that some server takes for one is there, it is refused.

mod batch;
mod multipart;
mod url;

use serde_json::{Map, Value};

use super::Refused;
use super::json::strict;
use super::refuse::{refused, shown};
use crate::http::{Body, Request};

/// What came over: some servers run only queries that came by GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The URL of a GET.
    Get,
    /// A POST.
    Post,
    /// A message on a WebSocket.
    Socket,
}

/// One thing asked of a GraphQL server.
#[derive(Clone, PartialEq)]
pub struct Incoming {
    /// What it came over.
    pub over: Over,
    /// The document's text; `None` where only its hash was sent.
    pub document: Option<String>,
    /// SHA-256 of the document, as the client gave it: 64 hexadecimal digits in lower case. Matches `document` where
    /// that is there.
    pub hash: Option<String>,
    /// Which of the document's operations runs.
    pub operation: Option<String>,
    /// By name; a file of a multipart request is the word `upload`.
    pub variables: Map<String, Value>,
    /// Its place in a batch.
    pub place: Option<usize>,
}

/// Shows the shape alone: documents and variables may hold credentials (invariant 8).
impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} of {} bytes with {} variables",
            self.over,
            self.document.as_ref().map_or(0, String::len),
            self.variables.len()
        )
    }
}

impl Incoming {
    /// Puts in the document that the server knows by `hash`, where `known` has it.
    ///
    /// # Errors
    ///
    /// If there is neither a document nor a known one.
    pub fn text<'s>(
        &'s self,
        known: &'s dyn Fn(&str) -> Option<&'s str>,
    ) -> Result<&'s str, Refused> {
        if let Some(document) = &self.document {
            return Ok(document);
        }
        self.hash.as_deref().and_then(known).ok_or_else(|| {
            refused(
                "the request names a persisted query whose text is not known",
                "send the query's text",
            )
        })
    }
}

/// Reads what `request` asks, in order.
///
/// # Errors
///
/// If it is not GraphQL over HTTP, or servers could read it in different ways.
pub fn requests(request: &Request) -> Result<Vec<Incoming>, Refused> {
    match request.method.as_str() {
        "GET" => url::get(request).map(|one| vec![one]),
        "POST" => post(request),
        other => Err(refused(
            format!("GraphQL does not go by {}", shown(other)),
            "send a POST",
        )),
    }
}

fn post(request: &Request) -> Result<Vec<Incoming>, Refused> {
    let beside = url::Beside::of(request)?;
    match &request.body {
        Body::Json(value) => {
            beside.no_parameters()?;
            batch::value(value, Over::Post, &beside)
        }
        Body::Form(pairs) => {
            beside.no_parameters()?;
            let mut one = url::pairs(pairs, Over::Post)?;
            beside.agree(&mut one)?;
            Ok(vec![one])
        }
        Body::Multipart(parts) => {
            beside.no_parameters()?;
            multipart::parts(parts, &beside)
        }
        Body::Text { media_type, text } if media_type == "application/graphql" => {
            url::text(request, text).map(|one| vec![one])
        }
        Body::Absent => Err(refused(
            "a POST without a body asks nothing",
            "send the query in the body",
        )),
        Body::Streamed { .. } => Err(refused(
            "the body is longer than what is kept to be judged",
            "send it in parts",
        )),
        _ => Err(refused(
            "the body's media type is none that GraphQL servers agree on",
            "send application/json",
        )),
    }
}

/// The four parts of a request, still as JSON.
#[derive(Default)]
struct Parts<'v> {
    query: Option<&'v Value>,
    variables: Option<&'v Value>,
    operation: Option<&'v Value>,
    extensions: Option<&'v Value>,
}

impl Parts<'_> {
    fn read(self, over: Over) -> Result<Incoming, Refused> {
        let document = text(self.query, "query")?.filter(|text| !text.is_empty());
        let hash = self.extensions.map_or(Ok(None), extensions)?;
        if let (Some(document), Some(hash)) = (&document, &hash)
            && sha256(document) != *hash
        {
            return Err(refused(
                "the persisted query's hash is not its text's",
                "send the hash of the text, or none",
            ));
        }
        if document.is_none() && hash.is_none() {
            return Err(refused("the request has no query", "send one"));
        }
        let variables = match self.variables {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(variables)) => variables.clone(),
            Some(_) => {
                return Err(refused(
                    "`variables` is not an object",
                    "send them by name, as JSON",
                ));
            }
        };
        Ok(Incoming {
            over,
            document,
            hash,
            operation: text(self.operation, "operationName")?,
            variables,
            place: None,
        })
    }
}

fn text(value: Option<&Value>, what: &str) -> Result<Option<String>, Refused> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(refused(
            format!("`{what}` is not a string"),
            "send it as one",
        )),
    }
}

/// The hash of `extensions`. Any extension that could choose a document is refused; what tells who the client is may
/// stay.
fn extensions(value: &Value) -> Result<Option<String>, Refused> {
    let object = match value {
        Value::Null => return Ok(None),
        Value::Object(object) => object,
        _ => return Err(refused("`extensions` is not an object", "leave it out")),
    };
    let mut hash = None;
    for (name, value) in object {
        match name.as_str() {
            "persistedQuery" => hash = persisted(value)?,
            "clientLibrary" => {}
            _ => {
                return Err(refused(
                    format!("the extension {} is not known", shown(name)),
                    "leave it out",
                ));
            }
        }
    }
    Ok(hash)
}

fn persisted(value: &Value) -> Result<Option<String>, Refused> {
    let odd = || {
        refused(
            "`persistedQuery` is not a version and a SHA-256",
            "send the query's text",
        )
    };
    let object = match value {
        Value::Null => return Ok(None),
        Value::Object(object) => object,
        _ => return Err(odd()),
    };
    let known = |name: &String| matches!(name.as_str(), "version" | "sha256Hash");
    let version = object.get("version").is_none_or(|v| v.as_u64() == Some(1));
    let hash = object.get("sha256Hash").and_then(Value::as_str);
    let plain = |hash: &&str| {
        hash.len() == 64
            && hash
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    match hash.filter(plain) {
        Some(hash) if version && object.keys().all(known) => Ok(Some(hash.to_owned())),
        _ => Err(odd()),
    }
}

/// In hexadecimal digits, lower case.
fn sha256(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// What a WebSocket's message carries.
pub(super) fn payload(value: &Value) -> Result<Incoming, Refused> {
    batch::one(value, Over::Socket)
}

fn json(text: &str, what: &str) -> Result<Value, Refused> {
    strict(text, what)
}

#[cfg(test)]
mod tests;
