//! Where a PostgreSQL target is: connection strings in both forms that libpq reads.
//!
//! Must not be lenient: a parameter that would be ignored is refused, since it may be a safeguard.

use std::fmt;
use std::path::PathBuf;

use backstop_core::secret::Secret;
use url::Url;

/// What a connection string says.
#[derive(Debug, Clone)]
pub struct Dsn {
    /// The machine, or the socket's directory.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// The password, where one was written.
    pub password: Option<Secret<String>>,
    /// How the server is known to be the right one.
    pub tls: Tls,
    /// Whether the login must be bound to the server's certificate; it is in any case where the server offers it.
    pub require_binding: bool,
}

/// The machine, or the socket's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name or an address.
    Tcp(String),
    /// A directory with `.s.PGSQL.<port>` in it.
    Unix(PathBuf),
}

/// How the server is known to be the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: plain text.
    Disable,
    /// By a certificate for its name, from a CA known here or in this file.
    Verify {
        /// The CA file.
        ca: Option<PathBuf>,
    },
    /// By the SHA-256 of its certificate.
    Pinned([u8; 32]),
}

/// The parts of a connection string, as written.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<String>,
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    channel_binding: Option<String>,
}

impl Dsn {
    /// Reads `postgresql://user@host:port/db?…` or `host=… port=… dbname=… user=…`.
    ///
    /// # Errors
    /// What is wrong, with a hint; never with the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let parts = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Parts::of_url(text)?
        } else {
            Parts::of_pairs(text)?
        };
        parts.finish()
    }

    /// The same place in one line, without the password, as the configuration keeps it.
    pub fn to_url(&self) -> String {
        let host = match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]"),
            Host::Tcp(host) => host.clone(),
            Host::Unix(_) => String::new(),
        };
        let query = match &self.host {
            Host::Tcp(_) if self.require_binding => "?channel_binding=require".to_owned(),
            Host::Tcp(_) => String::new(),
            Host::Unix(dir) => format!("?host={}", encode(&dir.display().to_string())),
        };
        let place = if host.is_empty() {
            format!(":{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        };
        let place = if matches!(self.host, Host::Unix(_)) {
            format!("localhost{place}")
        } else {
            place
        };
        format!(
            "postgresql://{}@{place}/{}{query}",
            encode(&self.user),
            encode(&self.database)
        )
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => {
                write!(f, "{}@[{host}]:{}/{}", self.user, self.port, self.database)
            }
            Host::Tcp(host) => write!(f, "{}@{host}:{}/{}", self.user, self.port, self.database),
            Host::Unix(dir) => write!(
                f,
                "{}@{}:{}/{}",
                self.user,
                dir.display(),
                self.port,
                self.database
            ),
        }
    }
}

impl Parts {
    fn of_url(text: &str) -> Result<Self, String> {
        let named = with_host(text);
        let url = Url::parse(named.as_deref().unwrap_or(text)).map_err(|e| {
            format!("the connection string is not a URL: {e}; hint: percent-encode special characters in the password")
        })?;
        let mut parts = Self::default();
        let some = |s: &str| (!s.is_empty()).then(|| decode(s)).transpose();
        if let Some(host) = url.host_str().filter(|_| named.is_none()) {
            parts.host = some(host.trim_start_matches('[').trim_end_matches(']'))?;
        }
        parts.port = url.port().map(|p| p.to_string());
        parts.user = some(url.username())?;
        parts.password = url.password().map(decode).transpose()?;
        parts.database = some(url.path().trim_start_matches('/'))?;
        for (key, value) in url.query_pairs() {
            parts.set(&key, value.into_owned())?;
        }
        Ok(parts)
    }

