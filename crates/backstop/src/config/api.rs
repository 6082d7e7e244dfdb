//! HTTP APIs as targets, and the HTTP gate's own settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Placing, is_host};
use backstop_wire::providers::{self, Pack};
use toml::Spanned;
use url::Url;

use super::check::{self, Place};
use super::{Target, file};
use crate::failure::Outcome;

/// The HTTP gate's usual address.
const LISTEN: &str = "127.0.0.1:7443";
/// How much of a body is kept to be judged, in bytes.
const JUDGED: usize = 1 << 20;

/// The HTTP gate's own settings.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where agents reach the forward proxy.
    pub listen: SocketAddr,
    /// Hosts that any lease may read from without a credential, exact or `*.suffix`.
    pub allow: Vec<String>,
    /// How much of a body is kept to be judged, in bytes.
    pub judged: usize,
    /// Where the proxy's CA certificate is put for agents to read.
    pub ca_file: PathBuf,
}

/// A protected HTTP API.
#[derive(Debug, Clone)]
pub struct Api {
    /// Its name here.
    pub name: String,
    /// How much a mistake costs there.
    pub environment: Environment,
    /// Scheme, host, port and the path that everything of it stands under.
    pub url: Url,
    /// Further hosts of the same API, exact or `*.suffix`, on the same port.
    pub hosts: Vec<String>,
    /// The pack that reads its requests; none: the one that knows its host, else the generic one.
    pub pack: Option<String>,
    /// The pack of that name, where it is a file's.
    pub own: Option<Own>,
    /// How its credential is put into requests.
    pub placing: Placing,
    /// CAs to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Whether its addresses may be private.
    pub private: bool,
    /// Whether every lease may use it, as an agent's own model provider.
    pub everyone: bool,
    /// Where clients reach it that cannot use a proxy.
    pub reverse: Option<SocketAddr>,
    /// What lives in its objects: `volume.…` holds the database of a target.
    pub lives: BTreeMap<String, String>,
}

/// A pack from a file.
#[derive(Debug, Clone)]
pub struct Own {
    /// The pack.
    pub pack: Arc<Pack>,
    text: String,
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// How a target's credential is put into requests, as it is written; `base` is the path that all of it stands under.
fn placing(text: &str, base: &str) -> Result<Placing, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    let header = |name: &str, prefix: &str| Placing::Header {
        name: name.to_ascii_lowercase(),
        prefix: prefix.to_owned(),
    };
    let name = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic());
    match (kind, name) {
        ("none", false) => Ok(Placing::None),
        ("aws", false) => Ok(Placing::Aws),
        ("bearer", false) => Ok(header("authorization", "Bearer ")),
        ("token", false) => Ok(header("authorization", "token ")),
        ("header", true) => Ok(header(rest, "")),
        ("basic", true) => Ok(Placing::Basic { user: rest.into() }),
        ("query", true) => Ok(Placing::Query { name: rest.into() }),
        ("cookie", true) => Ok(Placing::Cookie { name: rest.into() }),
        ("path", true) => before(rest, base).map(|before| Placing::Path { before }),
        ("json", true) if is_pointer(rest) => Ok(Placing::Json {
            pointer: rest.into(),
        }),
        ("form", true) => Ok(Placing::Form { name: rest.into() }),
        _ => Err(format!(
            "`{}` is not a way to put a credential into requests; hint: write bearer, token, header NAME, \
             basic USER, query NAME, cookie NAME, path /PREFIX{{}}, json /POINTER, form NAME, aws or none; the \
             credential itself is sealed by `backstop init --target NAME --url …`",
            text.escape_debug()
        )),
    }
}

/// What stands before the credential in paths, from the root of the site on: `/bot{}/` below a base of `/v1/` has
/// `/v1/bot` before it.
fn before(template: &str, base: &str) -> Result<String, String> {
    let found = template.strip_suffix('/').unwrap_or(template);
    let found = found.strip_suffix("{}").filter(|found| {
        // What servers, clients and the gate all write in one way.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:@!$&'()*+,=/".contains(c);
        let (whole, _) = found.rsplit_once('/').unwrap_or_default();
        let is_name = |segment: &str| !matches!(segment, "" | "." | "..");
        found.starts_with('/') && found.chars().all(plain) && whole.split('/').skip(1).all(is_name)
    });
    match found {
        Some(found) => Ok(format!("{}{found}", base.trim_end_matches('/'))),
        None => Err(format!(
            "`path {}` does not say where in a path a credential stands; hint: write what comes before it below the URL, and \
             {{}} for it, as in `path /bot{{}}/` or `path /v3/{{}}`",
            template.escape_debug()
        )),
    }
}

