//! A connection as programs write it down: as a URL, for JDBC, as libpq's pairs. Read for the gate, and written again
//! with a lease in the credential's place.
//!
//! Must not drop what could be a safeguard of the way to the server: what is neither known to be the program's own nor
//! understood by the gate makes it refuse.

use crate::config::{Dsn, Tls, encode, encode_path};

/// Parameters that are about the program, and nothing about the way to the server: they stay.
const PROGRAMS_OWN: &[&str] = &[
    "ApplicationName",
    "application_name",
    "client_encoding",
    "connection_limit",
    "connectTimeout",
    "connect_timeout",
    "currentSchema",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "loginTimeout",
    "options",
    "pgbouncer",
    "pool_max_conns",
    "pool_size",
    "pool_timeout",
    "prepareThreshold",
    "schema",
    "search_path",
    "socketTimeout",
    "socket_timeout",
    "statement_cache_size",
    "tcp_user_timeout",
];

/// How a connection is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `scheme://user:password@host:port/database?…`.
    Url {
        /// The scheme.
        scheme: String,
        /// The program's own parameters, as written.
        own: Vec<String>,
    },
    /// `jdbc:postgresql://host:port/database?user=…&password=…`.
    Jdbc {
        /// The program's own parameters, as written.
        own: Vec<String>,
    },
    /// `host=… user=… password=…`.
    Pairs,
}

/// Reads `text`.
///
/// # Errors
/// Why the gate cannot stand in for it; never with the password.
pub(super) fn read(text: &str) -> Result<(Form, Dsn), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok((Form::Pairs, Dsn::parse(text)?));
    };
    let (rest, own) = apart(rest);
    let dsn = Dsn::parse(&format!("postgresql://{rest}"))?;
    match scheme.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" | "postgis" | "postgresql+psycopg" | "postgresql+psycopg2" => {
            let scheme = scheme.to_owned();
            Ok((Form::Url { scheme, own }, dsn))
        }
        "jdbc:postgresql" => Ok((Form::Jdbc { own }, dsn)),
        other => Err(format!(
            "what reads `{other}://` takes TLS settings in a form of its own; hint: adopt it by hand with `backstop lease create`"
        )),
    }
}

/// The connection without the program's own parameters, and those.
fn apart(rest: &str) -> (String, Vec<String>) {
    let Some((place, query)) = rest.split_once('?') else {
        return (rest.to_owned(), vec![]);
    };
    let (own, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        PROGRAMS_OWN.contains(&name)
    });
    let own = own.into_iter().map(str::to_owned).collect();
    match others.join("&") {
        none if none.is_empty() => (place.to_owned(), own),
        others => (format!("{place}?{others}"), own),
    }
}

impl Form {
    /// The lease's connection in this form. `granted` is what the gate handed out.
    ///
    /// # Errors
    /// When it cannot be written so.
    pub(super) fn write(&self, granted: &str) -> Result<String, String> {
        let lease = Lease::read(granted)?;
        Ok(match self {
            Self::Url { scheme, own } => {
                let query = lease.query("sslrootcert", own);
                format!(
                    "{scheme}://{}:{}@{}/{}?{query}",
                    lease.user,
                    lease.password,
                    lease.place(),
                    encode(&lease.dsn.database)
                )
            }
            Self::Jdbc { own } => {
                let mut query = lease.query("sslrootcert", own);
                if lease.ca.is_none() {
                    // Its driver has another word for the system's authorities.
                    query = query.replace(
                        "sslrootcert=system",
                        "sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory",
                    );
                }
                format!(
                    "jdbc:postgresql://{}/{}?user={}&password={}&{query}",
                    lease.place(),
                    encode(&lease.dsn.database),
                    lease.user,
                    lease.password
                )
            }
            Self::Pairs => lease
                .variables()
                .iter()
                .map(|(_, name, value)| Ok(format!("{name}={}", plain(value)?)))
                .collect::<Result<Vec<_>, String>>()?
                .join(" "),
        })
    }
}

/// A value that needs no quotes in libpq's pairs: the quotes around the whole are the file's.
fn plain(value: &str) -> Result<&str, String> {
    let bad = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '\\');
    if value.is_empty() || value.contains(bad) {
        return Err(format!(
            "`{}` would need quotes inside of quotes",
            value.escape_debug()
        ));
    }
    Ok(value)
}

/// A lease's connection, taken apart.
pub(super) struct Lease {
    dsn: Dsn,
    user: String,
    password: String,
    ca: Option<String>,
}

impl Lease {
    /// Takes apart what the gate handed out.
    ///
    /// # Errors
    /// When it is no such thing.
    pub(super) fn read(granted: &str) -> Result<Self, String> {
        let dsn = Dsn::parse(granted)?;
        let ca = match &dsn.tls {
            Tls::Verify { ca } => ca.as_ref().map(|ca| ca.display().to_string()),
            _ => return Err("the gate handed out a connection without TLS".into()),
        };
        let password = dsn.password.as_ref().map(|p| p.reveal().clone());
        Ok(Self {
            user: dsn.user.clone(),
            password: password.ok_or("the gate handed out no secret")?,
            ca,
            dsn,
        })
    }

