//! Requests that present a lease. The console is for people; an agent that knocks here with its lease is
//! refused and reported (invariant 9).

use std::net::IpAddr;

use axum::http::{HeaderName, Request, header};

/// A lease that something presented at the console, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The lease's id, where one could be read.
    pub lease: Option<String>,
    /// Where it came from.
    pub source: IpAddr,
    /// What was presented, in words, without the credential.
    pub what: &'static str,
}

/// Ids are shown in the console's own addresses and its journal filter; anywhere else they are a presenter's.
const OWN: [HeaderName; 2] = [header::REFERER, header::HOST];

/// What `request` presents, if it presents a lease or any credential of that kind.
pub(crate) fn look<B>(request: &Request<B>, source: IpAddr) -> Option<Presented> {
    let report = |lease: Option<String>, what| {
        Some(Presented {
            lease,
            source,
            what,
        })
    };
    let headers = request.headers();
    for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION] {
        if let Some(value) = headers.get(&name) {
            return report(
                value.to_str().ok().and_then(lease_in_credentials),
                "credentials in a header",
            );
        }
    }
    for (name, value) in headers.iter().filter(|(name, _)| !OWN.contains(name)) {
        if let Some(lease) = value.to_str().ok().and_then(find_lease) {
            let what = if name == header::COOKIE {
                "a lease in a cookie"
            } else {
                "a lease in a header"
            };
            return report(Some(lease), what);
        }
    }
    let uri = request.uri();
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return report(find_lease(&uri.to_string()), "credentials in the address");
    }
    let own_filter = uri.path() == "/journal" || uri.path() == "/sign-in";
    let lease = find_lease(uri.query()?)?;
    let with_secret = uri.query().is_some_and(|query| has_secret(query, &lease));
    if own_filter && !with_secret {
        None
    } else {
        report(Some(lease), "a lease in the address")
    }
}

/// `Basic` credentials whose user is a lease, or a bearer token that contains one.
fn lease_in_credentials(value: &str) -> Option<String> {
    use base64::Engine as _;
    let decoded = value
        .split_once(' ')
        .and_then(|(_, rest)| {
            base64::engine::general_purpose::STANDARD
                .decode(rest.trim())
                .ok()
        })
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .as_deref()
        .and_then(find_lease)
        .or_else(|| find_lease(value))
}

/// The first lease id in `text`: `lease_` and sixteen characters of an id's alphabet.
fn find_lease(text: &str) -> Option<String> {
    text.match_indices("lease_").find_map(|(at, prefix)| {
        let id = text.get(at..at + prefix.len() + 16)?;
        let tail = id.get(prefix.len()..)?;
        let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
        tail.bytes().all(plain).then(|| id.to_owned())
    })
}

/// Whether the id is followed by a colon, plain or escaped: `user:password`.
fn has_secret(text: &str, lease: &str) -> bool {
    text.split(lease)
        .skip(1)
        .any(|rest| rest.starts_with(':') || rest.starts_with("%3A") || rest.starts_with("%3a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "lease_0123456789abcdef";

    fn seen(uri: &str, header: Option<(&str, &str)>) -> Option<Presented> {
        let mut request = Request::builder().uri(uri);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        look(&request.body(()).unwrap(), IpAddr::from([127, 0, 0, 1]))
    }

    #[test]
    fn leases_are_seen_wherever_they_are_presented() {
        let basic = "Basic bGVhc2VfMDEyMzQ1Njc4OWFiY2RlZjpzZWNyZXQ=";
        for (uri, header) in [
            ("/holds", Some(("authorization", basic))),
            ("/holds", Some(("cookie", "x=lease_0123456789abcdef"))),
            ("/holds", Some(("x-backstop", LEASE))),
            ("/holds?user=lease_0123456789abcdef", None),
            ("/journal?lease=lease_0123456789abcdef%3Asecret", None),
            ("/journal?lease=lease_0123456789abcdef:secret", None),
            ("http://lease_0123456789abcdef:secret@localhost/", None),
        ] {
            assert_eq!(
                seen(uri, header).and_then(|p| p.lease).as_deref(),
                Some(LEASE),
                "{uri} {header:?}"
            );
        }
        let bearer = seen("/", Some(("authorization", "Bearer abc"))).unwrap();
        assert_eq!(
            (bearer.lease, bearer.what),
            (None, "credentials in a header")
        );
    }

    #[test]
    fn the_consoles_own_addresses_present_nothing() {
        for (uri, header) in [
            ("/leases/lease_0123456789abcdef", None),
            ("/journal?lease=lease_0123456789abcdef", None),
            ("/sign-in?next=%2Fleases%2Flease_0123456789abcdef", None),
            (
                "/holds",
                Some(("referer", "http://localhost/leases/lease_0123456789abcdef")),
            ),
            ("/holds?x=lease_", Some(("cookie", "x=lease_"))),
        ] {
            assert_eq!(seen(uri, header), None, "{uri} {header:?}");
        }
    }
}
