//! What names say: headers, cookies, parameters and fields that hold a credential, and those that never do.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::draw::{self, Looks};
use super::tables::{
    CREDENTIAL_HEADERS, CREDENTIAL_PARAMETERS, DOUBTFUL_PARAMETERS, GRANT_FIELDS, HARMLESS_FIELDS,
    IDENTIFYING, ORDINARY_COOKIES, ORDINARY_HEADERS, SWITCHES,
};
use crate::secrets::{Shape, is_placeholder, meaning, variable};

/// A list of names, ready to be asked.
struct List {
    names: HashSet<&'static str>,
    starts: Vec<&'static str>,
}

impl List {
    fn of(list: &[&'static str]) -> Self {
        let start = |name: &&'static str| name.strip_suffix('*');
        Self {
            names: list
                .iter()
                .copied()
                .filter(|name| start(name).is_none())
                .collect(),
            starts: list.iter().filter_map(start).collect(),
        }
    }

    fn starts(&self, name: &str) -> bool {
        self.starts.iter().any(|start| name.starts_with(start))
    }
}

static HEADERS: LazyLock<List> = LazyLock::new(|| List::of(ORDINARY_HEADERS));
static COOKIES: LazyLock<List> = LazyLock::new(|| List::of(ORDINARY_COOKIES));

/// What a header of this name (in lower case) holds.
pub(super) enum Header {
    /// A credential, of this kind if the name tells.
    Credential(Option<&'static str>),
    /// No credential, but what a rule finds.
    Ordinary,
    /// Nobody knows.
    Unknown,
}

/// What the header `name` holds.
pub(super) fn header(name: &str) -> Header {
    if let Ok(at) = CREDENTIAL_HEADERS.binary_search_by_key(&name, |(name, _)| *name) {
        return Header::Credential(CREDENTIAL_HEADERS.get(at).and_then(|(_, kind)| *kind));
    }
    if HEADERS.names.contains(name) {
        return Header::Ordinary;
    }
    if let Some(meaning) = meaning(name.as_bytes()).filter(|_| !is_harmless(name)) {
        return Header::Credential(special(meaning.kind));
    }
    let identifies = || name.split('-').any(|word| IDENTIFYING.contains(&word));
    if HEADERS.starts(name) || identifies() {
        Header::Ordinary
    } else {
        Header::Unknown
    }
}

/// A kind that says whose it is.
fn special(kind: &'static str) -> Option<&'static str> {
    (!matches!(kind, "token.unnamed" | "password.unnamed")).then_some(kind)
}

fn is_harmless(name: &str) -> bool {
    let name = plain(name);
    HARMLESS_FIELDS.iter().any(|field| name.ends_with(field))
}

/// In lower case, with nothing between its words.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// In lower case, with `_` between its words where anything was.
fn lower(name: &str) -> String {
    name.trim()
        .chars()
        .map(|c| match c {
            '-' | '.' | ' ' => '_',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

pub(super) fn is_switch(value: &str) -> bool {
    value.trim().is_empty() || SWITCHES.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The kind of credential that a field `name` of a body holds, if it and its `value` say that it does.
pub(super) fn field(name: &str, value: &str) -> Option<&'static str> {
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let meaning = meaning(name.as_bytes())?;
    if is_switch(value) || is_harmless(name) {
        return None;
    }
    let found = match meaning.shape {
        // Anything can be a password; what stands for one is none.
        Shape::Password => {
            let is_path = value.starts_with('/') || value.starts_with("~/");
            !(is_stand_in(value) || is_path && plain(name).ends_with("pwd"))
        }
        _ => {
            variable(name.as_bytes(), value.as_bytes()).is_some()
                || draw::looks(value) != Looks::Ordinary
                || draw::is_key(value) && !is_placeholder(value.as_bytes())
        }
    };
    found.then_some(meaning.kind)
}

/// A hole of a template, or stars: not even a bad password.
fn is_stand_in(value: &str) -> bool {
    ["${", "{{", "<", "$("]
        .iter()
        .any(|start| value.starts_with(start))
        || value.chars().all(|c| matches!(c, '*' | '•' | '.'))
}

/// The kind of credential that a parameter `name` of a query or a form holds, if any; empty if only that it holds one
/// is known.
pub(super) fn parameter(name: &str, value: &str) -> Option<&'static str> {
    if let Some(kind) = field(name, value) {
        return Some(kind);
    }
    let lower = lower(name);
    let always = CREDENTIAL_PARAMETERS.binary_search(&lower.as_str()).is_ok();
    // A number of few digits is a place in a list.
    if always && value.len() >= 4 && !is_switch(value) && !is_stand_in(value) {
        return Some("");
    }
    let doubtful = DOUBTFUL_PARAMETERS.contains(&lower.as_str());
    (doubtful && matches!(draw::looks(value), Looks::Drawn | Looks::Hex)).then_some("")
}

/// Whether `name` is a field of a request for a token that holds a credential.
pub(super) fn is_grant_field(name: &str) -> bool {
    GRANT_FIELDS.contains(&lower(name).as_str())
}

/// What a cookie of this name holds.
pub(super) enum Cookie {
    /// A session, or another credential.
    Credential,
    /// Nothing secret, however random.
    Ordinary,
    /// Nobody knows.
    Unknown,
}

/// What the cookie `name` holds.
pub(super) fn cookie(name: &str) -> Cookie {
    let lower = name.to_ascii_lowercase();
    let name = ["__host-", "__secure-", "__http-"]
        .iter()
        .find_map(|prefix| lower.strip_prefix(prefix))
        .unwrap_or(&lower);
    if [&lower, name]
        .iter()
        .any(|name| COOKIES.names.contains(name) || COOKIES.starts(name))
        || ["csrf", "xsrf", "consent", "antiforgery"]
            .iter()
            .any(|part| name.contains(part))
    {
        return Cookie::Ordinary;
    }
    let words = [
        "session", "token", "jwt", "sess", "secret", "login", "remember", "passw",
    ];
    let says = words.iter().any(|word| name.contains(word))
        || name.contains("auth") && !name.contains("author")
        || name
            .split(['-', '_', '.'])
            .any(|word| word == "sso" || word == "sid")
        || name.ends_with("sid") && name.len() <= 12
        || name == "sb";
    if says {
        Cookie::Credential
    } else {
        Cookie::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_whole() {
        assert!(CREDENTIAL_HEADERS.is_sorted_by_key(|(name, _)| *name));
        assert!(CREDENTIAL_PARAMETERS.is_sorted());
        for (name, _) in CREDENTIAL_HEADERS {
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(!ORDINARY_HEADERS.contains(name), "{name} is in both");
        }
    }

    #[test]
    fn names_of_fields_are_told_apart() {
        const UUID: &str = "3f0c8b1e-7f4d-4a6f-9a52-0d5e3c1b2a49";
        for (name, value) in [
            ("token", UUID),
            ("apiToken", UUID),
            ("input.token", UUID),
            ("password", "sunshine"),
            ("password", "correct horse battery staple"),
            ("client_secret", "a1b2c3d4e5"),
            (
                "awsSecretAccessKey",
                "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5tQwPz",
            ),
        ] {
            assert!(field(name, value).is_some(), "{name}");
        }
        for (name, value) in [
            ("session_id", UUID),
            ("ClientToken", UUID),
            ("clientRequestToken", UUID),
            ("nextToken", "kT9vQ2mLx8ZbN4rW7yHc3JpD6sFgA1eUoX5t"),
            ("projectId", UUID),
            ("password", "${DB_PASSWORD}"),
            ("password", "********"),
            ("pwd", "/home/agent/work"),
            ("secret", "my-app-secret"),
            ("token", "start"),
            ("password", "true"),
            ("tokens", "12"),
        ] {
            assert!(field(name, value).is_none(), "{name}");
        }
    }
}
