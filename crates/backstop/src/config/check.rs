//! From the file as written to a configuration that can work: the first mistake is told with its place.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backstop_core::policy::Policy;
use backstop_core::target::Environment;
use toml::Spanned;
use url::Url;

use super::api::{self, Api};
use super::{Config, Console, Dsn, Gate, Host, Journal, Target, Tls, fault, file};
use crate::duration::Span;
use crate::failure::{Failure, Outcome};

/// The gate's usual address.
pub(super) const GATE: &str = "127.0.0.1:7432";
/// The console's usual address.
pub(super) const CONSOLE: &str = "127.0.0.1:7480";
/// The longest that a call may be paused: clients give up soon after.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long the traffic log is usually kept.
const KEEP_TRAFFIC: Duration = Duration::from_secs(90 * 86_400);
/// The shortest that it can be kept.
const SHORTEST_KEEP: Duration = Duration::from_secs(86_400);

/// Where a mistake would be.
pub(super) struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    pub(super) fn fault(
        &self,
        span: Range<usize>,
        what: impl AsRef<str>,
        right: impl AsRef<str>,
    ) -> Failure {
        fault::at(self.path, self.text, span, what.as_ref(), right.as_ref())
    }

    /// A message of another's that ends in `; hint: …`.
    pub(super) fn told(&self, span: Range<usize>, message: &str) -> Failure {
        let (what, right) = message
            .split_once("; hint: ")
            .unwrap_or((message, "see docs/configuration.md"));
        self.fault(span, what, right)
    }

    /// A path as seen from the configuration's own directory.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        let base = self.path.parent().unwrap_or(Path::new(""));
        let joined = base.join(path);
        std::path::absolute(&joined).unwrap_or(joined)
    }
}

/// Checks everything.
pub(super) fn check(path: &Path, text: &str, raw: file::File) -> Outcome<Config> {
    let place = Place { path, text };
    let console = console(&place, raw.console)?;
    let vault = super::vault::vault(&place, raw.vault)?;
    let (targets, apis) = targets(&place, raw.targets, vault.as_ref())?;
    let http = raw.http.map(|http| api::http(&place, http)).transpose()?;
    Ok(Config {
        path: path.to_owned(),
        data_dir: place.resolve(raw.data_dir.get_ref()),
        gate: gate(&place, raw.gate)?,
        targets,
        apis,
        http,
        policy: policy(&place, &raw.policy)?,
        policy_files: raw
            .policy
            .files
            .iter()
            .map(|f| place.resolve(f.get_ref()))
            .collect(),
        limits: limits(&place, &raw.limits)?,
        journal: journal(&place, &raw.journal)?,
        measure: super::vault::measure(&place, &raw.measure)?,
        vault,
        notify: raw.notify,
        console,
    })
}

