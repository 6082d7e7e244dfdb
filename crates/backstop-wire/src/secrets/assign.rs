//! A name with a value beside it: `NAME=value`, `name: "value"`, `--name value`, `name => 'value'`, `<name>value</`.
//! No expression is run for it: these words are in half of all files.

use std::ops::Range;

use super::class::Class;
use super::confidence::Confidence;
use super::engine::Text;
use super::hit::{Hit, Rank};
use super::lookalike;
use super::names::{self, Meaning, Shape};
use super::provider;
use super::rules::entropy;

/// What `text` assigns to the name that the keyword `at` is part of.
pub(crate) fn at(text: Text<'_>, at: &Range<usize>, assigned: &mut usize) -> Option<Hit> {
    let bytes = text.bytes;
    if at.start < *assigned {
        return None;
    }
    let name = name_around(bytes, at)?;
    *assigned = name.end;
    let (value, quoted) = value_after(bytes, &name)?;
    let meaning = names::meaning(bytes.get(name.clone())?)?;
    let secret = bytes.get(value.clone())?;
    let confidence = judge(secret, meaning, quoted, text, &name)?;
    let kind = refine(meaning.kind, bytes, &name);
    let rank = if meaning.specific {
        Rank::Known
    } else {
        Rank::Name
    };
    let mut hit =
        Hit::new(kind, "named", value.clone(), secret, rank).with("name", bytes.get(name.clone())?);
    hit.confidence = confidence;
    if kind.ends_with(".password") || kind == "password.unnamed" {
        hit = with_neighbours(hit, bytes, &name);
    }
    Some(hit)
}

/// The value of the variable `name`, which is not in a text but in an environment or a structure that was read.
#[must_use]
pub fn variable(name: &[u8], value: &[u8]) -> Option<Hit> {
    let meaning = names::meaning(name)?;
    let text = Text {
        bytes: value,
        path: b"",
        class: Class::Settings,
    };
    let confidence = judge(value, meaning, false, text, &(0..0))?;
    let rank = if meaning.specific {
        Rank::Known
    } else {
        Rank::Name
    };
    let mut hit = Hit::new(meaning.kind, "named", 0..value.len(), value, rank);
    hit.confidence = confidence;
    Some(hit)
}

/// Whether `secret` can be the value of such a name, and how surely. The shape that the name asks for decides first.
fn judge(
    secret: &[u8],
    meaning: Meaning,
    quoted: bool,
    text: Text<'_>,
    name: &Range<usize>,
) -> Option<Confidence> {
    if lookalike::is_placeholder(secret)
        || secret.len() > 512
        || !secret.is_ascii() && meaning.shape != Shape::Password
    {
        return None;
    }
    let bare_in_source = !quoted
        && matches!(text.class, Class::Source | Class::Prose)
        && !is_connection_string(around(text.bytes, name, 200));
    let sure = if meaning.specific {
        Confidence::Sure
    } else {
        Confidence::Likely
    };
    let doubtful = |why: &str| {
        Some(Confidence::Doubtful {
            why: why.to_owned(),
        })
    };
    match meaning.shape {
        Shape::Uuid => {
            (lookalike::is_uuid(secret) || (secret.len() >= 20 && is_token(secret))).then_some(sure)
        }
        Shape::Aws => (secret.len() == 40
            && secret.iter().all(|byte| is_base64(*byte))
            && entropy(secret) > 3.5)
            .then_some(sure),
        Shape::Token if lookalike::is_uuid(secret) => {
            if meaning.specific {
                return Some(sure);
            }
            let near = around(text.bytes, name, 300);
            if contains(near, b"railway") || contains(text.path, b"railway") {
                return Some(Confidence::Likely);
            }
            (text.class == Class::Settings).then_some(())?;
            doubtful("a UUID, as many identifiers are")
        }
        Shape::Token => {
            let enough = if meaning.specific { 12 } else { 16 };
            if secret.len() < enough
                || !is_token(secret)
                || bare_in_source && !meaning.specific
                || looks_named(secret)
            {
                return None;
            }
            (entropy(secret) > if meaning.specific { 2.5 } else { 3.0 }).then_some(sure)
        }
        Shape::Password => {
            if bare_in_source && !(text.class == Class::Prose && meaning.specific)
                || is_code(secret, quoted)
            {
                return None;
            }
            if lookalike::is_default_password(secret) {
                return doubtful("a default password");
            }
            if secret.len() < if meaning.specific { 4 } else { 6 }
                || secret.contains(&b' ') && !meaning.specific
            {
                return None;
            }
            let letters_only = secret
                .iter()
                .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.'));
            if letters_only && !meaning.specific {
                return match text.class {
                    Class::Settings if is_env_like(text.path) => Some(Confidence::Likely),
                    Class::Settings => doubtful("a word"),
                    _ => None,
                };
            }
            Some(sure)
        }
    }
}

