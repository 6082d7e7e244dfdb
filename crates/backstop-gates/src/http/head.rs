//! A request's head as the gate takes it up: where it is for is said once, or said the same each time.

use std::sync::Arc;

use backstop_core::secret::Secret;
use backstop_wire::http::Scheme;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, StatusCode, Uri, Version};

use super::headers;
use super::judge::{Client, Mode, Presented};
use super::limits::Limits;
use super::problem::Problem;
use super::site::Site;

/// A request's head.
#[derive(Clone)]
pub struct Head {
    /// As sent.
    pub method: Method,
    /// What the client speaks.
    pub version: Version,
    /// What it wants the target to be asked by.
    pub scheme: Scheme,
    /// Where it is for; in reverse mode `None`: the listener says it.
    pub site: Option<Site>,
    /// `:authority`, or the authority of a target in absolute form, as sent. May hold a credential.
    pub authority: Option<String>,
    /// Path and query as sent, or `*`.
    pub target: PathAndQuery,
    /// In their order, without those of one connection only. `Host` is there as sent, and is not what is sent on.
    pub headers: HeaderMap,
    /// What was presented to the proxy itself, with this request or with the tunnel's.
    pub presented: Option<Arc<Presented>>,
    /// The protocol that the client wants to change to.
    pub upgrade: Option<String>,
    /// Whether the client takes trailers.
    pub trailers: bool,
}

impl Head {
    /// Reads a head. What could be read in two ways is answered with a problem.
    pub(crate) fn read(
        parts: Parts,
        client: &Client,
        limits: &Limits,
    ) -> Result<Self, Box<Problem>> {
        let mut headers = parts.headers;
        if headers.len() > limits.headers {
            return Err(Box::new(Problem::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too-many-headers",
                "The request has too many headers",
                format!("It has {}; {} may be.", headers.len(), limits.headers),
            )));
        }
        check_coding(&headers)?;
        let scheme = scheme(&parts.uri, client)?;
        let authority = parts.uri.authority().map(|a| a.as_str().to_owned());
        let site = site(
            parts.version,
            authority.as_deref(),
            scheme,
            &headers,
            client,
        )?;
        let target = path(&parts.uri)?;
        let presented = match headers.get(header::PROXY_AUTHORIZATION) {
            Some(value) if client.tunnel.is_none() => Some(Arc::new(Presented::read(value))),
            _ => client.presented.clone(),
        };
        let upgrade = upgrade(parts.version, &headers);
        let trailers = headers::takes_trailers(&headers);
        headers::take_hops(&mut headers);
        headers.remove(header::EXPECT);
        Ok(Self {
            method: parts.method,
            version: parts.version,
            scheme,
            site,
            authority,
            target,
            headers,
            presented,
            upgrade,
            trailers,
        })
    }
}

/// Shows no value: any may hold a credential (invariant 8).
impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.method, self.site)
    }
}

impl Presented {
    /// Reads `Proxy-Authorization`.
    pub(crate) fn read(value: &HeaderValue) -> Self {
        Self::basic(value.as_bytes()).unwrap_or(Self::Other)
    }

    fn basic(value: &[u8]) -> Option<Self> {
        let (scheme, rest) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let text = STANDARD.decode(rest.trim_ascii()).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(Self::Basic {
            user: user.to_owned(),
            password: Secret::new(password.to_owned()),
        })
    }
}

fn bad(detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(
        StatusCode::BAD_REQUEST,
        "unreadable",
        "The request cannot be read in one way only",
        detail,
    ))
}

/// A site in two places that do not agree: the wrong connection for it (RFC 9110, section 15.5.20).
fn misdirected(detail: impl Into<String>) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected",
            "The request is for another site than its connection",
            detail,
        )
        .hint("ask for a site by the connection that was opened for it"),
    )
}

/// The library takes any coding that ends in `chunked`, and takes off only that one.
fn check_coding(headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(first) = codings.next() else {
        return Ok(());
    };
    if codings.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(Box::new(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "transfer-coding",
            "The transfer coding is not known",
            "Only `chunked` is understood, and once.",
        )));
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(bad("Its length is told in two ways."));
    }
    Ok(())
}

fn scheme(uri: &Uri, client: &Client) -> Result<Scheme, Box<Problem>> {
    let told = match uri.scheme_str() {
        None => None,
        Some("http") => Some(Scheme::Http),
        Some("https") => Some(Scheme::Https),
        Some(_) => return Err(bad("Its scheme is neither http nor https.")),
    };
    match (&client.tunnel, client.mode) {
        (Some(inside), _) => {
            let real = if inside.tls {
                Scheme::Https
            } else {
                Scheme::Http
            };
            if told.is_some_and(|told| told != real) {
                return Err(misdirected("Its scheme is not the tunnel's."));
            }
            Ok(real)
        }
        (None, Mode::Forward) => told.ok_or_else(|| {
            Box::new(
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "proxy",
                    "This is a proxy",
                    "The request names no site, as if the proxy were one.",
                )
                .hint("set HTTP_PROXY and HTTPS_PROXY to this address"),
            )
        }),
        // What the target is asked by is the listener's to say.
        (None, Mode::Reverse) => Ok(told.unwrap_or(Scheme::Https)),
    }
}

