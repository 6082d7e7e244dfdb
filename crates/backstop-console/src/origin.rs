//! The one origin that the console answers on; passkeys are bound to it for good.

use std::fmt;

/// Why an origin cannot be the console's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is not `scheme://host[:port]`.
    #[error(
        "`{0}` is not an origin; hint: write it as https://host or https://host:port, with nothing behind it"
    )]
    Form(String),
    /// Plain HTTP anywhere but on this machine.
    #[error(
        "`{0}` has no TLS; hint: browsers allow passkeys over http only on localhost, use https"
    )]
    PlainHttp(String),
    /// Browsers refuse passkeys for addresses.
    #[error("`{0}` is an address; hint: passkeys need a name, use localhost or a host name")]
    Address(String),
}

/// A console's origin, as browsers spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    text: String,
    host: String,
    https: bool,
}

impl Origin {
    /// Reads `https://host[:port]`, or `http://localhost[:port]`.
    ///
    /// # Errors
    /// When a browser would spell it otherwise, or refuse passkeys on it.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let form = || OriginError::Form(text.to_owned());
        let (scheme, authority) = text.split_once("://").ok_or_else(form)?;
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(form()),
        };
        let (host, port) = split_port(authority).ok_or_else(form)?;
        if host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[') {
            return Err(OriginError::Address(text.to_owned()));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if host.is_empty() || !host.chars().all(plain) {
            return Err(form());
        }
        // Browsers leave the default port out.
        if port.is_some_and(|p| p == if https { 443 } else { 80 }) {
            return Err(form());
        }
        if !https && host != "localhost" {
            return Err(OriginError::PlainHttp(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            host: host.to_owned(),
            https,
        })
    }

    /// The origin as a browser sends it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The relying party id: the host.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        &self.host
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// What the `Host` header must say.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text
            .split_once("://")
            .map_or("", |(_, authority)| authority)
    }

    /// The port in it, where it is not the scheme's own.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        split_port(self.authority()).and_then(|(_, port)| port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `host` and `port` of an authority; `None` when the port is none.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_address..)?.rfind(':') {
        None => Some((authority, None)),
        Some(at) => {
            let (host, port) = authority.split_at_checked(after_address + at)?;
            let digits = port.strip_prefix(':')?;
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
            if !plain {
                return None;
            }
            Some((host, Some(digits.parse().ok()?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_origins_are_read() {
        let origin = Origin::parse("http://localhost:7443").unwrap();
        assert_eq!(
            (origin.rp_id(), origin.authority(), origin.is_https()),
            ("localhost", "localhost:7443", false)
        );
        assert_eq!(origin.port(), Some(7443));
        let origin = Origin::parse("https://gate.example.ts.net").unwrap();
        assert_eq!(
            (origin.rp_id(), origin.port(), origin.is_https()),
            ("gate.example.ts.net", None, true)
        );
    }

    #[test]
    fn others_are_refused_with_a_hint() {
        for (text, part) in [
            ("localhost:7443", "is not an origin"),
            ("https://a.example/", "is not an origin"),
            ("https://A.example", "is not an origin"),
            ("https://a.example:443", "is not an origin"),
            ("http://localhost:80", "is not an origin"),
            ("https://a.example:0443", "is not an origin"),
            ("https://user@a.example", "is not an origin"),
            ("ftp://a.example", "is not an origin"),
            ("https://", "is not an origin"),
            ("http://a.example", "has no TLS"),
            ("https://127.0.0.1:8443", "is an address"),
            ("https://[::1]:8443", "is an address"),
        ] {
            let error = Origin::parse(text).unwrap_err().to_string();
            assert!(
                error.contains(part) && error.contains("hint: "),
                "{text}: {error}"
            );
        }
    }
}
