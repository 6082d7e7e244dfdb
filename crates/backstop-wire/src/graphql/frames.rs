//! Messages of GraphQL over WebSocket, from the client: `graphql-transport-ws` and the older `graphql-ws`.

use serde_json::Value;

use super::Refused;
use super::incoming::{Incoming, payload};
use super::json::strict;
use super::refuse::{refused, shown};

/// What a client says.
#[derive(Clone, PartialEq)]
pub enum Message {
    /// `connection_init`. What it carries are the connection's parameters, credentials among them.
    Init(Value),
    /// `subscribe` or `start`: runs an operation, which may be a query or a mutation too.
    Subscribe {
        /// The client's name for it.
        id: String,
        /// What it asks.
        incoming: Incoming,
    },
    /// `complete` or `stop`: the client has had enough of this one.
    Complete {
        /// As in `Subscribe`.
        id: String,
    },
    /// `ping`, `pong`, `connection_terminate`: nothing is asked.
    Idle,
}

/// Shows the kind alone (invariant 8).
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Init(_) => "init",
            Self::Subscribe { .. } => "subscribe",
            Self::Complete { .. } => "complete",
            Self::Idle => "idle",
        })
    }
}

/// Reads one text message of a client.
///
/// # Errors
///
/// If it is none of the two protocols', or what it asks could be read in two ways.
pub fn message(text: &str) -> Result<Message, Refused> {
    let Value::Object(mut object) = strict(text, "message")? else {
        return Err(odd());
    };
    for name in object.keys() {
        if !matches!(name.as_str(), "type" | "id" | "payload") {
            return Err(refused(
                format!(
                    "the message has the key {}, which is not known",
                    shown(name)
                ),
                "send type, id and payload only",
            ));
        }
    }
    let payload_of = object.remove("payload").unwrap_or(Value::Null);
    let id = object.get("id").and_then(Value::as_str).map(str::to_owned);
    match object.get("type").and_then(Value::as_str) {
        Some("connection_init") => Ok(Message::Init(payload_of)),
        Some("subscribe" | "start") => Ok(Message::Subscribe {
            id: id.ok_or_else(odd)?,
            incoming: payload(&payload_of)?,
        }),
        Some("complete" | "stop") => Ok(Message::Complete {
            id: id.ok_or_else(odd)?,
        }),
        Some("ping" | "pong" | "connection_terminate") => Ok(Message::Idle),
        _ => Err(odd()),
    }
}

fn odd() -> Refused {
    refused(
        "the message is none of GraphQL over WebSocket",
        "use graphql-transport-ws",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Over;
    use super::*;

    #[test]
    fn both_protocols_are_read() {
        for kind in ["subscribe", "start"] {
            let text = format!(
                r#"{{"id":"1","type":"{kind}","payload":{{"query":"subscription {{ x }}","variables":{{"a":1}}}}}}"#
            );
            let Message::Subscribe { id, incoming } = message(&text).unwrap() else {
                panic!("a subscribe");
            };
            assert_eq!(id, "1");
            assert_eq!(incoming.over, Over::Socket);
            assert_eq!(incoming.document.as_deref(), Some("subscription { x }"));
        }
        let init = message(r#"{"type":"connection_init","payload":{"token":"t"}}"#).unwrap();
        assert!(matches!(&init, Message::Init(payload) if payload["token"] == "t"));
        assert_eq!(format!("{init:?}"), "init");
        for idle in ["ping", "pong", "connection_terminate"] {
            let text = format!(r#"{{"type":"{idle}"}}"#);
            assert_eq!(message(&text).unwrap(), Message::Idle);
        }
        for end in ["complete", "stop"] {
            let text = format!(r#"{{"type":"{end}","id":"7"}}"#);
            assert!(matches!(message(&text).unwrap(), Message::Complete { id } if id == "7"));
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in [
            "",
            "[]",
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","payload":{"query":"{x}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{x}","doc_id":"7"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{x}"},"query":"{y}"}"#,
            r#"{"type":"ping","type":"subscribe","id":"1","payload":{"query":"{x}"}}"#,
        ] {
            assert!(message(bad).is_err(), "{bad}");
        }
    }
}
