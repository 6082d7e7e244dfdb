//! Where the credential of an API stands in a request: the placeholder is taken out there and nowhere else, and the real
//! one is put in after everything else was looked at.

use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;

use super::aws;
use super::config::Placing;
use crate::http::Head;

/// The credential could not be put into a request.
#[derive(Debug, thiserror::Error)]
#[error(
    "the credential of this target cannot stand where it is put: it has characters that a request does not take there"
)]
pub(super) struct NotPlaced;

/// Takes the placeholder out of its place. Whether it stood there. What stands there and is not the placeholder stays,
/// to be found by whoever looks for foreign credentials.
pub(super) fn take_out(head: &mut Head, placing: &Placing, placeholder: &str) -> bool {
    match placing {
        Placing::None => false,
        Placing::Header { name, prefix } => {
            let Ok(name) = HeaderName::try_from(name.as_str()) else {
                return false;
            };
            let is = |value: &str| without(value, prefix).is_some_and(|v| same(v, placeholder));
            take_header(&mut head.headers, &name, is)
        }
        Placing::Basic { user } => {
            take_header(&mut head.headers, &header::AUTHORIZATION, |value| {
                is_basic(value, user, placeholder)
            })
        }
        Placing::Query { name } => take_parameter(head, name, placeholder),
        Placing::Cookie { name } => take_cookie(&mut head.headers, name, placeholder),
        Placing::Aws => take_header(&mut head.headers, &header::AUTHORIZATION, |value| {
            aws::key_of(value).is_some_and(|key| same(key, placeholder))
        }),
    }
}

/// The placeholder in the place where a client of an API's own listener puts it.
pub(super) fn presented(head: &Head, placing: &Placing) -> Option<String> {
    let text = |name: &HeaderName| head.headers.get(name).and_then(|v| v.to_str().ok());
    match placing {
        // The id of a key is no proof.
        Placing::None | Placing::Aws => None,
        Placing::Header { name, prefix } => {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            without(text(&name)?, prefix).map(str::to_owned)
        }
        Placing::Basic { .. } => basic(text(&header::AUTHORIZATION)?).map(|(_, password)| password),
        Placing::Query { name } => {
            let query = head.target.query()?;
            let mut all = url::form_urlencoded::parse(query.as_bytes());
            all.find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
        }
        Placing::Cookie { name } => cookies(&head.headers)
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.to_owned()),
    }
}

/// Puts the credential into its place.
pub(super) fn put_in(
    head: &mut Head,
    placing: &Placing,
    secret: &Secret<String>,
) -> Result<(), NotPlaced> {
    let secret = secret.reveal();
    match placing {
        // It is signed last.
        Placing::None | Placing::Aws => Ok(()),
        Placing::Header { name, prefix } => {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| NotPlaced)?;
            put_header(&mut head.headers, name, &format!("{prefix}{secret}"))
        }
        Placing::Basic { user } => {
            let value = format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
            put_header(&mut head.headers, header::AUTHORIZATION, &value)
        }
        Placing::Query { name } => {
            let pair = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, secret)
                .finish();
            let glue = if head.target.query().is_some_and(|q| !q.is_empty()) {
                "&"
            } else {
                "?"
            };
            let bare = head.target.as_str().trim_end_matches('?');
            head.target =
                PathAndQuery::try_from(format!("{bare}{glue}{pair}")).map_err(|_| NotPlaced)?;
            Ok(())
        }
        Placing::Cookie { name } => {
            let others = cookies(&head.headers).map(|(n, v)| format!("{n}={v}"));
            let all: Vec<String> = others.chain([format!("{name}={secret}")]).collect();
            put_header(&mut head.headers, header::COOKIE, &all.join("; "))
        }
    }
}

fn put_header(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), NotPlaced> {
    let mut value = HeaderValue::from_str(value).map_err(|_| NotPlaced)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn take_header(headers: &mut HeaderMap, name: &HeaderName, is: impl Fn(&str) -> bool) -> bool {
    let mut all = headers.get_all(name).iter();
    // With more than one of them, which one counts is the server's to choose.
    let alone = match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().is_ok_and(is),
        _ => false,
    };
    if alone {
        headers.remove(name);
    }
    alone
}

/// What follows a prefix, whose case does not count, as that of a scheme does not.
fn without<'v>(value: &'v str, prefix: &str) -> Option<&'v str> {
    let (before, after) = value.split_at_checked(prefix.len())?;
    before.eq_ignore_ascii_case(prefix).then(|| after.trim())
}