/// `host=… user=… password=…`, in whatever text it stands.
fn is_connection_string(near: &[u8]) -> bool {
    contains(near, b"dbname=") || contains(near, b"host=") && contains(near, b"user=")
}

fn is_env_like(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name.starts_with(b".env")
        || name.ends_with(b".env")
        || name.ends_with(b".ini")
        || name.ends_with(b".cnf")
        || name.ends_with(b".properties")
        || name.ends_with(b"rc")
        || name.ends_with(b".conf")
}

/// What a machine makes: no spaces, letters and digits both, nothing that a program's text has.
fn is_token(secret: &[u8]) -> bool {
    secret
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-+/=.~:!@#%^*$&|?,".contains(byte))
        && secret.iter().any(u8::is_ascii_digit)
        && secret.iter().any(u8::is_ascii_alphabetic)
        && !contains(secret, b"://")
        && !secret.starts_with(b"/")
        && !secret.starts_with(b"./")
}

/// `my-secret-name-2`, `com.example.Token1`, `kube-system/default-token`: words with separators, not chance.
pub(crate) fn looks_named(secret: &[u8]) -> bool {
    let words: Vec<&[u8]> = secret
        .split(|byte| b"-_./:".contains(byte))
        .filter(|word| !word.is_empty())
        .collect();
    let plain = words.iter().filter(|word| {
        word.iter().all(u8::is_ascii_lowercase)
            || word.iter().all(u8::is_ascii_digit) && word.len() < 5
    });
    // `CLIENT_TRAFFIC_SECRET_0` is a name, too.
    let shouted = secret
        .iter()
        .all(|byte| byte.is_ascii_uppercase() || *byte == b'_' || byte.is_ascii_digit());
    words.len() >= 3 && (shouted || plain.count() + 1 >= words.len())
}

/// A call, an index, a path: an expression and no value.
fn is_code(secret: &[u8], quoted: bool) -> bool {
    if quoted {
        return secret.starts_with(b"/") && secret.iter().filter(|byte| **byte == b'/').count() > 1
            || contains(secret, b"://");
    }
    secret.ends_with(b"(")
        || secret.ends_with(b")") && contains(secret, b"(")
        || contains(secret, b"::")
        || contains(secret, b"->")
        || contains(secret, b"://")
        || contains(secret, b"=>")
        || secret.starts_with(b"/")
        || secret.starts_with(b"-")
        || secret.starts_with(b"{")
        || secret.starts_with(b"[")
        || secret.starts_with(b"(")
        || secret.starts_with(b"|")
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(hay, needle).is_some()
}

pub(crate) fn around<'a>(bytes: &'a [u8], at: &Range<usize>, far: usize) -> &'a [u8] {
    bytes
        .get(at.start.saturating_sub(far)..(at.end + far).min(bytes.len()))
        .unwrap_or_default()
}

/// The line that `at` is in, with those that a backslash joins to it.
pub(crate) fn statement<'a>(bytes: &'a [u8], at: &Range<usize>) -> &'a [u8] {
    const FAR: usize = 1000;
    let joined = |end: usize| {
        let before = bytes.get(..end).unwrap_or_default();
        before
            .strip_suffix(b"\r")
            .unwrap_or(before)
            .ends_with(b"\\")
    };
    let floor = at.start.saturating_sub(FAR);
    let mut start = at.start;
    while let Some(end) = bytes
        .get(floor..start)
        .and_then(|before| memchr::memrchr(b'\n', before))
    {
        start = floor + end;
        if !joined(start) {
            break;
        }
    }
    let mut end = at.end;
    let ceiling = (at.end + FAR).min(bytes.len());
    while let Some(next) = bytes
        .get(end..ceiling)
        .and_then(|after| memchr::memchr(b'\n', after))
    {
        end += next;
        if !joined(end) {
            break;
        }
        end += 1;
    }
    let end = if end == at.end && bytes.get(end) != Some(&b'\n') {
        ceiling
    } else {
        end
    };
    let start = if start == at.start { floor } else { start };
    bytes.get(start..end).unwrap_or_default()
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn name_around(bytes: &[u8], at: &Range<usize>) -> Option<Range<usize>> {
    let before = bytes.get(at.start.saturating_sub(64)..at.start)?;
    let start = at.start
        - before
            .iter()
            .rev()
            .take_while(|byte| is_name(**byte))
            .count();
    let after = bytes.get(at.end..(at.end + 64).min(bytes.len()))?;
    let end = at.end + after.iter().take_while(|byte| is_name(**byte)).count();
    (end - start <= 96).then_some(start..end)
}

