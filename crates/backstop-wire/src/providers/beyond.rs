//! What goes beyond a request and its answer: a WebSocket that it opens, a gRPC call, another protocol.
//!
//! What is said there no request shows, so that it passes only where a pack says that it is harmless, or where each
//! message can be read.

use super::reading::{Knowledge, Operation, Reading};
use crate::grpc::Kind;
use crate::http::Request;

/// What may be said on a WebSocket, as a pack has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Socket {
    /// Whatever it is, it does no more than the request that opened it.
    Harmless,
    /// GraphQL, message by message.
    Graphql,
}

/// Where a request goes beyond itself and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// To a WebSocket.
    Socket,
    /// To a call whose messages are in a schema that is not here.
    Grpc(Kind),
    /// To a protocol that nobody reads.
    Other,
}

impl Beyond {
    /// Where `request` goes, which asks by `upgrade` for another protocol.
    #[must_use]
    pub fn of(upgrade: Option<&str>, request: &Request) -> Option<Self> {
        let asked = upgrade.into_iter().flat_map(|asked| asked.split(','));
        // A change to HTTP/2 is an offer that may be passed over (RFC 9110, section 7.8).
        let mut asked = asked
            .map(str::trim)
            .filter(|name| !name.eq_ignore_ascii_case("h2c") && !name.is_empty());
        match (asked.next(), asked.next()) {
            (None, _) => Kind::of(&request.media_type()).map(Self::Grpc),
            (Some(name), None) if name.eq_ignore_ascii_case("websocket") => Some(Self::Socket),
            _ => Some(Self::Other),
        }
    }

    /// The same, by the request's own headers.
    #[must_use]
    pub fn told(request: &Request) -> Option<Self> {
        let asked = request.headers.iter().filter(|(name, _)| name == "upgrade");
        let asked: Vec<&str> = asked.map(|(_, value)| value.as_str()).collect();
        Self::of(Some(&asked.join(",")), request)
    }

    /// Whether a pack read this in the request and lets it be.
    #[must_use]
    pub const fn is_known(self, reading: &Reading) -> bool {
        match self {
            Self::Socket => reading.socket.is_some(),
            // What is in base64 cannot be looked through as it goes.
            Self::Grpc(Kind::WebText) | Self::Other => false,
            Self::Grpc(_) => reading.grpc,
        }
    }

    /// The rule that refuses it where no pack lets it be.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Grpc(_) => "grpc",
            Self::Other => "change-of-protocol",
        }
    }

    /// Why it is refused then.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Socket => "the target's pack does not say that a WebSocket here is harmless",
            Self::Grpc(Kind::WebText) => {
                "calls in base64 cannot be looked through for credentials as they go"
            }
            Self::Grpc(_) => "the target's pack does not say that this gRPC call is harmless",
            Self::Other => "what comes after a change of protocol cannot be judged",
        }
    }
}

/// What is said beyond HTTP is not seen: a reading that does not know of it is not complete.
pub(super) fn leaves_http(request: &Request, reading: &mut Reading) {
    let unknown = Beyond::told(request).is_some_and(|beyond| !beyond.is_known(reading));
    if unknown || request.method == "CONNECT" {
        let what = "it asks to leave HTTP, and what is said then is not seen";
        reading.analysis.incomplete.push(what.to_owned());
    }
}

