//! Addresses that carry a password: `postgres://user:password@host/database` and their like, remotes with a token.

use std::ops::Range;

use super::hit::{Hit, Rank};
use super::lookalike;
use super::provider;

/// What stands around the `://` at `at`.
pub(crate) fn at(bytes: &[u8], at: usize) -> Option<Hit> {
    let before = bytes.get(at.saturating_sub(24)..at)?;
    let length = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    let scheme = String::from_utf8_lossy(bytes.get(at - length..at)?).to_ascii_lowercase();
    let rest = bytes.get(at + 3..(at + 1200).min(bytes.len()))?;
    let end = rest
        .iter()
        .position(|byte| is_end(*byte))
        .unwrap_or(rest.len());
    let address = rest.get(..end)?;
    let range = at - length..at + 3 + end;
    let authority = address
        .split(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .next()?;
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(sign) => in_front(&scheme, address, authority, sign, range),
        None => in_query(&scheme, address, authority, range, at + 3),
    }
}

const fn is_end(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || matches!(
            byte,
            b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'|' | b'^'
        )
        || byte < b' '
}

fn kind(scheme: &str, host: &[u8]) -> Option<&'static str> {
    Some(match scheme {
        "postgres" | "postgresql" | "postgis" | "jdbc:postgresql" | "cockroachdb"
        | "timescaledb" => "postgres.password",
        scheme if scheme.starts_with("postgresql+") || scheme.starts_with("postgres+") => {
            "postgres.password"
        }
        "mysql" | "mysql2" | "mariadb" | "mongodb" | "mongodb+srv" | "redis" | "rediss"
        | "valkey" | "amqp" | "amqps" | "clickhouse" | "mssql" | "sqlserver" | "oracle"
        | "couchdb" | "neo4j" | "bolt" | "neo4j+s" | "nats" | "libsql" => "database.password",
        scheme
            if scheme.starts_with("mysql+")
                || scheme.starts_with("mssql+")
                || scheme.starts_with("oracle+") =>
        {
            "database.password"
        }
        "http" | "https" | "git+https" | "git+http" | "wss" => {
            provider::kind_by_host(host).unwrap_or("password.http")
        }
        "ftp" | "ftps" | "sftp" | "ssh" | "smtp" | "smtps" | "ldap" | "ldaps" | "imap"
        | "imaps" | "smb" | "socks5" | "mqtt" | "mqtts" => "password.unnamed",
        _ => return None,
    })
}

fn in_front(
    scheme: &str,
    address: &[u8],
    authority: &[u8],
    sign: usize,
    range: Range<usize>,
) -> Option<Hit> {
    let (user, host) = (authority.get(..sign)?, authority.get(sign + 1..)?);
    let kind = kind(scheme, host)?;
    let colon = user.iter().position(|byte| *byte == b':');
    let (user, password) = match colon {
        Some(colon) => (user.get(..colon)?, user.get(colon + 1..)?),
        // `https://TOKEN@host` is a token; `https://name@host` is a name.
        None if scheme.starts_with("http") && user.len() >= 20 => (&b""[..], user),
        None => return None,
    };
    let secret = decode(password);
    // PostgreSQL's clients take a socket's folder, or another host, from the query, and a socket where none is named.
    let postgres = kind == "postgres.password";
    let elsewhere = postgres.then(|| parameter(address, b"host")).flatten();
    if (host.is_empty() && !postgres)
        || is_hole(password)
        || (!host.is_empty() && is_hole(host))
        || (!user.is_empty() && is_hole(user))
        || is_documentation(host, &secret)
    {
        return None;
    }
    let mut hit = Hit::new(
        kind,
        "dsn",
        range,
        &secret,
        if kind == "password.http" {
            Rank::Rule
        } else {
            Rank::Structure
        },
    );
    let (name, port) = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host.ends_with(b"]") => (host.get(..colon)?, host.get(colon + 1..)?),
        _ => (host, &b""[..]),
    };
    let other_port = postgres.then(|| parameter(address, b"port")).flatten();
    let whole = match &elsewhere {
        Some(host) => host.clone(),
        None => decode(name),
    };
    hit = hit
        .with("scheme", scheme.as_bytes())
        .with("host", &whole)
        .with("port", other_port.as_deref().unwrap_or(port))
        .with("user", &decode(user));
    let path = address.get(authority.len()..)?;
    if let Some(path) = path.strip_prefix(b"/") {
        let database = path.split(|byte| matches!(byte, b'?' | b'#')).next()?;
        if kind.ends_with(".password") && kind != "password.http" {
            hit = hit.with("database", database);
        }
    }
    if let Some(provider) = provider::database_host(name) {
        hit = hit.with("provider", provider.as_bytes());
    }
    let local = [
        &b"localhost"[..],
        b"127.0.0.1",
        b"[::1]",
        b"0.0.0.0",
        b"db",
        b"postgres",
        b"host.docker.internal",
    ]
    .contains(&name);
    if lookalike::is_default_password(&secret) || (local && secret.as_slice() == user) {
        return Some(hit.doubted("a default password"));
    }
    Some(hit)
}

/// A parameter of an address's query, decoded; the last one of that name, and none that is empty.
fn parameter(address: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let question = address.iter().position(|byte| *byte == b'?')?;
    let query = address.get(question + 1..)?;
    let query = query.split(|byte| *byte == b'#').next()?;
    let pairs = query.split(|byte| *byte == b'&');
    let values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="));
    let mut values = values.filter(|value| !value.is_empty());
    values.next_back().map(decode)
}