/// A JSON pointer to something in a body (RFC 6901).
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.starts_with('/') && escapes.all(|rest| rest.starts_with(['0', '1']))
}

/// What an API is like of which nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual<'p> {
    /// How its credential is put into requests, as it is written.
    pub credential: &'p str,
    /// Whether every lease is to use it.
    pub everyone: bool,
}

impl Usual<'static> {
    /// By the pack, if one that is built in is named, else by the host of a URL.
    pub fn at(url: &str, pack: Option<&str>) -> Self {
        let url = Url::parse(url).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let named = pack.and_then(providers::by_name);
        let known = named.or_else(|| providers::for_host(host));
        Usual::of(
            known.map(|known| known.name),
            known.and_then(providers::Provider::pack),
        )
    }
}

impl<'p> Usual<'p> {
    fn of(name: Option<&str>, pack: Option<&'p Pack>) -> Self {
        let aws = name.is_some_and(|name| name == "aws" || name.starts_with("aws/"));
        let known = pack.and_then(Pack::credential);
        Usual {
            credential: known.unwrap_or(if aws { "aws" } else { "bearer" }),
            everyone: pack.is_some_and(Pack::everyone),
        }
    }
}

/// The pack that reads an API's requests, by its name or its host, where it is written as a file.
fn known<'o>(named: Option<&str>, own: Option<&'o Own>, url: &Url) -> Option<&'o Pack> {
    match (own, named) {
        (Some(own), _) => Some(&own.pack),
        (None, Some(name)) => providers::by_name(name)?.pack(),
        (None, None) => providers::for_host(url.host_str()?)?.pack(),
    }
}

/// A pack that is built in, or a file's.
fn pack(place: &Place<'_>, raw: Option<Spanned<String>>) -> Outcome<(Option<String>, Option<Own>)> {
    let Some(named) = raw else {
        return Ok((None, None));
    };
    if named.get_ref().ends_with(".toml") {
        let own = own(place, &named)?;
        return Ok((Some(own.pack.name().to_owned()), Some(own)));
    }
    if providers::by_name(named.get_ref()).is_some() {
        return Ok((Some(named.into_inner()), None));
    }
    let all: Vec<&str> = providers::packs().iter().map(|pack| pack.name).collect();
    Err(place.fault(
        named.span(),
        format!("there is no pack `{}`", named.get_ref().escape_debug()),
        format!(
            "write one of {}, or the path of a file.toml",
            all.join(", ")
        ),
    ))
}

fn own(place: &Place<'_>, named: &Spanned<String>) -> Outcome<Own> {
    let path = place.resolve(std::path::Path::new(named.get_ref()));
    let fault = |what: String| {
        place.fault(
            named.span(),
            format!("the pack `{}` cannot be used: {what}", path.display()),
            "docs/packs.md has the format; `backstop judge http --pack-file` tries a file",
        )
    };
    let text = std::fs::read_to_string(&path).map_err(|error| fault(error.to_string()))?;
    let pack = Pack::tried(&text).map_err(fault)?;
    if providers::by_name(pack.name()).is_some() {
        return Err(fault(format!(
            "its name `{}` is one that is built in",
            pack.name()
        )));
    }
    Ok(Own {
        pack: Arc::new(pack),
        text,
    })
}

impl Api {
    /// The variable in which its own clients look for the credential, where that is put as they put it.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        let pack = known(self.pack.as_deref(), self.own.as_ref(), &self.url)?;
        let usual = Usual::of(self.pack.as_deref(), Some(pack)).credential;
        let usual = placing(usual, self.url.path()).ok()?;
        (usual == self.placing).then(|| pack.variable()).flatten()
    }

    /// Whether a host of another API, on the same port, is one of its own.
    fn meets(&self, other: &Self) -> bool {
        let own = |host: &str| {
            self.url.host_str() == Some(host) || self.hosts.iter().any(|h| is_host(h, host))
        };
        let hosts = other.hosts.iter().map(String::as_str);
        let names = hosts.map(|host| {
            host.strip_prefix("*.")
                .map_or(host.to_owned(), |h| format!("x.{h}"))
        });
        let mut names = names.chain(other.url.host_str().map(str::to_owned));
        self.port() == other.port() && names.any(|name| own(&name))
    }

    /// The port of its URL.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }
}