fn gate(place: &Place<'_>, raw: file::Gate) -> Outcome<Gate> {
    let listen = match raw.listen {
        None => vec![address(place, GATE, 0..0)?],
        Some(all) => all
            .iter()
            .map(|a| address(place, a.get_ref(), a.span()))
            .collect::<Outcome<_>>()?,
    };
    let pause = match &raw.pause {
        None => Duration::from_secs(45),
        Some(p) if p.get_ref().0 <= LONGEST_PAUSE => p.get_ref().0,
        Some(p) => {
            return Err(place.fault(
                p.span(),
                "a pause longer than 5m: clients give up before it is over",
                "write 45s, or at most 5m",
            ));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ca_file = raw
        .ca_file
        .unwrap_or_else(|| PathBuf::from("backstop-ca.pem"));
    Ok(Gate {
        listen,
        unix_socket: raw.unix_socket.map(|p| place.resolve(&p)),
        require_tls: raw.require_tls.unwrap_or(true),
        identity: identity(place, raw.certificate, raw.key)?,
        hosts: raw.hosts,
        ca_file: place.resolve(&ca_file),
        pause,
        worker_threads: bounded(place, raw.worker_threads.as_ref(), cores, 1..=256)?,
        connections_per_lease: match &raw.connections_per_lease {
            None => None,
            some => Some(bounded(place, some.as_ref(), 20, 1..=10_000)?),
        },
    })
}

fn console(place: &Place<'_>, raw: file::Console) -> Outcome<Console> {
    let listen = match &raw.listen {
        None => address(place, CONSOLE, 0..0)?,
        Some(a) => address(place, a.get_ref(), a.span())?,
    };
    let identity = identity(place, raw.certificate, raw.key)?;
    let (written, span) = match raw.origin {
        Some(o) => (o.get_ref().clone(), o.span()),
        None => (format!("http://localhost:{}", listen.port()), 0..0),
    };
    let origin = origin(&written).map_err(|e| place.told(span.clone(), &e))?;
    let http = origin.scheme() == "http";
    if http && !listen.ip().is_loopback() {
        return Err(place.fault(
            span,
            "a console without https can only listen on this machine's own address",
            "listen on 127.0.0.1, or set an https origin with certificate and key",
        ));
    }
    if http && identity.is_some() {
        return Err(place.fault(
            span,
            "there is a certificate, but the origin is not https",
            "write the origin as https://NAME",
        ));
    }
    if !http && identity.is_none() && !listen.ip().is_loopback() {
        return Err(place.fault(span, "an https origin needs a certificate", "set `certificate` and `key` in [console], or listen on 127.0.0.1 behind a proxy that has them"));
    }
    Ok(Console {
        listen,
        origin,
        identity,
    })
}

/// A console's origin: https with a name, or http on localhost. Browsers allow passkeys on nothing else.
pub(crate) fn origin(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("`{text}` is not an origin: {e}; hint: write https://NAME, as in https://backstop.example.com"))?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    if !bare {
        return Err(format!(
            "`{text}` has more than an origin; hint: write scheme, name and port only, as in https://backstop.example.com"
        ));
    }
    match (url.scheme(), url.host()) {
        (_, Some(url::Host::Ipv4(_) | url::Host::Ipv6(_))) => Err(format!(
            "`{text}` is an address: browsers allow no passkeys there; hint: use a name, or http://localhost:PORT"
        )),
        ("https", Some(url::Host::Domain(_))) | ("http", Some(url::Host::Domain("localhost"))) => {
            Ok(url)
        }
        ("http", _) => Err(format!(
            "`{text}` is not https: browsers allow no passkeys there; hint: use https, or http://localhost:PORT"
        )),
        _ => Err(format!(
            "`{text}` is not an origin; hint: write https://NAME or http://localhost:PORT"
        )),
    }
}

fn targets(
    place: &Place<'_>,
    raw: Vec<Spanned<file::Target>>,
    vault: Option<&super::Vault>,
) -> Outcome<(Vec<Target>, Vec<Api>)> {
    let mut seen: HashSet<String> = HashSet::new();
    let (mut databases, mut apis) = (Vec::new(), Vec::new());
    for spanned in raw {
        let whole = spanned.span();
        let target = spanned.into_inner();
        let (name, at) = (target.name.get_ref().clone(), target.name.span());
        target_name(&name).map_err(|e| place.told(at.clone(), &e))?;
        if !seen.insert(name.clone()) {
            return Err(place.fault(
                at,
                format!("there are two targets named `{name}`"),
                "give each its own name",
            ));
        }
        match target.kind.as_ref().map_or("postgres", |k| k.get_ref()) {
            "postgres" => databases.push(database(place, whole, name, target, vault)?),
            "http" => apis.push(api::api(place, whole, name, target)?),
            other => {
                return Err(place.fault(
                    target.kind.as_ref().map_or(at, Spanned::span),
                    format!("`{other}` is not a kind of target"),
                    "write postgres or http",
                ));
            }
        }
    }
    api::lives(place, &apis, &databases)?;
    api::alone(place, &apis)?;
    Ok((databases, apis))
}

pub(super) fn environment(place: &Place<'_>, raw: Option<Spanned<String>>) -> Outcome<Environment> {
    match raw {
        None => Ok(Environment::default()),
        Some(e) => e
            .get_ref()
            .parse()
            .map_err(|m: String| place.told(e.span(), &m)),
    }
}

fn database(
    place: &Place<'_>,
    whole: Range<usize>,
    name: String,
    raw: file::Target,
    vault: Option<&super::Vault>,
) -> Outcome<Target> {
    api::none_of_its_keys(place, &raw)?;
    let Some(written) = raw.dsn else {
        return Err(place.fault(
            whole,
            format!("the target `{name}` has no `dsn`"),
            "write dsn = \"postgresql://USER@HOST/DATABASE\", or kind = \"http\" with a `url`",
        ));
    };
    let environment = environment(place, raw.environment)?;
    let mut dsn = Dsn::parse(written.get_ref()).map_err(|e| place.told(written.span(), &e))?;
    if dsn.password.is_some() {
        return Err(place.fault(
            written.span(),
            "a password stands in the configuration",
            "take it out; `backstop init --target NAME --dsn …` seals it in the data directory",
        ));
    }
    dsn.tls = tls(place, dsn.tls, &dsn.host, raw.tls, raw.ca, raw.pin)?;
    let own = raw.points.as_ref();
    let own = own.map(|every| super::vault::every_or_off(place, every));
    let points = match (vault, own.transpose()?) {
        (None, _) => None,
        (Some(_), Some(own)) => own,
        (Some(vault), None) => vault.points,
    };
    Ok(Target {
        name,
        environment,
        dsn,
        points,
        pg_bin: raw.pg_bin.map(|folder| place.resolve(&folder)),
    })
}

/// Names go into file names and URLs.
pub(crate) fn target_name(name: &str) -> Result<(), String> {
    let good = !name.is_empty()
        && name.len() <= 40
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        && name.starts_with(|c: char| c.is_ascii_lowercase());
    if good {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a target's name; hint: up to 40 of a–z, 0–9, `-` and `_`, beginning with a letter",
        name.escape_debug()
    ))
}

