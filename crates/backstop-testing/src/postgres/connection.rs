//! How to reach a throwaway server as one of its roles.
//!
//! It must not open connections: tests bring their own clients.

use std::fmt;

/// Where to connect, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// An address, or a socket's folder.
    pub host: String,
    /// The TCP port; part of the socket's name too.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database.
    pub database: String,
}

impl Connection {
    /// The same as another role.
    #[must_use]
    pub fn as_role(&self, user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            ..self.clone()
        }
    }

    /// The same in another database.
    #[must_use]
    pub fn in_database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// The same by another way: a gate's or a pooler's.
    #[must_use]
    pub fn through(&self, host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            ..self.clone()
        }
    }

    /// As libpq reads it: `host=… port=… user=… password=… dbname=…`.
    pub fn dsn(&self) -> String {
        format!(
            "host={} port={} user={} password={} dbname={}",
            quote(&self.host),
            self.port,
            quote(&self.user),
            quote(&self.password),
            quote(&self.database)
        )
    }

    /// As `postgresql://user:password@host:port/database`; only for hosts that are addresses or names.
    pub fn url(&self) -> String {
        format!(
            "postgresql://{}:{}@{}:{}/{}",
            percent(&self.user),
            percent(&self.password),
            if self.host.contains(':') {
                format!("[{}]", self.host)
            } else {
                self.host.clone()
            },
            self.port,
            percent(&self.database)
        )
    }
}

/// The password stays out of test output; it is no secret, but the habit is.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}@{}:{}/{}",
            self.user, self.host, self.port, self.database
        )
    }
}

/// A value of a libpq connection string.
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A part of a URL, with everything escaped that is not plainly harmless.
fn percent(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_values_survive_both_forms() {
        let connection = Connection {
            host: "127.0.0.1".to_owned(),
            port: 5432,
            user: "o'neill".to_owned(),
            password: "a b\\@/".to_owned(),
            database: "app".to_owned(),
        };
        assert_eq!(
            connection.dsn(),
            r"host='127.0.0.1' port=5432 user='o\'neill' password='a b\\@/' dbname='app'"
        );
        assert_eq!(
            connection.url(),
            "postgresql://o%27neill:a%20b%5C%40%2F@127.0.0.1:5432/app"
        );
        assert_eq!(format!("{connection:?}"), "o'neill@127.0.0.1:5432/app");
    }
}
