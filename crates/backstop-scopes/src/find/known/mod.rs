//! Files whose structure is known: the settings of command lines and tools, read as what they are and not as text.

pub(crate) mod lines;
mod table;
mod tree;
pub(crate) mod yaml;

use std::sync::OnceLock;

use backstop_wire::secrets::{Hit, Rank, is_placeholder, meaning};

use table::{Format, Known};

pub(crate) use table::SERVICE_ACCOUNT;

/// The reader for the file at `path`, if it is of a known structure.
pub(crate) fn of(path: &[u8]) -> Option<&'static Known> {
    // Nearly no file is known, and its name alone says so.
    static NAMES: OnceLock<Vec<(&str, &Known)>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let name = |known: &'static Known| known.path.rsplit('/').next().unwrap_or_default();
        table::KNOWN
            .iter()
            .map(|known| (name(known), known))
            .collect()
    });
    let path = std::str::from_utf8(path).ok()?;
    let name = path.rsplit('/').next()?;
    names
        .iter()
        .find(|(pattern, known)| is_named(name, pattern) && ends_with(path, known.path))
        .map(|(_, known)| *known)
}

/// Whether a file that is no text is one that holds a credential all the same: its presence is the finding.
pub(crate) fn present(path: &[u8]) -> Option<&'static str> {
    let path = String::from_utf8_lossy(path);
    table::PRESENT
        .iter()
        .find(|(end, _)| ends_with(&path, end))
        .map(|(_, kind)| *kind)
}

/// Whether `path` ends with the components of `pattern`; a `*` in one of them stands for anything.
fn ends_with(path: &str, pattern: &str) -> bool {
    let mut components = path.rsplit('/');
    pattern.rsplit('/').all(|wanted| {
        components
            .next()
            .is_some_and(|component| is_named(component, wanted))
    })
}

fn is_named(component: &str, wanted: &str) -> bool {
    match wanted.split_once('*') {
        Some((start, end)) => {
            component.len() >= start.len() + end.len()
                && component.starts_with(start)
                && component.ends_with(end)
        }
        None => component == wanted,
    }
}

/// What a known file holds.
pub(crate) fn read(known: &Known, text: &[u8]) -> Vec<Hit> {
    match known.format {
        Format::Json => tree::json(text).map(|entries| pick(known, text, &entries)),
        Format::Toml => tree::toml(text).map(|entries| pick(known, text, &entries)),
        Format::Yaml => Some(pick(known, text, &yaml::read(text))),
        Format::Ini => Some(pick(known, text, &lines::ini(text))),
        Format::Netrc => Some(lines::netrc(text)),
        Format::Pgpass => Some(lines::pgpass(text)),
        Format::Npmrc => Some(lines::npmrc(text)),
        Format::Whole(kind) => Some(lines::whole(text, kind)),
    }
    .unwrap_or_default()
}

/// A value in a structure and the names that lead to it.
pub(crate) struct Entry {
    pub(crate) path: Vec<String>,
    pub(crate) value: String,
}

fn pick(known: &Known, text: &[u8], entries: &[Entry]) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut from = 0;
    for entry in entries {
        let Some((_, kind)) = known
            .keys
            .iter()
            .find(|(pattern, _)| fits(&entry.path, pattern))
        else {
            continue;
        };
        let value = entry.value.trim();
        if value.len() < 4 || is_placeholder(value.as_bytes()) {
            continue;
        }
        let name = entry.path.last().map(String::as_str).unwrap_or_default();
        let kind = match *kind {
            // Anything may stand there; its name must say that it is a secret.
            "" => match meaning(name.as_bytes()) {
                Some(meaning) if meaning.specific || value.len() >= 8 => meaning.kind,
                _ => continue,
            },
            kind => kind,
        };
        // From where the last one stood: equal values in one file are found in their order.
        let Some(at) = locate(text, value, from).or_else(|| locate(text, value, 0)) else {
            continue;
        };
        from = at.end;
        let mut hit =
            Hit::new(kind, "", at, value.as_bytes(), Rank::Structure).with("name", name.as_bytes());
        hit.rule = known.path.into();
        if kind == "docker.registry" {
            hit = docker_auth(hit, value);
        }
        hits.push(with_siblings(hit, entry, entries, known));
    }
    hits
}