fn tls(
    place: &Place<'_>,
    of_dsn: Tls,
    host: &Host,
    mode: Option<Spanned<String>>,
    ca: Option<PathBuf>,
    pin: Option<Spanned<String>>,
) -> Outcome<Tls> {
    if let Some(pin) = pin {
        let hash = fingerprint(pin.get_ref()).ok_or_else(|| {
            place.fault(
                pin.span(),
                "this is not a SHA-256 fingerprint",
                "write 64 hex digits, as `backstop init` shows them",
            )
        })?;
        return Ok(Tls::Pinned(hash));
    }
    let ca = ca.map(|c| place.resolve(&c));
    match mode.as_ref().map(|m| m.get_ref().as_str()) {
        None => Ok(match (of_dsn, ca) {
            (Tls::Verify { ca: own }, ca) => Tls::Verify {
                ca: ca.or_else(|| own.map(|c| place.resolve(&c))),
            },
            (other, _) => other,
        }),
        Some("verify-full") if matches!(host, Host::Tcp(_)) => Ok(Tls::Verify { ca }),
        Some("disable") => Ok(Tls::Disable),
        Some(_) => {
            let span = mode.map_or(0..0, |m| m.span());
            Err(place.fault(
                span,
                "this is not a way to verify the server",
                "write verify-full, or disable for a unix socket or a network that is yours alone",
            ))
        }
    }
}

/// A SHA-256 in hex, with or without colons.
pub(crate) fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let plain: String = text.chars().filter(|c| *c != ':').collect();
    backstop_core::digest::Digest::from_hex(&plain).map(|d| d.0)
}

fn policy(place: &Place<'_>, raw: &file::Policy) -> Outcome<String> {
    let mut all = String::new();
    for file in &raw.files {
        let path = place.resolve(file.get_ref());
        let text = std::fs::read_to_string(&path).map_err(|e| {
            place.fault(
                file.span(),
                format!("cannot read the policy file `{}`: {e}", path.display()),
                "name a file of Cedar policies that Backstop's user can read",
            )
        })?;
        all.push_str(&text);
        all.push('\n');
        Policy::with(&all).map_err(|e| {
            place.fault(
                file.span(),
                format!("`{}`: {e}", path.display()),
                "mend the policy file; the default policies show the form",
            )
        })?;
    }
    Ok(all)
}