/// `jdbc:postgresql://host/database?user=u&password=p`
fn in_query(
    scheme: &str,
    address: &[u8],
    authority: &[u8],
    range: Range<usize>,
    start: usize,
) -> Option<Hit> {
    let kind = kind(scheme, b"")
        .filter(|kind| matches!(*kind, "postgres.password" | "database.password"))?;
    let question = address.iter().position(|byte| *byte == b'?')?;
    let mut found = None;
    let mut user = &b""[..];
    let mut at = question + 1;
    for pair in address
        .get(question + 1..)?
        .split(|byte| matches!(byte, b'&' | b';'))
    {
        if let Some(value) = pair.strip_prefix(b"password=") {
            found = Some((value, at));
        }
        if let Some(value) = pair.strip_prefix(b"user=") {
            user = value;
        }
        at += pair.len() + 1;
    }
    let (password, _) = found?;
    let secret = decode(password);
    if is_hole(password) || is_documentation(authority, &secret) {
        return None;
    }
    let _ = start;
    let database = address
        .get(authority.len() + 1..question)
        .unwrap_or_default();
    let host = authority
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default();
    let hit = Hit::new(kind, "dsn", range, &secret, Rank::Structure)
        .with("host", host)
        .with("user", &decode(user))
        .with("database", database);
    Some(if lookalike::is_default_password(&secret) {
        hit.doubted("a default password")
    } else {
        hit
    })
}

/// A variable or a template's hole where a password or host would be.
fn is_hole(part: &[u8]) -> bool {
    part.is_empty()
        || part.starts_with(b"$")
        || part
            .iter()
            .any(|byte| matches!(byte, b'{' | b'}' | b'(' | b')' | b'[') && !part.starts_with(b"["))
        || part.starts_with(b"%s")
        || part.starts_with(b"%v")
        || part
            .iter()
            .all(|byte| matches!(byte, b'*' | b'.' | b'x' | b'X' | b'-'))
}

/// Documentation writes `user:password@host`; a host of that name is nobody's.
fn is_documentation(host: &[u8], secret: &[u8]) -> bool {
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let name = host.split(':').next().unwrap_or_default();
    lookalike::is_placeholder(secret)
        || matches!(
            name,
            "host"
                | "hostname"
                | "server"
                | "your-host"
                | "myhost"
                | "ip"
                | "address"
                | "domain.com"
                | "hostname.com"
        )
        || name.ends_with("example.com")
        || name.ends_with("example.org")
        || name.ends_with("example.net")
        || name.ends_with(".example")
        || name.ends_with(".invalid")
}

/// Percent-decoding; what is no code stays as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let code = (byte == b'%')
            .then(|| {
                text.get(at + 1..at + 3)
                    .and_then(|digits| std::str::from_utf8(digits).ok())
            })
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Hit> {
        at(text.as_bytes(), text.find("://").unwrap())
    }

    #[test]
    fn an_address_gives_its_password_and_what_is_beside_it() {
        let hit =
            found("URL=\"postgresql://app:p%40ss9w%2Frd@db.internal:6432/shop?sslmode=require\"")
                .unwrap();
        assert_eq!(hit.kind, "postgres.password");
        assert_eq!(hit.secret.as_slice(), b"p@ss9w/rd");
        let fact = |name: &str| hit.facts.get(name).map(String::as_str);
        assert_eq!(
            (fact("host"), fact("port"), fact("user"), fact("database")),
            (Some("db.internal"), Some("6432"), Some("app"), Some("shop"))
        );
        assert_eq!(hit.range, 5..73);
        assert_eq!(
            found("redis://:k3Yp9QxL@cache:6379/0").unwrap().kind,
            "database.password"
        );
        assert_eq!(
            found("jdbc:postgresql://h1/d?user=u&password=Zx81qP")
                .unwrap()
                .secret
                .as_slice(),
            b"Zx81qP"
        );
        assert!(
            found("postgres://postgres:postgres@localhost/x")
                .unwrap()
                .confidence
                .is_doubtful()
        );
    }

    /// The host in the query is the one that clients of PostgreSQL go to.
    #[test]
    fn a_socket_is_a_host() {
        for (text, host, port) in [
            (
                "postgresql://app:k3Yp9QxL@/shop?host=/run/postgresql&port=5433",
                Some("/run/postgresql"),
                Some("5433"),
            ),
            (
                "postgresql://app:k3Yp9QxL@/shop?host=%2Frun%2Fpostgresql",
                Some("/run/postgresql"),
                None,
            ),
            (
                "postgresql://app:k3Yp9QxL@%2Frun%2Fpostgresql/shop",
                Some("/run/postgresql"),
                None,
            ),
            (
                "postgresql://app:k3Yp9QxL@localhost:5432/shop?host=/cloudsql/p:r:i",
                Some("/cloudsql/p:r:i"),
                Some("5432"),
            ),
            ("postgresql://app:k3Yp9QxL@/shop", None, None),
            (
                "postgresql://app:k3Yp9QxL@db:1/shop?host=",
                Some("db"),
                Some("1"),
            ),
        ] {
            let hit = found(text).unwrap_or_else(|| panic!("{text}"));
            let fact = |name: &str| hit.facts.get(name).map(String::as_str);
            assert_eq!(
                (fact("host"), fact("port"), fact("database")),
                (host, port, Some("shop")),
                "{text}"
            );
        }
        assert!(
            found("redis://:k3Yp9QxL@/0").is_none(),
            "no other has such a form"
        );
    }

    #[test]
    fn stand_ins_and_plain_addresses_are_none() {
        for text in [
            "https://example.com/a@b",
            "postgres://user:password@host/db",
            "postgres://u:${PW}@h/d",
            "https://user@host/x",
            "postgres://u:%s@h/d",
            "ssh://git@github.com/x",
            "postgres://app@db/x",
            "postgres://USER:PASS@db.example.com/x",
        ] {
            assert!(found(text).is_none(), "{text}");
        }
    }
}