fn basic(value: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(without(value, "Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn is_basic(value: &str, user: &str, placeholder: &str) -> bool {
    basic(value).is_some_and(|(name, password)| name == user && same(&password, placeholder))
}

fn take_parameter(head: &mut Head, name: &str, placeholder: &str) -> bool {
    let Some(query) = head.target.query() else {
        return false;
    };
    let is = |pair: &&str| {
        let mut parsed = url::form_urlencoded::parse(pair.as_bytes());
        parsed
            .next()
            .is_some_and(|(n, v)| n == name && same(&v, placeholder))
    };
    let rest: Vec<&str> = query.split('&').filter(|pair| !is(pair)).collect();
    if rest.len() + 1 != query.split('&').count() {
        return false;
    }
    let target = match rest.join("&").as_str() {
        "" => head.target.path().to_owned(),
        rest => format!("{}?{rest}", head.target.path()),
    };
    match PathAndQuery::try_from(target) {
        Ok(target) => {
            head.target = target;
            true
        }
        Err(_) => false,
    }
}

fn take_cookie(headers: &mut HeaderMap, name: &str, placeholder: &str) -> bool {
    let (mine, others): (Vec<_>, Vec<_>) =
        cookies(headers).partition(|(n, v)| *n == name && same(v, placeholder));
    if mine.len() != 1 {
        return false;
    }
    let others: Vec<String> = others.iter().map(|(n, v)| format!("{n}={v}")).collect();
    if others.is_empty() {
        headers.remove(header::COOKIE);
        return true;
    }
    match HeaderValue::from_str(&others.join("; ")) {
        Ok(value) => {
            headers.insert(header::COOKIE, value);
            true
        }
        Err(_) => false,
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

fn same(one: &str, other: &str) -> bool {
    // By their digests, so that the time taken tells nothing of how far they agree.
    Digest::of(one.as_bytes()) == Digest::of(other.as_bytes())
}

#[cfg(test)]
mod tests {
    use hyper::{Method, Version};

    use super::*;
    use backstop_wire::http::Scheme;

    fn head(target: &str, headers: &[(&'static str, &str)]) -> Head {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Head {
            method: Method::GET,
            version: Version::HTTP_11,
            scheme: Scheme::Https,
            site: None,
            authority: None,
            target: target.parse().unwrap(),
            headers: map,
            presented: None,
            upgrade: None,
            trailers: false,
        }
    }

    fn header(name: &str, prefix: &str) -> Placing {
        Placing::Header {
            name: name.into(),
            prefix: prefix.into(),
        }
    }

    /// The head after taking out and putting in, or none if nothing was taken out.
    fn swapped(mut head: Head, placing: &Placing) -> Option<String> {
        let taken = take_out(&mut head, placing, "placeholder");
        let text = |head: &Head| {
            let mut all: Vec<String> = head
                .headers
                .iter()
                .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
                .collect();
            all.sort();
            format!("{} {}", head.target, all.join(", "))
        };
        assert!(!taken || !text(&head).contains("placeholder"));
        put_in(&mut head, placing, &Secret::new("real&+".into())).unwrap();
        taken.then(|| text(&head))
    }

    #[test]
    fn it_is_taken_out_of_its_place_and_the_real_one_put_in() {
        let bearer = header("authorization", "Bearer ");
        let key = header("x-api-key", "");
        let basic = Placing::Basic { user: "u".into() };
        let query = Placing::Query { name: "key".into() };
        let cookie = Placing::Cookie { name: "sid".into() };
        let encoded = STANDARD.encode("u:placeholder");
        let of_user = format!("Basic {encoded}");
        for (head, placing, expected) in [
            (
                head("/", &[("authorization", "bearer placeholder")]),
                &bearer,
                "/ authorization: Bearer real&+",
            ),
            (
                head("/", &[("x-api-key", "placeholder"), ("a", "b")]),
                &key,
                "/ a: b, x-api-key: real&+",
            ),
            (
                head("/", &[("authorization", &of_user)]),
                &basic,
                "/ authorization: Basic dTpyZWFsJis=",
            ),
            (
                head("/p?a=1&key=placeholder&b=2", &[]),
                &query,
                "/p?a=1&b=2&key=real%26%2B ",
            ),
            (
                head("/p?k%65y=placeholder", &[]),
                &query,
                "/p?key=real%26%2B ",
            ),
            (
                head("/", &[("cookie", "a=1; sid=placeholder")]),
                &cookie,
                "/ cookie: a=1; sid=real&+",
            ),
        ] {
            assert_eq!(swapped(head, placing).as_deref(), Some(expected));
        }
    }

    #[test]
    fn it_is_taken_out_of_no_other_place() {
        let bearer = header("authorization", "Bearer ");
        let key = header("x-api-key", "");
        let query = Placing::Query { name: "key".into() };
        for (head, placing) in [
            (head("/", &[("authorization", "placeholder")]), &bearer),
            (
                head("/", &[("authorization", "Bearer placeholder2")]),
                &bearer,
            ),
            (head("/", &[("x-other", "Bearer placeholder")]), &bearer),
            (
                head(
                    "/",
                    &[
                        ("authorization", "Bearer placeholder"),
                        ("authorization", "Bearer x"),
                    ],
                ),
                &bearer,
            ),
            (head("/?x-api-key=placeholder", &[]), &key),
            (head("/?other=placeholder", &[]), &query),
            (head("/?key=placeholder&key=placeholder", &[]), &query),
        ] {
            assert_eq!(swapped(head, placing), None);
        }
    }

    #[test]
    fn a_credential_that_would_make_another_header_is_not_put_in() {
        let bearer = header("authorization", "Bearer ");
        let broken = Secret::new("a\r\nx: y".to_owned());
        assert!(put_in(&mut head("/", &[]), &bearer, &broken).is_err());
    }
}