/// The value that stands after `name`, and whether it is quoted.
fn value_after(bytes: &[u8], name: &Range<usize>) -> Option<(Range<usize>, bool)> {
    if let Some(value) = spoken(bytes, name) {
        return Some((value, true));
    }
    let mut at = name.end;
    let peek = |at: usize| bytes.get(at).copied();
    let skip = |mut at: usize, set: &[u8]| {
        while peek(at).is_some_and(|byte| set.contains(&byte)) && at < name.end + 32 {
            at += 1;
        }
        at
    };
    // Inside of JSON inside of a text, quotes are escaped.
    at = skip(at, b"\\\"'`]) \t");
    let flag = bytes.get(name.start..name.start + 2) == Some(b"--");
    match peek(at)? {
        b'=' | b':' => at = skip(at, b"=:>"),
        b'>' if at == name.end => at += 1,
        // `define('NAME', 'value')`
        b',' if at > name.end
            && bytes
                .get(name.start.saturating_sub(9)..name.start)
                .is_some_and(|before| contains(before, b"define(")) =>
        {
            at += 1;
        }
        _ if flag && at == name.end + 1 => {}
        _ => return None,
    }
    // A value on the next line belongs to another name.
    at = skip(at, b" \t");
    let escaped = peek(at) == Some(b'\\') && matches!(peek(at + 1), Some(b'"' | b'\''));
    at += usize::from(escaped);
    // Prefixes of strings in some languages.
    if matches!(peek(at), Some(b'b' | b'r' | b'f' | b'u' | b'@'))
        && matches!(peek(at + 1), Some(b'"' | b'\''))
    {
        at += 1;
    }
    let quote = peek(at).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let start = at + usize::from(quote.is_some());
    let rest = bytes.get(start..(start + 520).min(bytes.len()))?;
    let length = match quote {
        Some(quote) => rest
            .iter()
            .position(|byte| *byte == quote || *byte == b'\n' || escaped && *byte == b'\\')?,
        None => rest
            .iter()
            .position(|byte| {
                byte.is_ascii_whitespace()
                    || matches!(
                        byte,
                        b'"' | b'\'' | b'`' | b';' | b'<' | b'\\' | b',' | b'&'
                    )
            })
            .unwrap_or(rest.len()),
    };
    // A quote that the line does not close is not the value's.
    let closed = quote.is_none() || rest.get(length) != Some(&b'\n');
    (length > 0 && closed).then_some((start..start + length, quote.is_some()))
}

/// `PASSWORD 'value'` as SQL has it, and `sshpass -p value`.
fn spoken(bytes: &[u8], name: &Range<usize>) -> Option<Range<usize>> {
    let word = bytes.get(name.clone())?;
    let rest = bytes.get(name.end..(name.end + 200).min(bytes.len()))?;
    let (mark, end): (&[u8], &[u8]) = match () {
        () if word.eq_ignore_ascii_case(b"password") => (b" '", b"'"),
        () if word == b"sshpass" => (b" -p ", b" \n"),
        () => return None,
    };
    let value = rest.strip_prefix(mark)?;
    let quoted = value.strip_prefix(b"'").filter(|_| word == b"sshpass");
    let (value, end) = quoted.map_or((value, end), |value| (value, &b"'"[..]));
    let start = name.end + mark.len() + usize::from(quoted.is_some());
    let length = value
        .iter()
        .position(|byte| end.contains(byte))
        .unwrap_or(value.len());
    (length > 0).then_some(start..start + length)
}