fn limits(place: &Place<'_>, raw: &file::Limits) -> Outcome<backstop_store::Limits> {
    let usual = backstop_store::Limits::default();
    let span = |s: Option<&Spanned<Span>>, usual: i64| s.map_or(usual, |s| s.get_ref().millis());
    let denials = raw
        .denials_before_halt
        .as_ref()
        .map(|d| (*d.get_ref(), d.span()));
    if let Some((0, span)) = denials {
        return Err(place.fault(
            span,
            "a lease would be halted before anything was denied",
            "write 1 or more",
        ));
    }
    let limits = backstop_store::Limits {
        open_holds: bounded(place, raw.open_holds.as_ref(), usual.open_holds, 1..=1000)?,
        holds_per_hour: bounded(
            place,
            raw.holds_per_hour.as_ref(),
            usual.holds_per_hour,
            1..=100_000,
        )?,
        denials_before_halt: denials.map_or(usual.denials_before_halt, |d| d.0),
        decide_within_ms: span(raw.decide_within.as_ref(), usual.decide_within_ms),
        execute_within_ms: span(raw.execute_within.as_ref(), usual.execute_within_ms),
        delay_ms: span(raw.alone_delay.as_ref(), usual.delay_ms),
        challenge_ms: usual.challenge_ms,
    };
    for (written, least) in [(&raw.decide_within, 60_000), (&raw.execute_within, 1_000)] {
        if let Some(s) = written.as_ref().filter(|s| s.get_ref().millis() < least) {
            return Err(place.fault(
                s.span(),
                format!("{} is too short for people and agents", s.get_ref()),
                format!(
                    "write {} or more",
                    Span(Duration::from_millis(least.unsigned_abs()))
                ),
            ));
        }
    }
    Ok(limits)
}

fn journal(place: &Place<'_>, raw: &file::Journal) -> Outcome<Journal> {
    let keep_traffic = match &raw.keep_traffic {
        None => Some(KEEP_TRAFFIC),
        Some(k) if k.get_ref() == "forever" => None,
        Some(k) => {
            let span: Span = k.get_ref().parse().map_err(|_| {
                place.fault(
                    k.span(),
                    format!("`{}` is not how long to keep something", k.get_ref()),
                    "write a number of days, as in `90d`, or `forever`",
                )
            })?;
            if span.0 < SHORTEST_KEEP {
                return Err(place.fault(
                    k.span(),
                    format!("{span} is too short: what agents did could not be looked up any more"),
                    "write 1d or more, or `forever`",
                ));
            }
            Some(span.0)
        }
    };
    Ok(Journal { keep_traffic })
}

pub(super) fn bounded(
    place: &Place<'_>,
    value: Option<&Spanned<usize>>,
    usual: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Outcome<usize> {
    match value {
        None => Ok(usual),
        Some(v) if range.contains(v.get_ref()) => Ok(*v.get_ref()),
        Some(v) => Err(place.fault(
            v.span(),
            format!("{} is out of range", v.get_ref()),
            format!("write a number from {} to {}", range.start(), range.end()),
        )),
    }
}

fn identity(
    place: &Place<'_>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
) -> Outcome<Option<(PathBuf, PathBuf)>> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(c), Some(k)) => Ok(Some((
            place.resolve(c.get_ref()),
            place.resolve(k.get_ref()),
        ))),
        (Some(one), None) => Err(place.fault(
            one.span(),
            "there is a certificate without its key",
            "add `key = \"…\"`",
        )),
        (None, Some(one)) => Err(place.fault(
            one.span(),
            "there is a key without its certificate",
            "add `certificate = \"…\"`",
        )),
    }
}

