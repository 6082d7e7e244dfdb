//! A host and perhaps a port, in one form: lower case, IDNA in ASCII, no dot at its end.
//!
//! What the normal form would change beyond that is refused: `0x7f.1` is 127.0.0.1 to some and a name to others.

use std::net::Ipv6Addr;

use url::Host;

use super::Refused;
use super::refuse::refused;

/// A host, IPv6 without brackets, and its port where one was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Authority {
    pub(super) fn read(text: &str) -> Result<Self, Refused> {
        if text.contains('@') {
            return Err(refused(
                "a user stands before the host",
                "send credentials in the `authorization` header",
            ));
        }
        if let Some(text) = text.strip_prefix('[') {
            let (address, after) = text.split_once(']').ok_or_else(no_host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| no_host())?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(read_port(port)?),
                None if after.is_empty() => None,
                None => return Err(no_host()),
            };
            return Ok(Self {
                host: address.to_string(),
                port,
            });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(read_port(port)?)),
            None => (text, None),
        };
        Ok(Self {
            host: host(name)?,
            port,
        })
    }

    /// The port, as `default` where none was told.
    pub(super) fn port_or(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }
}

/// The normal form of a name or an IPv4 address.
pub(super) fn host(sent: &str) -> Result<String, Refused> {
    let lower = sent.to_ascii_lowercase();
    let lower = lower.strip_suffix('.').unwrap_or(&lower);
    let fits = lower
        .split('.')
        .all(|label| !label.is_empty() && label.len() <= 63)
        && lower.len() <= 253;
    if !fits || !lower.chars().all(is_of_name) {
        return Err(no_host());
    }
    match Host::parse(lower).map_err(|_| no_host())? {
        Host::Domain(normal) if agree(lower, &normal) => Ok(normal),
        Host::Ipv4(address) if address.to_string() == lower => Ok(address.to_string()),
        _ => Err(refused(
            "the host is written in a form that readers take differently",
            "write an IPv4 address as four decimal numbers, and a name in plain letters",
        )),
    }
}

/// Letters, digits, `-`, and `_`, which is no part of host names and is all the same in use.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || !c.is_ascii()
}

/// Whether IDNA did nothing but write foreign labels in ASCII. It would also take full-width letters for plain ones,
/// and other signs for dots, and so find a name that nobody sent.
fn agree(sent: &str, normal: &str) -> bool {
    sent.split('.').count() == normal.split('.').count()
        && sent
            .split('.')
            .zip(normal.split('.'))
            .all(|(sent, normal)| {
                sent == normal || (!sent.is_ascii() && normal.starts_with("xn--"))
            })
}

fn read_port(text: &str) -> Result<u16, Refused> {
    let wrong = || {
        refused(
            "the port is not a plain number from 1 to 65535",
            "write it so, or leave it out",
        )
    };
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

fn no_host() -> Refused {
    refused(
        "the host is not a name or address that can be read",
        "send `name`, `name:port` or `[IPv6]:port`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for (sent, host, port) in [
            ("api.github.com", "api.github.com", None),
            ("API.GitHub.com.:443", "api.github.com", Some(443)),
            ("my_service:8080", "my_service", Some(8080)),
            ("localhost", "localhost", None),
            ("r3---sn-x.example", "r3---sn-x.example", None),
            ("127.0.0.1:9000", "127.0.0.1", Some(9000)),
            ("[::1]", "::1", None),
            ("[2001:DB8:0:0::1]:8443", "2001:db8::1", Some(8443)),
            ("bücher.example", "xn--bcher-kva.example", None),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example", None),
        ] {
            let read = Authority::read(sent).unwrap();
            assert_eq!((read.host.as_str(), read.port), (host, port), "{sent}");
        }
    }

    #[test]
    fn hosts_that_readers_take_differently() {
        for sent in [
            "",
            ".",
            "a..b",
            ".a",
            "a.b..",
            "a b",
            "a,b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "%67ithub.com",
            "user@a",
            "user:secret@a:443",
            "0x7f.1",
            "017700000001",
            "2130706433",
            "127.1",
            "127.0.0.01",
            "0x7f.0.0.1",
            "1.2.3.256",
            "１２７.0.0.1",
            "ｇithub.com",
            "github。com",
            "gıthub.com。",
            "xn--a",
            "::1",
            "a:b:1",
            "[::1",
            "[::1]x",
            "[::1%25eth0]",
            "[1.2.3.4]",
            "a:",
            "a:0",
            "a:080",
            "a:+80",
            "a:65536",
            "a:8 0",
            "a\0",
        ] {
            assert!(Authority::read(sent).is_err(), "{sent}");
        }
    }
}