pub(super) fn http(place: &Place<'_>, raw: file::Http) -> Outcome<Http> {
    let listen = match &raw.listen {
        None => check::address(place, LISTEN, 0..0)?,
        Some(a) => check::address(place, a.get_ref(), a.span())?,
    };
    let allow = raw.allow.unwrap_or_default();
    let allow = allow.iter().map(|host| pattern(place, host));
    let ca_file = raw.ca_file;
    Ok(Http {
        listen,
        allow: allow.collect::<Outcome<_>>()?,
        judged: check::bounded(place, raw.judged.as_ref(), JUDGED, 1 << 10..=64 << 20)?,
        ca_file: place.resolve(&ca_file.unwrap_or_else(|| PathBuf::from("backstop-http-ca.pem"))),
    })
}

pub(super) fn api(
    place: &Place<'_>,
    whole: Range<usize>,
    name: String,
    raw: file::Target,
) -> Outcome<Api> {
    let databases = [
        raw.dsn.as_ref().map(Spanned::span),
        raw.tls.as_ref().map(Spanned::span),
        raw.pin.as_ref().map(Spanned::span),
        raw.points.as_ref().map(Spanned::span),
    ];
    if let Some(span) = databases.into_iter().flatten().next() {
        return Err(place.fault(
            span,
            "this is a key of databases",
            "take it out, or write kind = \"postgres\"",
        ));
    }
    let Some(written) = &raw.url else {
        return Err(place.fault(
            whole,
            format!("the target `{name}` has no `url`"),
            "write url = \"https://HOST\"",
        ));
    };
    let url = base(written.get_ref()).map_err(|e| place.told(written.span(), &e))?;
    let private = raw.private.as_ref().is_some_and(|p| *p.get_ref());
    if url.scheme() == "http" && !private {
        return Err(place.fault(
            written.span(),
            "a credential would go over the network in the clear",
            "write https://, or private = true for a network that is yours alone",
        ));
    }
    if raw.opaque.as_ref().is_some_and(|o| *o.get_ref()) {
        return opaque(place, name, url, private, raw);
    }
    let (pack, own) = pack(place, raw.pack)?;
    let by_host = || providers::for_host(url.host_str()?).map(|known| known.name);
    let usual = Usual::of(
        pack.as_deref().or_else(by_host),
        known(pack.as_deref(), own.as_ref(), &url),
    );
    let placed = match &raw.credential {
        None => placing(usual.credential, url.path()).map_err(|e| place.told(0..0, &e))?,
        Some(text) => {
            placing(text.get_ref(), url.path()).map_err(|e| place.told(text.span(), &e))?
        }
    };
    if let (Placing::Aws, Some(reverse)) = (&placed, &raw.reverse) {
        return Err(place.fault(
            reverse.span(),
            "the id of an AWS key proves no lease, and nothing else comes to a listener of its own",
            "take it out; the SDKs of AWS all know HTTPS_PROXY",
        ));
    }
    if let Some(reverse) = raw.reverse.as_ref().filter(|_| placed.is_in_body()) {
        return Err(place.fault(
            reverse.span(),
            "a listener of its own knows a lease by its placeholder, and this one stands in the body, which is not read yet then",
            "take it out, and let clients use HTTPS_PROXY",
        ));
    }
    let hosts = raw.hosts.unwrap_or_default();
    let reverse = raw.reverse.as_ref();
    Ok(Api {
        name,
        environment: check::environment(place, raw.environment)?,
        url,
        hosts: hosts
            .iter()
            .map(|h| pattern(place, h))
            .collect::<Outcome<_>>()?,
        pack,
        own,
        placing: placed,
        ca: raw.ca.map(|ca| place.resolve(&ca)),
        private,
        everyone: raw.everyone.is_some_and(|e| *e.get_ref()),
        reverse: reverse
            .map(|a| check::address(place, a.get_ref(), a.span()))
            .transpose()?,
        lives: raw
            .lives
            .unwrap_or_default()
            .into_iter()
            .map(|(object, target)| (object, target.into_inner()))
            .collect(),
    })
}