    fn of_pairs(text: &str) -> Result<Self, String> {
        let mut parts = Self::default();
        let mut rest = text;
        while !rest.trim_start().is_empty() {
            let (key, after) = rest.trim_start().split_once('=').ok_or_else(not_a_dsn)?;
            let (value, after) = take_value(after.trim_start())?;
            parts.set(key.trim(), value)?;
            rest = after;
        }
        Ok(parts)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), String> {
        let slot = match key {
            "host" | "hostaddr" => &mut self.host,
            "port" => &mut self.port,
            "dbname" => &mut self.database,
            "user" => &mut self.user,
            "password" => &mut self.password,
            "sslmode" => &mut self.sslmode,
            "sslrootcert" => &mut self.sslrootcert,
            "channel_binding" => &mut self.channel_binding,
            "application_name" | "connect_timeout" => return Ok(()),
            other => {
                return Err(format!(
                    "the connection parameter `{other}` is not supported; hint: use host, port, dbname, user, sslmode, sslrootcert"
                ));
            }
        };
        *slot = Some(value);
        Ok(())
    }

    fn finish(self) -> Result<Dsn, String> {
        let host = self.host.filter(|h| !h.is_empty()).ok_or("the connection string names no host; hint: write `localhost`, or `host=/run/postgresql` for a unix socket")?;
        if host.contains(',') {
            return Err("several hosts are not supported; hint: name the primary".into());
        }
        let port = match self.port {
            None => 5432,
            Some(p) => p
                .parse()
                .map_err(|_| format!("`{p}` is not a port; hint: PostgreSQL's own is 5432"))?,
        };
        let user = self.user.filter(|u| !u.is_empty()).ok_or("the connection string names no user; hint: name the role that the gate shall log in as")?;
        let host = if host.starts_with('/') {
            Host::Unix(host.into())
        } else {
            Host::Tcp(host)
        };
        let tls = tls(self.sslmode.as_deref(), self.sslrootcert, &host)?;
        Ok(Dsn {
            require_binding: must_bind(self.channel_binding.as_deref(), &tls)?,
            tls,
            database: self.database.unwrap_or_else(|| user.clone()),
            host,
            port,
            user,
            password: self.password.map(Secret::new),
        })
    }
}

fn tls(mode: Option<&str>, root: Option<String>, host: &Host) -> Result<Tls, String> {
    let ca = root.filter(|r| r != "system").map(PathBuf::from);
    match mode {
        // There is no TLS on unix sockets.
        _ if matches!(host, Host::Unix(_)) => Ok(Tls::Disable),
        Some("disable") => Ok(Tls::Disable),
        // Weaker modes would accept anybody; the certificate is always verified, or pinned.
        None | Some("verify-full" | "verify-ca" | "require" | "prefer" | "allow") => {
            Ok(Tls::Verify { ca })
        }
        Some(other) => Err(format!(
            "`{other}` is not an sslmode; hint: use verify-full, or disable for a network that you trust"
        )),
    }
}

/// Weaker wishes are fulfilled too: the login is bound wherever the server offers it.
fn must_bind(mode: Option<&str>, tls: &Tls) -> Result<bool, String> {
    match mode {
        None | Some("prefer" | "disable") => Ok(false),
        Some("require") if *tls == Tls::Disable => Err(
            "`channel_binding=require` needs TLS; hint: take `sslmode=disable` or the unix socket away, or that"
                .into(),
        ),
        Some("require") => Ok(true),
        Some(other) => Err(format!(
            "`{other}` is not a channel_binding; hint: use require or prefer"
        )),
    }
}

/// libpq's URLs may leave the host out, as in `postgresql://user@/db?host=/run/postgresql`; others may not.
/// Gives such a URL a host that does not count.
fn with_host(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    let at = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, place) = authority.split_at_checked(at)?;
    (place.is_empty() || place.starts_with(':'))
        .then(|| format!("{scheme}://{user}localhost{place}{tail}"))
}

fn take_value(text: &str) -> Result<(String, &str), String> {
    let quoted = text.strip_prefix('\'');
    let body = quoted.unwrap_or(text);
    let mut out = String::new();
    let mut chars = body.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted.is_some() => return Ok((out, body.get(i + 1..).unwrap_or_default())),
            c if c.is_whitespace() && quoted.is_none() => {
                return Ok((out, body.get(i..).unwrap_or_default()));
            }
            c => out.push(c),
        }
    }
    if quoted.is_some() {
        return Err("a quote in the connection string is not closed; hint: write `\\'` for a quote in a value".into());
    }
    Ok((out, ""))
}