pub(super) fn address(place: &Place<'_>, text: &str, span: Range<usize>) -> Outcome<SocketAddr> {
    text.parse().map_err(|_| {
        place.fault(
            span,
            format!("`{text}` is not an address with a port"),
            "write it as 127.0.0.1:7432 or [::1]:7432",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (String, String) {
        let failure = Config::parse(Path::new("backstop.toml"), text).unwrap_err();
        (failure.what, failure.hint.unwrap_or_default())
    }

    #[test]
    fn every_mistake_has_its_place_and_what_would_be_right() {
        let cases = [
            (
                "data_dir = \"d\"\n[gate]\npasue = \"1s\"\n",
                "line 3 column 1: there is no key `pasue` here",
                "did you mean `pause`?",
            ),
            (
                "data_dir = \"d\"\n[gate]\npause = \"soon\"\n",
                "line 3 column 9: `soon` is not a time",
                "write a number",
            ),
            (
                "data_dir = \"d\"\n[gate]\npause = \"1h\"\n",
                "line 3 column 9: a pause longer than 5m",
                "write 45s",
            ),
            (
                "data_dir = \"d\"\n[gate]\nlisten = [\"here\"]\n",
                "line 3 column 11: `here` is not an address",
                "127.0.0.1:7432",
            ),
            (
                "data_dir = 5\n",
                "line 1 column 12: invalid type: integer `5`",
                "write",
            ),
            (
                "",
                "line 1 column 1: the key `data_dir` is missing",
                "add `data_dir`",
            ),
            (
                "data_dir = \"d\"\n[console]\norigin = \"http://example.com\"\n",
                "line 3 column 10: `http://example.com` is not https",
                "use https",
            ),
            (
                "data_dir = \"d\"\n[console]\norigin = \"http://127.0.0.1:80\"\n",
                "line 3 column 10:",
                "use a name",
            ),
            (
                "data_dir = \"d\"\n[console]\ncertificate = \"c\"\n",
                "line 3 column 15: there is a certificate without its key",
                "add `key",
            ),
            (
                "data_dir = \"d\"\n[[target]]\nname = \"A\"\ndsn = \"host=h user=u\"\n",
                "line 3 column 8: `A` is not a target's name",
                "beginning with a letter",
            ),
            (
                "data_dir = \"d\"\n[[target]]\nname = \"a\"\nkind = \"mysql\"\ndsn = \"host=h user=u\"\n",
                "line 4 column 8: `mysql` is not a kind of target",
                "write postgres",
            ),
            (
                "data_dir = \"d\"\n[[target]]\nname = \"a\"\ndsn = \"host=h user=u password=x\"\n",
                "line 4 column 7: a password stands in the configuration",
                "seals it",
            ),
            (
                "data_dir = \"d\"\n[[target]]\nname = \"a\"\nenvironment = \"live\"\ndsn = \"host=h user=u\"\n",
                "line 4 column 15: `live` is not an environment",
                "use production",
            ),
            (
                "data_dir = \"d\"\n[[target]]\nname = \"a\"\ndsn = \"host=h user=u\"\npin = \"ab\"\n",
                "line 5 column 7: this is not a SHA-256",
                "64 hex digits",
            ),
            (
                "data_dir = \"d\"\n[policy]\nfiles = [\"/nonexistent.cedar\"]\n",
                "line 3 column 10: cannot read the policy file",
                "Cedar",
            ),
            (
                "data_dir = \"d\"\n[limits]\nopen_holds = 0\n",
                "line 3 column 14: 0 is out of range",
                "from 1 to 1000",
            ),
            (
                "data_dir = \"d\"\n[journal]\nkeep_traffic = \"23h\"\n",
                "line 3 column 16: 23h is too short",
                "write 1d or more, or `forever`",
            ),
            (
                "data_dir = \"d\"\n[journal]\nkeep_traffic = \"always\"\n",
                "line 3 column 16: `always` is not how long",
                "`forever`",
            ),
            (
                "data_dir = \"d\"\n[journal]\nkeep_control = \"1d\"\n",
                "line 3 column 1: there is no key `keep_control` here",
                "keep_traffic",
            ),
            ("data_dir = \"d\n", "line 1 column", "TOML"),
        ];
        for (text, what, right) in cases {
            let (said, hint) = refusal(text);
            assert!(said.contains(what), "{text}\n{said}");
            assert!(hint.contains(right), "{text}\n{said}\n{hint}");
        }
    }

    #[test]
    fn what_is_not_said_has_a_safe_value() {
        let text = "data_dir = \"d\"\n[[target]]\nname = \"a\"\ndsn = \"postgresql://u@h/db\"\n";
        let config = Config::parse(Path::new("/etc/backstop/backstop.toml"), text).unwrap();
        assert_eq!(config.data_dir, Path::new("/etc/backstop/d"));
        assert!(config.gate.require_tls);
        assert_eq!(config.gate.pause, Duration::from_secs(45));
        assert_eq!(config.console.origin(), "http://localhost:7480");
        assert_eq!(config.targets[0].environment, Environment::Production);
        assert_eq!(config.targets[0].dsn.tls, Tls::Verify { ca: None });
    }

    #[test]
    fn traffic_is_kept_for_ninety_days_or_as_long_as_it_says() {
        let keep = |line: &str| {
            let text = format!("data_dir = \"d\"\n[journal]\n{line}\n");
            let config = Config::parse(Path::new("backstop.toml"), &text).unwrap();
            config.journal.keep_traffic.map(|k| k.as_secs() / 86_400)
        };
        assert_eq!(keep(""), Some(90));
        assert_eq!(keep("keep_traffic = \"1d\""), Some(1));
        assert_eq!(keep("keep_traffic = \"forever\""), None);
    }

    #[test]
    fn fingerprints_are_read_in_both_spellings() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(fingerprint(&plain), Some([0xab; 32]));
        assert_eq!(fingerprint(&colons), fingerprint(&plain));
        assert_eq!(fingerprint("ab"), None);
    }
}