/// A target whose tunnels nobody reads: nothing that needs reading can be said of it.
fn opaque(
    place: &Place<'_>,
    name: String,
    url: Url,
    private: bool,
    raw: file::Target,
) -> Outcome<Api> {
    let at = raw.opaque.as_ref().map_or(0..0, Spanned::span);
    let fault = |what: &str, hint: &str| Err(place.fault(at.clone(), what, hint));
    let needs_reading = [
        ("pack", raw.pack.is_some()),
        ("credential", raw.credential.is_some()),
        ("everyone", raw.everyone.is_some()),
        ("reverse", raw.reverse.is_some()),
        ("lives", raw.lives.is_some()),
        ("ca", raw.ca.is_some()),
    ];
    if let Some((key, _)) = needs_reading.iter().find(|(_, written)| *written) {
        return fault(
            &format!("nobody reads what passes to an opaque target, and `{key}` needs that"),
            "take one of both out",
        );
    }
    let environment = check::environment(place, raw.environment)?;
    if environment == Environment::Production {
        return fault(
            "a production target cannot be opaque: whatever is done there would pass unread and undecided",
            "take `opaque` out, or put what is no production into a target of its own with its environment",
        );
    }
    if url.scheme() != "https" || url.path() != "/" {
        return fault(
            "a tunnel knows a host and a port, and nothing below",
            "write url = \"https://HOST\" or \"https://HOST:PORT\"",
        );
    }
    let hosts = raw.hosts.unwrap_or_default();
    Ok(Api {
        name,
        environment,
        url,
        hosts: hosts
            .iter()
            .map(|h| pattern(place, h))
            .collect::<Outcome<_>>()?,
        pack: None,
        own: None,
        placing: Placing::Opaque,
        ca: None,
        private,
        everyone: false,
        reverse: None,
        lives: BTreeMap::new(),
    })
}

/// An opaque target stands alone at its host and port: which of several a tunnel is for only its requests would tell.
pub(super) fn alone(place: &Place<'_>, apis: &[Api]) -> Outcome {
    for opaque in apis.iter().filter(|api| api.placing == Placing::Opaque) {
        let mut others = apis.iter().filter(|api| api.name != opaque.name);
        if let Some(other) = others.find(|other| other.meets(opaque) || opaque.meets(other)) {
            return Err(place.fault(
                0..0,
                format!(
                    "`{}` is opaque, and `{}` is at the same host and port",
                    opaque.name, other.name
                ),
                "take one of both out: what passes there is read or it is not",
            ));
        }
    }
    Ok(())
}

/// What is told to live in an object of an API has to be a database that is protected here.
pub(super) fn lives(place: &Place<'_>, apis: &[Api], databases: &[Target]) -> Outcome {
    for (object, target) in apis.iter().flat_map(|api| &api.lives) {
        if !databases.iter().any(|database| database.name == *target) {
            return Err(place.fault(
                0..0,
                format!("`{object}` is told to hold `{target}`, which is no database here"),
                "name a target of kind postgres",
            ));
        }
    }
    Ok(())
}

/// Refuses keys that only an HTTP API has.
pub(super) fn none_of_its_keys(place: &Place<'_>, raw: &file::Target) -> Outcome {
    let spans = [
        raw.url.as_ref().map(Spanned::span),
        raw.pack.as_ref().map(Spanned::span),
        raw.credential.as_ref().map(Spanned::span),
        raw.private.as_ref().map(Spanned::span),
        raw.everyone.as_ref().map(Spanned::span),
        raw.opaque.as_ref().map(Spanned::span),
        raw.reverse.as_ref().map(Spanned::span),
        raw.hosts
            .as_ref()
            .and_then(|h| h.first())
            .map(Spanned::span),
        raw.lives
            .as_ref()
            .and_then(|l| l.values().next())
            .map(Spanned::span),
    ];
    match spans.into_iter().flatten().next() {
        None => Ok(()),
        Some(span) => Err(place.fault(
            span,
            "this is a key of HTTP APIs",
            "take it out, or write kind = \"http\"",
        )),
    }
}