    fn host(&self) -> String {
        match &self.dsn.host {
            crate::config::Host::Tcp(host) => host.clone(),
            crate::config::Host::Unix(dir) => dir.display().to_string(),
        }
    }

    fn place(&self) -> String {
        let host = self.host();
        if host.contains(':') {
            format!("[{host}]:{}", self.dsn.port)
        } else {
            format!("{host}:{}", self.dsn.port)
        }
    }

    fn query(&self, root: &str, own: &[String]) -> String {
        let trust = self
            .ca
            .as_deref()
            .map_or_else(|| "system".to_owned(), encode_path);
        let mut all = vec!["sslmode=verify-full".to_owned(), format!("{root}={trust}")];
        all.extend(own.iter().cloned());
        all.join("&")
    }

    /// As the variables that libpq reads, the words of its pairs, and the values.
    pub(super) fn variables(&self) -> [(&'static str, &'static str, String); 7] {
        [
            ("PGHOST", "host", self.host()),
            ("PGPORT", "port", self.dsn.port.to_string()),
            ("PGDATABASE", "dbname", self.dsn.database.clone()),
            ("PGUSER", "user", self.user.clone()),
            ("PGPASSWORD", "password", self.password.clone()),
            ("PGSSLMODE", "sslmode", "verify-full".to_owned()),
            (
                "PGSSLROOTCERT",
                "sslrootcert",
                self.ca.clone().unwrap_or_else(|| "system".to_owned()),
            ),
        ]
    }
}

/// Where the password stands in a URL as it is written: after the first colon of what is before the last `@`, or in
/// the parameter of that name.
pub(super) fn password_in(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + 3;
    let rest = text.get(start..)?;
    let authority = rest.split(['/', '?', '#']).next()?;
    if let Some(at) = authority.rfind('@') {
        let colon = authority.get(..at)?.find(':')?;
        return Some(start + colon + 1..start + at);
    }
    let mut at = start + rest.find('?')? + 1;
    for pair in text.get(at..)?.split(['&', ';']) {
        if let Some(value) = pair.strip_prefix("password=") {
            let from = at + "password=".len();
            return Some(from..from + value.len());
        }
        at += pair.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANTED: &str = "postgresql://lease_a:s-_3@127.0.0.1:7432/app?sslmode=verify-full&sslrootcert=/etc/backstop/backstop-ca.pem&channel_binding=prefer";

    fn again(text: &str) -> String {
        read(text).unwrap().0.write(GRANTED).unwrap()
    }

    #[test]
    fn a_lease_is_written_in_the_form_that_was_there() {
        assert_eq!(
            again("postgres://u:p@h/app?sslmode=require&schema=shop&connection_limit=5"),
            "postgres://lease_a:s-_3@127.0.0.1:7432/app?sslmode=verify-full&sslrootcert=/etc/backstop/backstop-ca.pem&schema=shop&connection_limit=5"
        );
        assert_eq!(
            again("jdbc:postgresql://h:6000/app?user=u&password=p&currentSchema=x"),
            "jdbc:postgresql://127.0.0.1:7432/app?user=lease_a&password=s-_3&sslmode=verify-full&sslrootcert=/etc/backstop/backstop-ca.pem&currentSchema=x"
        );
        assert_eq!(
            again("host=h user=u password=p dbname=app"),
            "host=127.0.0.1 port=7432 dbname=app user=lease_a password=s-_3 sslmode=verify-full sslrootcert=/etc/backstop/backstop-ca.pem"
        );
        let (_, dsn) = read("postgresql+psycopg2://u:p%40@h/app?options=-c%20x%3Dy").unwrap();
        assert_eq!(dsn.password.unwrap().reveal(), "p@");
    }

    #[test]
    fn what_may_be_a_safeguard_is_not_dropped() {
        for text in [
            "postgres://u:hunter2@h/app?sslcert=/c.pem",
            "postgres://u:hunter2@h/app?target_session_attrs=read-write",
            "postgres://u:hunter2@h/app?require_auth=scram-sha-256",
            "postgresql+asyncpg://u:hunter2@h/app",
            "postgres://u:hunter2@a,b/app",
        ] {
            let why = read(text).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn the_password_is_found_where_it_is_written() {
        for text in [
            "postgres://u:p%40ss@h/d?x=y",
            "redis://:p%40ss@h:1/0",
            "jdbc:postgresql://h/d?user=u&password=p%40ss&ssl=true",
        ] {
            assert_eq!(
                text.get(password_in(text).unwrap()),
                Some("p%40ss"),
                "{text}"
            );
        }
        assert_eq!(password_in("https://token@host/x"), None);
        assert_eq!(password_in("nothing"), None);
    }
}
