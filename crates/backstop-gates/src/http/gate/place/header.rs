//! A credential in a header: after a scheme or alone, as a password, as a cookie.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderName, HeaderValue};

use super::{NotPlaced, same};

/// Takes a header out, if there is one of that name and it is as asked.
pub(super) fn take(headers: &mut HeaderMap, name: &HeaderName, is: impl Fn(&str) -> bool) -> bool {
    let alone = alone(headers, name).is_some_and(is);
    if alone {
        headers.remove(name);
    }
    alone
}

/// The value of a header that stands once: with more of them, which one counts is the server's to choose.
pub(super) fn alone<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Writes over every header of that name, however it is spelled.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), NotPlaced> {
    let mut value = HeaderValue::from_str(value).map_err(|_| NotPlaced)?;
    value.set_sensitive(true);
    // Behind CGI and its like `X_Api_Key` is `X-Api-Key`, and may be the one that counts.
    let plain = |name: &HeaderName| name.as_str().replace('_', "-");
    let others = headers
        .keys()
        .filter(|other| other.as_str().contains('_') && plain(other) == plain(&name));
    for other in others.cloned().collect::<Vec<_>>() {
        headers.remove(other);
    }
    headers.insert(name, value);
    Ok(())
}

/// What follows a prefix, whose case does not count, as that of a scheme does not.
pub(super) fn without<'v>(value: &'v str, prefix: &str) -> Option<&'v str> {
    let (before, after) = value.split_at_checked(prefix.len())?;
    before.eq_ignore_ascii_case(prefix).then(|| after.trim())
}

/// User and password.
pub(super) fn basic(value: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(without(value, "Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

pub(super) fn basic_of(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

pub(super) fn take_cookie(headers: &mut HeaderMap, name: &str, placeholder: &str) -> bool {
    let (mine, others): (Vec<_>, Vec<_>) =
        cookies(headers).partition(|(n, v)| *n == name && same(v, placeholder));
    if mine.len() != 1 {
        return false;
    }
    let others: Vec<String> = others.iter().map(|(n, v)| format!("{n}={v}")).collect();
    if others.is_empty() {
        headers.remove(COOKIE);
        return true;
    }
    match HeaderValue::from_str(&others.join("; ")) {
        Ok(value) => {
            headers.insert(COOKIE, value);
            true
        }
        Err(_) => false,
    }
}

/// The value of a cookie of which there is one.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = cookies(headers).filter(|(n, _)| *n == name);
    match (all.next(), all.next()) {
        (Some((_, value)), None) => Some(value),
        _ => None,
    }
}

/// Writes over every cookie of that name.
pub(super) fn put_cookie(
    headers: &mut HeaderMap,
    name: &str,
    secret: &str,
) -> Result<(), NotPlaced> {
    let others = cookies(headers).filter(|(n, _)| *n != name);
    let others = others.map(|(n, v)| format!("{n}={v}"));
    let all: Vec<String> = others.chain([format!("{name}={secret}")]).collect();
    put(headers, COOKIE, &all.join("; "))
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}