/// A base URL: http or https, a host, a path that ends in `/`, nothing else.
fn base(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|e| {
        format!(
            "`{}` is not a URL: {e}; hint: write https://HOST",
            text.escape_debug()
        )
    })?;
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !bare {
        return Err(format!(
            "`{}` is not the base URL of an API; hint: write https://HOST or https://HOST/PATH, without user, query or fragment",
            text.escape_debug()
        ));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// A host, exact or `*.suffix`, as requests are compared with: lower case, IDNA in its ASCII form.
fn pattern(place: &Place<'_>, text: &Spanned<String>) -> Outcome<String> {
    let written = text.get_ref();
    let (star, host) = match written.strip_prefix("*.") {
        Some(host) => ("*.", host),
        None => ("", written.as_str()),
    };
    let name = url::Host::parse(host).ok().map(|h| h.to_string());
    match name {
        Some(name) if star.is_empty() || name.contains('.') => Ok(format!("{star}{name}")),
        _ => Err(place.fault(
            text.span(),
            format!("`{}` is not a host", written.escape_debug()),
            "write a name such as api.example.com, or *.example.com",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &str) -> Result<crate::config::Config, String> {
        let text = format!(
            "data_dir = \"d\"\n[http]\n[[target]]\nname = \"pinned\"\nkind = \"http\"\nurl = \"https://app.pinned.example\"\n{more}\n"
        );
        let parsed = crate::config::Config::parse(std::path::Path::new("backstop.toml"), &text);
        parsed.map_err(|failure| failure.what)
    }

    #[test]
    fn an_opaque_target_is_no_production_and_says_nothing_that_needs_reading() {
        let opaque = "opaque = true\nenvironment = \"staging\"\n";
        let config = with(opaque).unwrap();
        assert_eq!(config.apis[0].placing, Placing::Opaque);
        let config = with("opaque = false\n").unwrap();
        assert_ne!(config.apis[0].placing, Placing::Opaque);
        for (more, what) in [
            ("opaque = true", "a production target cannot be opaque"),
            (
                "opaque = true\nenvironment = \"production\"",
                "a production target cannot be opaque",
            ),
            (&format!("{opaque}pack = \"github\""), "`pack` needs that"),
            (
                &format!("{opaque}credential = \"bearer\""),
                "`credential` needs that",
            ),
            (&format!("{opaque}everyone = true"), "`everyone` needs that"),
            (
                &format!("{opaque}reverse = \"127.0.0.1:0\""),
                "`reverse` needs that",
            ),
            (
                &format!("{opaque}lives = {{ \"a.b\" = \"c\" }}"),
                "`lives` needs that",
            ),
            (
                &format!("{opaque}dsn = \"host=h user=u\""),
                "this is a key of databases",
            ),
        ] {
            let said = with(more).unwrap_err();
            assert!(said.contains(what), "{more}\n{said}");
        }
    }

    #[test]
    fn an_opaque_target_stands_alone_at_its_host_and_port() {
        let other = |keys: &str| {
            with(&format!(
                "opaque = true\nenvironment = \"staging\"\nhosts = [\"*.edge.example\"]\n[[target]]\nname = \"other\"\nkind = \"http\"\n{keys}"
            ))
        };
        for keys in [
            "url = \"https://app.pinned.example/v1\"",
            "url = \"https://a.edge.example\"",
            "url = \"https://other.example\"\nhosts = [\"app.pinned.example\"]",
            "url = \"https://other.example\"\nhosts = [\"*.pinned.example\"]",
            "url = \"https://other.example\"\nhosts = [\"*.a.edge.example\"]",
        ] {
            let said = other(keys).unwrap_err();
            assert!(
                said.contains("is at the same host and port"),
                "{keys}\n{said}"
            );
        }
        for keys in [
            "url = \"https://app.pinned.example:8443\"",
            "url = \"https://edge.example\"",
            "url = \"https://other.example\"\nhosts = [\"*.other.example\"]",
        ] {
            other(keys).unwrap();
        }
    }

    #[test]
    fn a_placing_is_read_as_it_is_written() {
        let path = |before: &str| Placing::Path {
            before: before.into(),
        };
        let json = |pointer: &str| Placing::Json {
            pointer: pointer.into(),
        };
        for (text, base, placed) in [
            ("path /bot{}/", "/", path("/bot")),
            ("path /bot{}", "/file/", path("/file/bot")),
            ("path /v3/{}/", "/", path("/v3/")),
            ("path /{}", "/api/v1/", path("/api/v1/")),
            ("path /services/T0/B-0/{}", "/", path("/services/T0/B-0/")),
            ("path  /.{}", "/", path("/.")),
            ("json /api_key", "/", json("/api_key")),
            ("json /params/0", "/x/", json("/params/0")),
            ("json /a~1b/~0", "/", json("/a~1b/~0")),
            (
                "form token",
                "/",
                Placing::Form {
                    name: "token".into(),
                },
            ),
        ] {
            assert_eq!(placing(text, base), Ok(placed), "{text}");
        }
    }

    #[test]
    fn what_is_no_placing_says_what_would_be() {
        for text in [
            "path",
            "path {}",
            "path bot{}",
            "path /",
            "path /bot",
            "path /bot{}/say",
            "path /bot{}{}",
            "path /bot{}/{}",
            "path /{}//",
            "path //{}",
            "path /a//b{}",
            "path /../{}",
            "path /./bot{}",
            "path /a%2fb/{}",
            "path /a;b/{}",
            "path /a?b={}",
            "path /a b/{}",
            "path /bot{}.json",
            "json",
            "json api_key",
            "json /a~2",
            "json /a~",
            "json /a~~01",
            "json /a b",
            "form",
            "form a b",
            "body token",
        ] {
            let told = placing(text, "/").unwrap_err();
            assert!(told.contains("; hint: write "), "{text}: {told}");
        }
    }
}