/// What stands beside the name may tell more than the name.
fn refine(kind: &'static str, bytes: &[u8], name: &Range<usize>) -> &'static str {
    match kind {
        "password.unnamed" | "database.password" => {
            let near = around(bytes, name, 300);
            let postgres = [&b"postgres"[..], b"dbname=", b"psql ", b"5432", b"PGHOST"]
                .iter()
                .any(|word| contains(near, word));
            if postgres { "postgres.password" } else { kind }
        }
        "token.unnamed" => provider::kind_by_host(statement(bytes, name)).unwrap_or(kind),
        _ => kind,
    }
}

/// Host, port, user and database that the lines around a password name, if they are named as it is (`DB_…`, `PG…`,
/// or the words of a libpq string).
fn with_neighbours(mut hit: Hit, bytes: &[u8], name: &Range<usize>) -> Hit {
    const FACTS: &[(&str, &[&str])] = &[
        (
            "host",
            &["host", "hostname", "hostaddr", "server", "endpoint"],
        ),
        ("port", &["port"]),
        ("user", &["user", "username"]),
        ("database", &["dbname", "database", "db", "name"]),
    ];
    let own =
        String::from_utf8_lossy(bytes.get(name.clone()).unwrap_or_default()).to_ascii_lowercase();
    let prefix = own
        .trim_end_matches(|c: char| c.is_ascii_alphanumeric())
        .to_owned();
    let near = around(bytes, name, 500);
    for pair in near.split(|byte| byte.is_ascii_whitespace() || matches!(byte, b';' | b',')) {
        let Some(at) = pair.iter().position(|byte| matches!(byte, b'=' | b':')) else {
            continue;
        };
        let (key, value) = pair.split_at(at);
        let key = String::from_utf8_lossy(key)
            .trim_matches(['"', '\''])
            .to_ascii_lowercase();
        let key = if own == "pgpassword" {
            key.strip_prefix("pg").unwrap_or("")
        } else {
            key.strip_prefix(&prefix).unwrap_or("")
        };
        let value = value.get(1..).unwrap_or_default();
        let value = value
            .strip_prefix(b"\"")
            .or(value.strip_prefix(b"'"))
            .unwrap_or(value);
        let value = value
            .strip_suffix(b"\"")
            .or(value.strip_suffix(b"'"))
            .unwrap_or(value);
        for (fact, words) in FACTS {
            if words.contains(&key) && !value.starts_with(b"$") && !hit.facts.contains_key(*fact) {
                hit = hit.with(fact, value);
            }
        }
    }
    hit
}

/// An AWS key id, and beside it what can only be its secret.
pub(crate) fn aws_pair(bytes: &[u8], at: usize) -> Option<Hit> {
    let id = at..at + 20;
    let text = bytes.get(id.clone())?;
    let delimited = |range: &Range<usize>| {
        !range
            .start
            .checked_sub(1)
            .and_then(|at| bytes.get(at))
            .is_some_and(|byte| is_base64(*byte) && *byte != b'=')
            && !bytes.get(range.end).is_some_and(|byte| is_base64(*byte))
    };
    let is_id = text.starts_with(b"AKIA")
        && text
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !is_id || !delimited(&id) || lookalike::is_placeholder(text) {
        return None;
    }
    let from = at.saturating_sub(300);
    let near = bytes.get(from..(at + 400).min(bytes.len()))?;
    let mut start = 0;
    while start < near.len() {
        let length = near
            .get(start..)?
            .iter()
            .take_while(|byte| is_base64(**byte))
            .count();
        // `aws_secret_access_key=…` without a quote takes the sign with it.
        let word = near.get(start..start + length)?;
        let skipped = word
            .iter()
            .rposition(|byte| *byte == b'=')
            .map_or(0, |at| at + 1);
        let secret = word.get(skipped..)?;
        if secret.len() == 40
            && entropy(secret) > 4.0
            && !lookalike::is_placeholder(secret)
            && secret.iter().any(u8::is_ascii_lowercase)
        {
            let range = from + start + skipped..from + start + length;
            return Some(
                Hit::new("aws.access-key", "aws-pair", range, secret, Rank::Known)
                    .with("access_key_id", text),
            );
        }
        start += length.max(1);
    }
    None
}