fn not_a_dsn() -> String {
    "this is not a connection string; hint: write `postgresql://user@host:5432/database`, or `host=… dbname=… user=…`".into()
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        if b != b'%' {
            bytes.push(b);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.extend(u8::try_from(high * 16 + low)),
            _ => return Err("the connection string has a `%` without two hex digits; hint: write `%25` for a percent sign".into()),
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| "the connection string is not UTF-8; hint: encode it as UTF-8".into())
}

/// Percent-encodes what stands in one part of a URL.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// As [`encode`], with slashes left as they are: libpq reads them, and people can.
pub(crate) fn encode_path(text: &str) -> String {
    encode(text).replace("%2F", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsn(text: &str) -> Dsn {
        Dsn::parse(text).unwrap()
    }

    #[test]
    fn both_forms_are_read() {
        let a = dsn(
            "postgresql://gate:p%40ss%25@db.example.com:6543/app?sslmode=verify-full&sslrootcert=/ca.pem",
        );
        let b = dsn(
            r"host=db.example.com port=6543 dbname=app user=gate password='p@ss%' sslrootcert=/ca.pem",
        );
        for d in [&a, &b] {
            assert_eq!(d.to_string(), "gate@db.example.com:6543/app");
            assert_eq!(d.password.as_ref().unwrap().reveal(), "p@ss%");
            assert_eq!(
                d.tls,
                Tls::Verify {
                    ca: Some("/ca.pem".into())
                }
            );
        }
        assert!(!a.to_url().contains("ss%"));
        assert_eq!(dsn(&a.to_url()).to_string(), a.to_string());
    }

    #[test]
    fn sockets_and_ipv6_are_read() {
        for text in [
            "host=/run/pg user=u",
            "postgresql://u@localhost/u?host=/run/pg",
            "postgresql://u@%2Frun%2Fpg/u",
            "postgresql://u@/u?host=/run/pg",
            "postgresql://u@:5432/u?host=/run/pg",
            "postgresql:///u?host=/run/pg&user=u",
        ] {
            let d = dsn(text);
            assert_eq!(d.host, Host::Unix("/run/pg".into()), "{text}");
            assert_eq!(d.tls, Tls::Disable);
            assert_eq!(dsn(&d.to_url()).to_string(), d.to_string());
        }
        let six = dsn("postgresql://u@[::1]:5433/d");
        assert_eq!(
            (six.host.clone(), six.port),
            (Host::Tcp("::1".into()), 5433)
        );
        assert_eq!(dsn(&six.to_url()).host, six.host);
        assert_eq!(six.to_string(), "u@[::1]:5433/d");
    }

    /// A safeguard that somebody asked for is never dropped on the way into the configuration.
    #[test]
    fn required_channel_binding_is_kept() {
        for text in [
            "postgresql://u@h/d?sslmode=require&channel_binding=require",
            "host=h user=u dbname=d channel_binding=require",
        ] {
            let d = dsn(text);
            assert!(
                d.require_binding && dsn(&d.to_url()).require_binding,
                "{text}"
            );
        }
        assert!(!dsn("host=h user=u channel_binding=prefer").require_binding);
    }

    #[test]
    fn what_is_wrong_is_said_with_a_hint_and_without_the_password() {
        for text in [
            "nonsense",
            "postgresql:///d",
            "postgresql://hunter2:hunter2@h:99999/d",
            "host=h",
            "host=a,b user=u",
            "host=h user=u password='hunter2",
            "host=h user=u sslmode=maybe",
            "host=h user=u target_session_attrs=any",
            "host=h user=u channel_binding=maybe",
            "host=h user=u channel_binding=require sslmode=disable",
            "host=/run/pg user=u channel_binding=require",
        ] {
            let error = Dsn::parse(text).unwrap_err();
            assert!(
                error.contains("hint:") && !error.contains("hunter2"),
                "{text}: {error}"
            );
        }
    }
}
