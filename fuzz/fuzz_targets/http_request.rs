//! Any bytes as a request: reading ends without a panic, and what is read is in order.
//!
//! An input is text as on the wire: a line with method and target, headers, an empty line, the body; lines may end with
//! CRLF or LF. Names that begin with `:` say how the request came.
//!
//! Run with `scripts/fuzz.sh 60 http_request`.

#![no_main]

use backstop_wire::http::{self, Raw, RawBody, Scheme, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(sent) = Sent::of(data) else { return };
    let Ok(request) = http::read(&sent.raw()) else { return };
    assert!(request.method.bytes().all(|byte| !byte.is_ascii_lowercase()));
    assert_eq!(request.host, request.host.to_ascii_lowercase());
    for segment in &request.segments {
        assert!(!segment.is_empty() && !segment.contains('\\') && !segment.chars().any(char::is_control));
        assert!(segment.split('/').all(|piece| piece != "." && piece != ".."));
    }
    assert!(request.headers.iter().all(|(_, value)| !value.contains(['\r', '\n', '\0'])));
    let _ = http::forwardable(&request.headers);
    // The same bytes read the same.
    assert!(http::read(&sent.raw()).is_ok_and(|again| again == request));
});

struct Sent<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
    body: &'a [u8],
}

impl<'a> Sent<'a> {
    fn of(data: &'a [u8]) -> Option<Self> {
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

    fn raw(&self) -> Raw<'_> {
        // What says how it came stands first.
        let told = self.headers.iter().take_while(|(name, _)| name.starts_with(':')).count();
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
            headers: self.headers.get(told..).unwrap_or_default(),
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
