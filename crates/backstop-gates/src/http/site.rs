//! A host and a port, read in one way only.
//!
//! What the system's resolver would understand otherwise than a person (`0x7f.1`, `2130706433`, `127.1`) is not a host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    host: String,
    port: u16,
}

/// Why a text is not a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASite {
    /// Not a name, an IPv4 or an IPv6 address.
    #[error("it names no host that can be read in one way only")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// No port was told, and there is no usual one.
    #[error("it has no port")]
    NoPort,
}

impl Site {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`. There must be no user before it.
    ///
    /// # Errors
    /// If it could be read in two ways, or not at all.
    pub fn parse(text: &str, usual_port: Option<u16>) -> Result<Self, NotASite> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(NotASite::Host)?;
                let port = match after.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if after.is_empty() => None,
                    None => return Err(NotASite::Host),
                };
                let address: Ipv6Addr = host.parse().map_err(|_| NotASite::Host)?;
                (address.to_string(), port)
            }
            None => {
                let (host, port) = match text.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                };
                (name_or_v4(host)?, port)
            }
        };
        let port = match port {
            Some(port) => read_port(port)?,
            None => usual_port.ok_or(NotASite::NoPort)?,
        };
        Ok(Self { host, port })
    }

    /// The host: lower case and without a dot at its end; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address, if it is one and not a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// As it stands in `Host`: the port only where it is not the usual one.
    #[must_use]
    pub fn authority(&self, usual_port: u16) -> String {
        if self.port == usual_port {
            self.bracketed()
        } else {
            self.to_string()
        }
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

/// `host:port`.
impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

fn read_port(text: &str) -> Result<u16, NotASite> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotASite::Port);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(NotASite::Port),
        Ok(port) => Ok(port),
    }
}

fn name_or_v4(text: &str) -> Result<String, NotASite> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(NotASite::Host);
    }
    if looks_like_a_number(name) {
        let address: Ipv4Addr = name.parse().map_err(|_| NotASite::Host)?;
        return Ok(address.to_string());
    }
    Ok(name.to_ascii_lowercase())
}

/// Underscores are not in hostnames, but in names that people do use.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether URLs are read as an IPv4 address where a host ends like that (WHATWG URL, "ends in a number").
fn looks_like_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_read_in_one_way() {
        for (text, host, port) in [
            ("example.org", "example.org", 443),
            ("EXAMPLE.org.:8443", "example.org", 8443),
            ("a_b.example", "a_b.example", 443),
            ("1.2.3.4:80", "1.2.3.4", 80),
            ("[2001:DB8::1]:80", "2001:db8::1", 80),
            ("[::ffff:7f00:1]", "::ffff:127.0.0.1", 443),
            ("0x7f.example", "0x7f.example", 443),
        ] {
            let site = Site::parse(text, Some(443)).unwrap();
            assert_eq!((site.host(), site.port()), (host, port), "{text}");
        }
        for (text, why) in [
            ("", NotASite::Host),
            (".", NotASite::Host),
            ("a..b", NotASite::Host),
            ("example.org..", NotASite::Host),
            ("user@example.org", NotASite::Host),
            ("exa mple.org", NotASite::Host),
            ("ex\u{e4}mple.org", NotASite::Host),
            ("2130706433", NotASite::Host),
            ("0x7f000001", NotASite::Host),
            ("0x", NotASite::Host),
            ("127.1", NotASite::Host),
            ("0177.0.0.1", NotASite::Host),
            ("1.2.3.4.5", NotASite::Host),
            ("example.1", NotASite::Host),
            ("::1", NotASite::Host),
            ("[::1", NotASite::Host),
            ("[::1]x", NotASite::Host),
            ("[fe80::1%eth0]", NotASite::Host),
            ("[1.2.3.4]", NotASite::Host),
            ("example.org:", NotASite::Port),
            ("example.org:0", NotASite::Port),
            ("example.org:+80", NotASite::Port),
            ("example.org:65536", NotASite::Port),
            ("example.org:80:80", NotASite::Port),
        ] {
            assert_eq!(Site::parse(text, Some(443)), Err(why), "{text}");
        }
        assert_eq!(Site::parse("a.example", None), Err(NotASite::NoPort));
        let long = vec!["a".repeat(63); 5].join(".");
        assert_eq!(Site::parse(&long, Some(1)), Err(NotASite::Host));
    }

    #[test]
    fn the_usual_port_is_left_out() {
        for (text, host) in [
            ("a.example", "a.example"),
            ("a.example:80", "a.example:80"),
            ("[::1]", "[::1]"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let site = Site::parse(text, Some(443)).unwrap();
            assert_eq!(site.authority(443), host);
            assert_eq!(Site::parse(&site.to_string(), None), Ok(site));
        }
    }
}
