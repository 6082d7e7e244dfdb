//! The media type of a body, and which of our readers it is for.

use super::Refused;
use super::parameters::Parameters;
use super::refuse::refused;
use super::token::is_token;

/// A `Content-Type` that was read.
pub(super) struct Media<'a> {
    /// Lower case, without parameters.
    pub(super) essence: String,
    parameters: Parameters<'a>,
}

/// How a body of some media type is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Xml,
    Cbor,
    /// Text with a meaning for the server: it has to be text.
    Text,
    /// Text for people, or files that are called text: bytes where it is none.
    Prose,
    Bytes,
}

impl<'a> Media<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Refused> {
        let unreadable = || {
            refused(
                "a media type cannot be read in one way",
                "send one `content-type: type/subtype`, each parameter once and without backslashes",
            )
        };
        let parameters = Parameters::read(text).ok_or_else(unreadable)?;
        let (kind, subtype) = parameters.head.split_once('/').ok_or_else(unreadable)?;
        if !is_token(kind) || !is_token(subtype) {
            return Err(unreadable());
        }
        Ok(Self {
            essence: parameters.head.to_ascii_lowercase(),
            parameters,
        })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.get(name)
    }

    pub(super) fn charset(&self) -> Option<&'a str> {
        self.parameter("charset")
    }

    pub(super) fn kind(&self) -> Kind {
        kind(&self.essence)
    }
}

/// By the type that is told, as servers do. What a body looks like decides nothing: a server that looks is one more
/// that a pack has to know.
fn kind(essence: &str) -> Kind {
    let (top, subtype) = essence.split_once('/').unwrap_or_default();
    let suffix = subtype.rsplit_once('+').map_or("", |(_, suffix)| suffix);
    match (top, subtype) {
        ("multipart", _) => Kind::Multipart,
        ("application", "x-www-form-urlencoded") => Kind::Form,
        ("application" | "text", "json" | "x-json")
        | ("application", "jsonrequest" | "json-rpc" | "csp-report") => Kind::Json,
        // AWS has the protocol's version in the name.
        ("application", amz) if amz.starts_with("x-amz-json-") => Kind::Json,
        ("application" | "text", "xml") => Kind::Xml,
        ("application", "cbor") => Kind::Cbor,
        (_, _) if suffix == "json" => Kind::Json,
        (_, _) if suffix == "xml" => Kind::Xml,
        (_, _) if suffix == "cbor" => Kind::Cbor,
        ("application" | "text", subtype) if is_text(subtype) || is_text(suffix) => Kind::Text,
        ("text", _) => Kind::Prose,
        _ => Kind::Bytes,
    }
}

fn is_text(subtype: &str) -> bool {
    matches!(
        subtype,
        "graphql"
            | "ndjson"
            | "x-ndjson"
            | "jsonl"
            | "x-jsonlines"
            | "jsonlines"
            | "json-seq"
            | "json5"
            | "yaml"
            | "x-yaml"
            | "toml"
            | "sql"
            | "javascript"
            | "x-sh"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_choose_the_reader() {
        for (text, kind) in [
            ("application/json", Kind::Json),
            ("Application/JSON; charset=UTF-8", Kind::Json),
            ("application/json;", Kind::Json),
            ("application/merge-patch+json", Kind::Json),
            ("application/x-amz-json-1.1", Kind::Json),
            ("application/vnd.github.v3+json", Kind::Json),
            (
                "application/x-www-form-urlencoded; charset=utf-8",
                Kind::Form,
            ),
            ("multipart/form-data; boundary=x", Kind::Multipart),
            ("application/soap+xml", Kind::Xml),
            ("text/xml", Kind::Xml),
            ("application/cbor", Kind::Cbor),
            ("application/graphql", Kind::Text),
            ("application/apply-patch+yaml", Kind::Text),
            (
                "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
                Kind::Text,
            ),
            ("text/plain", Kind::Prose),
            ("application/x-git-upload-pack-request", Kind::Bytes),
            ("application/octet-stream", Kind::Bytes),
        ] {
            assert_eq!(
                Media::read(text).map(|media| media.kind()),
                Ok(kind),
                "{text}"
            );
        }
    }

    #[test]
    fn media_types_that_readers_take_differently() {
        for text in [
            "",
            "json",
            "application/",
            "/json",
            "application/json, text/plain",
            "application/json text/plain",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json;charset",
            "application /json",
            "application/json/x",
            "a/b; c=\"d",
        ] {
            assert!(Media::read(text).is_err(), "{text}");
        }
    }
}