/// The reading of a request that opens a WebSocket at a GraphQL API: it asks nothing itself, and every message is read.
/// `None` if it opens none.
pub(crate) fn graphql_socket(request: &Request, provider: &str) -> Option<Reading> {
    let opens = request.method == "GET" && request.header("sec-websocket-key").is_some();
    // A server that takes it for an ordinary GET would run what its URL asks.
    if !opens || !request.query.is_empty() {
        return None;
    }
    Some(Reading {
        provider: provider.to_owned(),
        operations: vec![Operation {
            name: "websocket".to_owned(),
            knowledge: Knowledge::Reviewed,
            does: "Opens a WebSocket, on which each message is read and only reads pass."
                .to_owned(),
            along: Vec::new(),
            grace: None,
            preview: None,
            reveals: Vec::new(),
        }],
        socket: Some(Socket::Graphql),
        ..Reading::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::pack::request_of;
    use super::super::{Pack, read, read_by, read_message};
    use super::*;
    use crate::graphql::frames::{Message, message};

    const PACK: &str = r#"
name = "acme"
title = "Acme"
source = "its reference"
version = "v1"

[[operation]]
match = "GET /realtime"
effect = "read"
socket = "harmless"
does = "Listens."

[[operation]]
match = "GET /graph"
effect = "read"
socket = "graphql"
does = "Asks."

[[operation]]
match = "POST /acme.Items/List"
effect = "read"
grpc = "harmless"
does = "Lists items."

[[operation]]
match = "POST /acme.Items/Rename"
effect = "write"
does = "Renames an item."
"#;

    #[test]
    fn it_is_told_by_upgrade_and_by_media_type() {
        for (headers, beyond) in [
            (&[("upgrade", "WebSocket")][..], Some(Beyond::Socket)),
            (&[("upgrade", "h2c, websocket")], Some(Beyond::Socket)),
            (&[("upgrade", "websocket, shouting")], Some(Beyond::Other)),
            (&[("upgrade", "shouting")], Some(Beyond::Other)),
            (&[("upgrade", "h2c")], None),
            (
                &[("content-type", "application/grpc+proto")],
                Some(Beyond::Grpc(Kind::Grpc)),
            ),
            (&[("content-type", "application/json")], None),
        ] {
            let request = request_of("GET /x", headers, None);
            assert_eq!(Beyond::told(&request), beyond, "{headers:?}");
        }
    }

    #[test]
    fn a_handshake_that_asks_by_its_url_is_no_mere_handshake() {
        let key = [("sec-websocket-key", "x")];
        let opens = |asked: &str| graphql_socket(&request_of(asked, &key, None), "p").is_some();
        assert!(opens("GET /graphql"));
        assert!(!opens("POST /graphql"));
        assert!(!opens("GET /graphql?query={x}"));
        assert!(graphql_socket(&request_of("GET /graphql", &[], None), "p").is_none());
    }

    #[test]
    fn what_a_pack_says_of_it_is_complete_and_all_else_is_not() {
        let pack = Pack::parse(PACK).unwrap();
        let upgrade = [("upgrade", "websocket")];
        let grpc = [("content-type", "application/grpc")];
        let text = [("content-type", "application/grpc-web-text")];
        for (asked, headers, complete, socket, call) in [
            (
                "GET /realtime",
                &upgrade[..],
                true,
                Some(Socket::Harmless),
                false,
            ),
            ("HEAD /realtime", &upgrade, false, None, false),
            ("GET /graph", &upgrade, true, Some(Socket::Graphql), false),
            (
                "GET /realtime",
                &[("upgrade", "shouting")],
                false,
                Some(Socket::Harmless),
                false,
            ),
            ("POST /acme.Items/List", &grpc, true, None, true),
            ("POST /acme.Items/List", &text, false, None, true),
            ("POST /acme.Items/List", &upgrade, false, None, true),
            ("POST /acme.Items/Rename", &grpc, false, None, false),
            ("POST /acme.Items/Rename", &[], true, None, false),
            ("GET /other", &upgrade, false, None, false),
        ] {
            let reading = read_by(&request_of(asked, headers, None), &pack);
            assert_eq!(
                reading.analysis.is_complete(),
                complete,
                "{asked} {headers:?}"
            );
            assert_eq!((reading.socket, reading.grpc), (socket, call), "{asked}");
        }
    }

    #[test]
    fn what_nobody_reads_does_not_go_with_more_than_writing() {
        for (operation, why) in [
            (
                "match = \"POST /a\"\neffect = \"read\"\nsocket = \"harmless\"",
                "GET alone",
            ),
            (
                "match = \"GET|HEAD /a\"\neffect = \"read\"\nsocket = \"harmless\"",
                "GET alone",
            ),
            (
                "match = \"GET /a\"\neffect = \"read\"\ngrpc = \"harmless\"",
                "POST alone",
            ),
            (
                "match = \"GET /a\"\neffect = \"destroy\"\nsocket = \"harmless\"",
                "`write` alone",
            ),
            (
                "match = \"POST /a\"\neffect = [\"read\", \"admin\"]\ngrpc = \"harmless\"",
                "`write` alone",
            ),
            (
                "match = \"GET /a\"\neffect = \"read\"\nreveals = [\"\"]\nsocket = \"harmless\"",
                "`write` alone",
            ),
            (
                "match = \"GET /a\"\neffect = \"read\"\nincomplete = \"why\"\nsocket = \"harmless\"",
                "`write` alone",
            ),
            (
                "match = \"GET /a\"\neffect = \"read\"\nsocket = \"all\"",
                "all",
            ),
        ] {
            let head = "name = \"a\"\ntitle = \"a\"\nsource = \"a\"\nversion = \"a\"\n";
            let text = format!("{head}[[operation]]\n{operation}\ndoes = \"Does.\"\n");
            let error = Pack::parse(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{operation}: {error}");
        }
    }

    fn asked(pack: &str, own: Option<&Pack>, document: &str) -> Reading {
        let payload = serde_json::json!({ "query": document });
        let text = serde_json::json!({ "id": "1", "type": "subscribe", "payload": payload });
        let Ok(Message::Subscribe { incoming, .. }) = message(&text.to_string()) else {
            panic!("a subscribe");
        };
        read_message(&incoming, pack, own)
    }

    #[test]
    fn messages_of_graphql_are_read_like_requests() {
        let own = Pack::parse(PACK).unwrap();
        for (pack, own, document, reads) in [
            (
                "railway",
                None,
                "subscription { deploymentLogs(deploymentId: \"d\") { message } }",
                true,
            ),
            (
                "railway",
                None,
                "query { projects { edges { node { name } } } }",
                true,
            ),
            (
                "railway",
                None,
                "mutation { volumeDelete(volumeId: \"v\") }",
                false,
            ),
            ("railway", None, "subscription { nobodyKnows { x } }", false),
            (
                "generic-graphql",
                None,
                "subscription { logs { line } }",
                true,
            ),
            (
                "generic-graphql",
                None,
                "subscription { logs { apiToken } }",
                false,
            ),
            ("generic-graphql", None, "mutation { projectDelete }", false),
            ("generic-graphql", None, "{", false),
            (
                "acme.toml",
                Some(&own),
                "subscription { logs { line } }",
                true,
            ),
            ("acme.toml", Some(&own), "mutation { logs { line } }", false),
        ] {
            let reading = asked(pack, own, document);
            assert_eq!(
                reading.analysis.is_read(),
                reads,
                "{pack} {document}: {reading:?}"
            );
        }
        let by_hash = serde_json::json!({ "extensions": { "persistedQuery": {
            "version": 1,
            "sha256Hash": "a".repeat(64),
        } } });
        let text = serde_json::json!({ "id": "1", "type": "subscribe", "payload": by_hash });
        let Ok(Message::Subscribe { incoming, .. }) = message(&text.to_string()) else {
            panic!("a subscribe");
        };
        assert!(!read_message(&incoming, "railway", None).analysis.is_read());
    }

    #[test]
    fn every_graphql_api_opens_its_socket_and_no_other_does() {
        let key = [("sec-websocket-key", "x"), ("upgrade", "websocket")];
        for (pack, asked, opens) in [
            ("railway", "GET /graphql/v2", true),
            ("railway", "GET /other", false),
            ("github", "GET /graphql", true),
            ("generic-graphql", "GET /anywhere", true),
            ("generic-rest", "GET /graphql", false),
            ("kubernetes", "GET /api/v1/namespaces/a/pods/b/exec", false),
        ] {
            let reading = read(&request_of(asked, &key, None), Some(pack));
            assert_eq!(
                reading.socket == Some(Socket::Graphql),
                opens,
                "{pack} {asked}"
            );
            assert_eq!(reading.analysis.is_read(), opens, "{pack} {asked}");
        }
    }
}
