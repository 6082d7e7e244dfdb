//! What the HTTP gate is told at its start and at each reload.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_wire::http::Scheme;
use backstop_wire::providers::Pack;

use super::explain::Explain;
use super::place;
use crate::http::sigv4::AwsCredential;
use crate::http::{Site, Target};

/// The gate's own settings.
#[derive(Clone)]
pub struct HttpConfig {
    /// How much of a body is kept to be judged, in bytes.
    pub judged: usize,
    /// How long a held call is paused.
    pub pause: Duration,
    /// The console's address, without a slash at the end.
    pub console_url: String,
    /// Denials within ten minutes after which a lease is halted.
    pub denials_before_halt: usize,
    /// Where credentials that targets revealed are sealed, a folder of the gate's own.
    pub kept: PathBuf,
    /// Says more of a credential that should not have been presented.
    pub explain: Arc<dyn Explain>,
}

/// A protected API.
#[derive(Clone)]
pub struct Api {
    /// Its name in leases.
    pub name: String,
    /// Its environment.
    pub environment: Environment,
    /// Whether it is asked with TLS.
    pub scheme: Scheme,
    /// Where it is.
    pub site: Site,
    /// What every path of it begins with; ends in `/`.
    pub base: String,
    /// Further hosts of it on the same port, exact or `*.suffix`.
    pub hosts: Vec<String>,
    /// The pack that reads its requests; none: the one that knows its host, else the generic one.
    pub pack: Option<String>,
    /// The pack of that name, where it is not built in.
    pub own: Option<Arc<Pack>>,
    /// How its credential is put into requests.
    pub placing: Placing,
    /// The credential; none where [`Placing::None`] or [`Placing::Opaque`].
    pub secret: Option<Secret<String>>,
    /// Whom to trust there and how far to go.
    pub target: Arc<Target>,
    /// Whether every lease may use it.
    pub everyone: bool,
    /// Where clients reach it that cannot use a proxy.
    pub reverse: Option<SocketAddr>,
    /// What lives in its objects: `volume.…` holds the database of a target.
    pub lives: BTreeMap<String, String>,
}

/// How a credential is put into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placing {
    /// There is none.
    None,
    /// In a header, after a prefix.
    Header {
        /// In lower case.
        name: String,
        /// Before the credential.
        prefix: String,
    },
    /// As the password of a user.
    Basic {
        /// The user.
        user: String,
    },
    /// As a parameter of the URL.
    Query {
        /// The parameter.
        name: String,
    },
    /// As a cookie.
    Cookie {
        /// The cookie.
        name: String,
    },
    /// In no place: tunnels there pass unread, requests do not.
    Opaque,
    /// As an AWS signature of version 4: the client signs with a placeholder, and the gate anew.
    Aws,
    /// In the path, to the end of a segment.
    Path {
        /// What stands before it, from the root of the site on.
        before: String,
    },
    /// As a text in a JSON body.
    Json {
        /// Where (RFC 6901).
        pointer: String,
    },
    /// As a field of a form.
    Form {
        /// The field.
        name: String,
    },
}

impl Placing {
    /// Whether it is put into the body, which is not read yet when leases and APIs are told apart.
    #[must_use]
    pub const fn is_in_body(&self) -> bool {
        matches!(self, Self::Json { .. } | Self::Form { .. })
    }

    /// Why a credential cannot stand where it would be put, in a fragment without it; none if it can.
    #[must_use]
    pub fn refuses(&self, secret: &str) -> Option<&'static str> {
        place::refuses(self, secret)
    }
}

impl Api {
    /// What of its credential is secret. The id of an AWS key is not.
    pub(super) fn secrets(&self) -> Vec<Secret<String>> {
        match (&self.placing, &self.secret) {
            (Placing::Aws, Some(text)) => AwsCredential::parse(text).map_or_else(Vec::new, |key| {
                std::iter::once(key.secret_key)
                    .chain(key.session_token)
                    .collect()
            }),
            (_, secret) => secret.iter().cloned().collect(),
        }
    }

    /// Whether it stands there.
    #[must_use]
    pub fn is_on(&self, site: &Site) -> bool {
        let is = |pattern: &String| is_host(pattern, site.host());
        site.port() == self.site.port()
            && (site.host() == self.site.host() || self.hosts.iter().any(is))
    }

    /// Whether a request to `path` at `site` is one to it.
    #[must_use]
    pub fn is_at(&self, scheme: Scheme, site: &Site, path: &str) -> bool {
        let below = path.starts_with(&self.base) || Some(path) == self.base.strip_suffix('/');
        below && scheme == self.scheme && self.is_on(site)
    }
}

/// Whether `host` is what a pattern, exact or `*.suffix`, names.
#[must_use]
pub fn is_host(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern == host,
        Some(suffix) => host
            .strip_suffix(suffix)
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|rest| !rest.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn a_pattern_names_what_is_below_it_and_not_what_only_ends_so() {
        assert!(is_host("a.example", "a.example"));
        assert!(is_host("*.a.example", "x.a.example"));
        assert!(is_host("*.a.example", "y.x.a.example"));
        for (pattern, host) in [
            ("a.example", "b.a.example"),
            ("*.a.example", "a.example"),
            ("*.a.example", "xa.example"),
            ("*.a.example", ".a.example"),
        ] {
            assert!(!is_host(pattern, host), "{pattern} {host}");
        }
    }
}