/// The port where none is told.
pub(crate) const fn usual_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

/// Where it is for: by the tunnel, the target and `Host`, as many as there are, and they agree.
fn site(
    version: Version,
    authority: Option<&str>,
    scheme: Scheme,
    headers: &HeaderMap,
    client: &Client,
) -> Result<Option<Site>, Box<Problem>> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("It has more than one `Host`."));
    }
    if version == Version::HTTP_11 && host.is_none() {
        return Err(bad("It has no `Host`."));
    }
    if client.tunnel.is_none() && client.mode == Mode::Reverse {
        return Ok(None);
    }
    let usual = Some(usual_port(scheme));
    let parse =
        |text: &str| Site::parse(text, usual).map_err(|e| bad(format!("Of its site: {e}.")));
    let by_host = match host {
        Some(value) => {
            let text = value
                .to_str()
                .map_err(|_| bad("Its `Host` is not a host."))?;
            Some(parse(text)?)
        }
        None => None,
    };
    let by_target = match authority {
        // The user before it is the judge's to look at; it is not sent on.
        Some(text) => Some(parse(text.rsplit('@').next().unwrap_or_default())?),
        None => None,
    };
    let by_tunnel = client.tunnel.as_ref().map(|inside| inside.site.clone());
    let mut told = [by_tunnel, by_target, by_host].into_iter().flatten();
    let Some(site) = told.next() else {
        return Err(bad("It names no site."));
    };
    if told.any(|other| other != site) {
        return Err(misdirected(
            "Its `Host`, its target and its tunnel are not all for one site.",
        ));
    }
    Ok(Some(site))
}

fn path(uri: &Uri) -> Result<PathAndQuery, Box<Problem>> {
    let path = uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    if !path.as_str().starts_with('/') && path.as_str() != "*" {
        return Err(bad("Its target is no path."));
    }
    Ok(path)
}

