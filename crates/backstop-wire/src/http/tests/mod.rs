//! Whole requests: attacks that must be refused, ordinary ones that must be read, and any at all.

mod any;
mod attacks;
mod ordinary;

use super::{Body, Raw, RawBody, Refused, Request, Scheme, Version, read};

/// A request as it stands on the wire, and how it came.
#[derive(Clone)]
struct Sent {
    version: Version,
    scheme: Scheme,
    tls_name: Option<&'static str>,
    tunnel: Option<&'static str>,
    reverse: Option<&'static str>,
    head: String,
    body: Vec<u8>,
}

impl Sent {
    /// Through a tunnel to `api.example.com` over HTTP/1.1: a request line without the version, headers, an empty line
    /// and the body, with line feeds.
    fn new(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        Self {
            version: Version::Http11,
            scheme: Scheme::Https,
            tls_name: Some("api.example.com"),
            tunnel: Some("api.example.com:443"),
            reverse: None,
            head: head.to_owned(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The same to another host, by its name in TLS and the tunnel.
    fn to(text: &str, host: &'static str, tunnel: &'static str) -> Self {
        Self {
            tls_name: Some(host),
            tunnel: Some(tunnel),
            ..Self::new(text)
        }
    }

    fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    fn http2(self) -> Self {
        Self {
            version: Version::Http2,
            ..self
        }
    }

    fn read(&self) -> Result<Request, Refused> {
        let mut lines = self.head.split('\n');
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let mut headers: Vec<(&str, &[u8])> = Vec::new();
        let mut authority = None;
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            match name {
                ":authority" => authority = Some(value),
                _ => headers.push((name, value.as_bytes())),
            }
        }
        read(&Raw {
            method,
            version: self.version,
            scheme: self.scheme,
            authority,
            target,
            headers: &headers,
            tls_name: self.tls_name,
            tunnel: self.tunnel,
            reverse: self.reverse,
            body: match self.body.as_slice() {
                [] => RawBody::Absent,
                bytes => RawBody::Whole(bytes),
            },
        })
    }
}
