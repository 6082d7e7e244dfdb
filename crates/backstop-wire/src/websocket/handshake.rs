//! The opening handshake (RFC 6455, sections 4.2.1 and 4.1): what a client asks, and whether it was answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::http::{Body, Refused, Request};

/// What every answer is made with.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: &str = "13";

/// A handshake that a client began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    accept: String,
    protocols: Vec<String>,
}

impl Opening {
    /// Reads what `request`, which asks for a change to `websocket` alone, offers.
    ///
    /// # Errors
    ///
    /// If it is no handshake of version 13, or says something twice.
    pub fn read(request: &Request) -> Result<Self, Refused> {
        if request.method != "GET" || request.body != Body::Absent {
            return Err(refused("a WebSocket is not opened by a GET without a body"));
        }
        if one(request, "sec-websocket-version") != Some(VERSION) {
            return Err(refused("the handshake is not of version 13"));
        }
        let key = one(request, "sec-websocket-key").filter(|key| is_key(key));
        let key = key.ok_or_else(|| refused("the handshake has not one key of 16 bytes"))?;
        let protocols: Vec<String> = values(request, "sec-websocket-protocol")
            .flat_map(|value| value.split(','))
            .map(|name| name.trim().to_owned())
            .collect();
        if protocols.iter().any(|name| !is_token(name)) {
            return Err(refused("a protocol of the handshake has no name"));
        }
        Ok(Self {
            accept: accept(key),
            protocols,
        })
    }

    /// The protocols that are offered, in order.
    #[must_use]
    pub fn protocols(&self) -> &[String] {
        &self.protocols
    }

    /// The protocol that an answer with these headers (names in lower case) chooses, if it chooses one.
    ///
    /// # Errors
    ///
    /// Why it is no answer to this handshake.
    pub fn answered<'h>(
        &self,
        headers: &[(&str, &'h [u8])],
    ) -> Result<Option<&'h str>, &'static str> {
        let all = |name: &'static str| headers.iter().filter(move |(n, _)| *n == name);
        if all("sec-websocket-extensions").next().is_some() {
            return Err("it chooses an extension that was not offered");
        }
        let mut accepts = all("sec-websocket-accept").map(|(_, value)| *value);
        if accepts.next() != Some(self.accept.as_bytes()) || accepts.next().is_some() {
            return Err("it does not prove that it read the handshake");
        }
        let mut chosen = all("sec-websocket-protocol").map(|(_, value)| *value);
        let Some(protocol) = chosen.next() else {
            return Ok(None);
        };
        let protocol = std::str::from_utf8(protocol).unwrap_or_default();
        if chosen.next().is_some() || !self.protocols.iter().any(|name| name == protocol) {
            return Err("it chooses a protocol that was not offered");
        }
        Ok(Some(protocol))
    }
}

/// What proves that a server read a handshake with this key.
#[must_use]
pub fn accept(key: &str) -> String {
    let bytes = [key.as_bytes(), GUID.as_bytes()].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes))
}

fn values<'r>(request: &'r Request, name: &'r str) -> impl Iterator<Item = &'r str> {
    let all = request.headers.iter();
    all.filter(move |(n, _)| n == name)
        .map(|(_, value)| value.as_str())
}

fn one<'r>(request: &'r Request, name: &'r str) -> Option<&'r str> {
    let mut all = values(request, name);
    all.next().filter(|_| all.next().is_none())
}

fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn is_token(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

fn refused(what: &str) -> Refused {
    Refused {
        what: what.to_owned(),
        hint: "open it as RFC 6455 has it, by a GET over HTTP/1.1".to_owned(),
    }
}
