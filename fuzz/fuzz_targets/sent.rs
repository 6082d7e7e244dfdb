//! A request as text: a line with method and target, headers, an empty line, the body; lines may end with CRLF or LF.
//! Names that begin with `:` stand first and say how the request came.

use backstop_wire::http::{Raw, RawBody, Scheme, Version};

/// What an input says was sent.
pub struct Sent<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
    pub body: &'a [u8],
}

impl<'a> Sent<'a> {
    /// `None` where the input is no such text.
    pub fn of(data: &'a [u8]) -> Option<Self> {
        let (first, mut rest) = line(data)?;
        let (method, target) = std::str::from_utf8(first).ok()?.split_once(' ')?;
        let mut headers = Vec::new();
        loop {
            let (header, after) = line(rest)?;
            rest = after;
            if header.is_empty() {
                return Some(Self { method, target, headers, body: rest });
            }
            let at = header.iter().skip(1).position(|&byte| byte == b':')? + 1;
            let (name, value) = header.split_at(at);
            headers.push((std::str::from_utf8(name).ok()?, value.get(1..)?));
        }
    }

    fn told(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.headers.iter().find(|(n, _)| *n == name)?;
        std::str::from_utf8(value.trim_ascii()).ok()
    }

    /// The headers that the client sent.
    pub fn sent(&self) -> &[(&'a str, &'a [u8])] {
        let told = self.headers.iter().take_while(|(name, _)| name.starts_with(':')).count();
        self.headers.get(told..).unwrap_or_default()
    }

    /// It, as the reader takes it.
    pub fn raw(&self) -> Raw<'_> {
        self.with(self.sent())
    }

    /// The same with other headers.
    pub fn with<'s>(&'s self, headers: &'s [(&'s str, &'s [u8])]) -> Raw<'s> {
        Raw {
            method: self.method,
            version: match self.told(":version") {
                Some("2") => Version::Http2,
                Some("1.0") => Version::Http10,
                _ => Version::Http11,
            },
            scheme: if self.told(":scheme") == Some("http") { Scheme::Http } else { Scheme::Https },
            authority: self.told(":authority"),
            target: self.target,
            headers,
            tls_name: self.told(":tls"),
            tunnel: self.told(":tunnel"),
            reverse: self.told(":reverse"),
            body: RawBody::Whole(self.body),
        }
    }
}

fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|&byte| byte == b'\n')?;
    let (line, rest) = data.split_at(end);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}