/// What a client wants to change to. A change to HTTP/2 is an offer that may be passed over, and one that `Connection` does
/// not name is none (RFC 9110, section 7.8).
fn upgrade(version: Version, headers: &HeaderMap) -> Option<String> {
    let mut named = headers::tokens(headers, &header::CONNECTION);
    if version != Version::HTTP_11 || !named.any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return None;
    }
    let asked: Vec<&str> = headers::tokens(headers, &header::UPGRADE)
        .filter(|p| !p.eq_ignore_ascii_case("h2c"))
        .collect();
    (!asked.is_empty()).then(|| asked.join(", "))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::super::judge::Inside;
    use super::*;

    fn client(mode: Mode, tunnel: Option<(&str, bool)>) -> Client {
        Client {
            number: 1,
            address: "127.0.0.1:1".parse().unwrap(),
            listener: "main".into(),
            mode,
            tunnel: tunnel.map(|(site, tls)| Inside {
                site: Site::parse(site, None).unwrap(),
                tls,
                tls_name: None,
            }),
            presented: None,
        }
    }

    /// The site and path, or the status of the refusal.
    fn read(client: &Client, uri: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match Head::read(parts, client, &Limits::default()) {
            Ok(head) => Ok(format!(
                "{:?} {} {}",
                head.scheme,
                head.site.map_or("-".into(), |s| s.to_string()),
                head.target
            )),
            Err(problem) => Err(problem.status.as_u16()),
        }
    }

    #[test]
    fn a_site_is_told_once_or_the_same_each_time() {
        let proxy = client(Mode::Forward, None);
        let tls = client(Mode::Forward, Some(("a.example:443", true)));
        let odd = client(Mode::Forward, Some(("a.example:8443", true)));
        let plain = client(Mode::Forward, Some(("a.example:80", false)));
        let reverse = client(Mode::Reverse, None);
        for (client, uri, host, found) in [
            (
                &proxy,
                "http://a.example/x?y",
                &["a.example"][..],
                Ok("Http a.example:80 /x?y"),
            ),
            (
                &proxy,
                "http://A.example:80/",
                &["a.EXAMPLE."],
                Ok("Http a.example:80 /"),
            ),
            (
                &proxy,
                "https://a.example",
                &["a.example"],
                Ok("Https a.example:443 /"),
            ),
            (
                &proxy,
                "http://user:pw@a.example/",
                &["a.example"],
                Ok("Http a.example:80 /"),
            ),
            (&proxy, "http://a.example/", &["b.example"], Err(421)),
            (
                &proxy,
                "http://b.example@a.example/",
                &["b.example"],
                Err(421),
            ),
            (&proxy, "http://a.example:81/", &["a.example"], Err(421)),
            (&proxy, "http://a.example/", &[], Err(400)),
            (
                &proxy,
                "http://a.example/",
                &["a.example", "a.example"],
                Err(400),
            ),
            (&proxy, "ftp://a.example/", &["a.example"], Err(400)),
            (&proxy, "http://127.1/", &["127.1"], Err(400)),
            (&proxy, "/x", &["a.example"], Err(400)),
            (&tls, "/x", &["a.example"], Ok("Https a.example:443 /x")),
            (&tls, "/x", &["a.example:443"], Ok("Https a.example:443 /x")),
            (
                &tls,
                "https://a.example/x",
                &["a.example"],
                Ok("Https a.example:443 /x"),
            ),
            (&tls, "http://a.example/x", &["a.example"], Err(421)),
            (&tls, "/x", &["b.example"], Err(421)),
            (&tls, "/x", &["a.example:80"], Err(421)),
            (&tls, "/x", &["a.example, b.example"], Err(400)),
            (
                &odd,
                "/x",
                &["a.example:8443"],
                Ok("Https a.example:8443 /x"),
            ),
            (&odd, "/x", &["a.example"], Err(421)),
            (&plain, "/x", &["a.example"], Ok("Http a.example:80 /x")),
            (&plain, "*", &["a.example"], Ok("Http a.example:80 *")),
            (&reverse, "/x", &["localhost:9000"], Ok("Https - /x")),
            (&reverse, "/x", &[], Err(400)),
        ] {
            let headers: Vec<(&str, &str)> = host.iter().map(|h| ("host", *h)).collect();
            let read = read(client, uri, &headers);
            assert_eq!(read, found.map(ToOwned::to_owned), "{uri} {host:?}");
        }
    }

    #[test]
    fn only_one_chunked_is_a_coding() {
        let reverse = client(Mode::Reverse, None);
        for (codings, status) in [
            (&["chunked"][..], None),
            (&["Chunked"], None),
            (&["gzip, chunked"], Some(501)),
            (&["chunked", "chunked"], Some(501)),
            (&["chunked, chunked"], Some(501)),
            (&["xchunked"], Some(501)),
            (&["identity"], Some(501)),
        ] {
            let mut headers = vec![("host", "x")];
            headers.extend(codings.iter().map(|c| ("transfer-encoding", *c)));
            assert_eq!(read(&reverse, "/", &headers).err(), status, "{codings:?}");
        }
        let both = [
            ("host", "x"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
        ];
        assert_eq!(read(&reverse, "/", &both), Err(400));
        let many: Vec<(&str, &str)> = std::iter::repeat_n(("a", "b"), 101).collect();
        assert_eq!(read(&reverse, "/", &many), Err(431));
    }

    #[test]
    fn what_is_presented_is_read_and_not_shown() {
        let read = |value: &str| Presented::read(&HeaderValue::from_str(value).unwrap());
        for value in ["Basic bGVhc2U6dDprZW4=", "bASIC  bGVhc2U6dDprZW4= "] {
            let Presented::Basic { user, password } = read(value) else {
                panic!("{value}");
            };
            assert_eq!(
                (user.as_str(), password.reveal().as_str()),
                ("lease", "t:ken")
            );
        }
        for value in [
            "",
            "Basic",
            "Basic !",
            "Basic bGVhc2U=",
            "Bearer bGVhc2U6dDprZW4=",
        ] {
            assert_eq!(read(value), Presented::Other, "{value}");
        }
        let shown = format!("{:?}", read("Basic bGVhc2U6dDprZW4="));
        assert!(!shown.contains("ken"), "{shown}");
    }

    #[test]
    fn an_offer_of_http_2_is_passed_over() {
        let reverse = client(Mode::Reverse, None);
        for (named, asked, upgrade) in [
            ("upgrade", "h2c", None),
            ("Upgrade", "H2C, websocket", Some("websocket")),
            ("keep-alive, upgrade", "websocket", Some("websocket")),
            ("keep-alive", "websocket", None),
        ] {
            let request = Request::builder()
                .header("host", "x")
                .header("connection", named)
                .header("upgrade", asked);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let head = Head::read(parts, &reverse, &Limits::default()).unwrap();
            assert_eq!(head.upgrade.as_deref(), upgrade);
            assert!(!head.headers.contains_key("upgrade"));
        }
    }
}