/// Where `value` is written; long ones may be written with escapes, and then their beginning must do.
fn locate(text: &[u8], value: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let plain = value.split(['\n', '"', '\\']).next().unwrap_or(value);
    let at = memchr::memmem::find(text.get(from..)?, plain.as_bytes())? + from;
    (!plain.is_empty()).then_some(at..at + plain.len())
}

/// Whether the names in `path` are those of `pattern`: `*` is any one name, a leading `**` any number.
fn fits(path: &[String], pattern: &str) -> bool {
    let (any, pattern) = pattern
        .strip_prefix("**/")
        .map_or((false, pattern), |rest| (true, rest));
    let wanted: Vec<&str> = pattern.split('/').collect();
    (path.len() == wanted.len() || any && path.len() > wanted.len())
        && path
            .iter()
            .rev()
            .zip(wanted.iter().rev())
            .all(|(name, wanted)| *wanted == "*" || name.eq_ignore_ascii_case(wanted))
}

/// `auth` is base64 of `user:password`.
fn docker_auth(mut hit: Hit, value: &str) -> Hit {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value)
        .unwrap_or_default();
    if let Some(colon) = decoded.iter().position(|byte| *byte == b':') {
        hit = hit.with("user", decoded.get(..colon).unwrap_or_default());
        hit.secret = zeroize::Zeroizing::new(decoded.get(colon + 1..).unwrap_or_default().to_vec());
    }
    hit
}

/// Names beside the secret that are no secrets, and the one that its entry goes by: a profile, a host, a server.
fn with_siblings(mut hit: Hit, entry: &Entry, entries: &[Entry], known: &Known) -> Hit {
    const FACTS: &[&str] = &[
        "host",
        "hostname",
        "server",
        "user",
        "username",
        "login",
        "email",
        "client_email",
        "project_id",
        "client_id",
        "account",
        "account_id",
        "region",
        "tenantid",
        "home_account_id",
        "realm",
        "aws_access_key_id",
        "accesskeyid",
        "sso_account_id",
        "starturl",
        "expiresat",
        "expires_at",
        "port",
        "dbname",
        "database",
        "environment",
    ];
    let (parents, _) = entry.path.split_at(entry.path.len().saturating_sub(1));
    for other in entries
        .iter()
        .filter(|other| other.path.len() == entry.path.len() && other.path.starts_with(parents))
    {
        let name = other
            .path
            .last()
            .map(|name| name.to_ascii_lowercase())
            .unwrap_or_default();
        if FACTS.contains(&name.as_str()) && !hit.facts.contains_key(&name) {
            hit = hit.with(&name, other.value.as_bytes());
        }
    }
    if let Some(parent) = parents.iter().rev().find(|name| {
        !matches!(
            name.as_str(),
            "env" | "user" | "headers" | "attributes" | "Credentials"
        )
    }) {
        hit = hit.with("entry", parent.as_bytes());
    }
    if let Some(server) = (known.path.ends_with("kube/config"))
        .then(|| {
            entries
                .iter()
                .find(|other| fits(&other.path, "clusters/*/cluster/server"))
        })
        .flatten()
    {
        hit = hit.with("server", server.value.as_bytes());
    }
    hit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_fit_their_patterns() {
        assert!(of(b"/home/a/.aws/credentials").is_some());
        assert!(of(b"/home/a/aws/credentials").is_none());
        assert!(of(b"/x/.aws/sso/cache/0a.json").is_some());
        let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        assert!(fits(&path("github.com/oauth_token"), "*/oauth_token"));
        assert!(fits(&path("a/b/c/env/X"), "**/env/*"));
        assert!(!fits(&path("a/b"), "a/b/c"));
    }
}
