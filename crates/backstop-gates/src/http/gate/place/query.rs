//! A credential as a parameter of the URL.

use hyper::http::uri::PathAndQuery;
use url::form_urlencoded;

use super::{NotPlaced, same};
use crate::http::Head;

pub(super) fn take(head: &mut Head, name: &str, placeholder: &str) -> bool {
    let Some(query) = head.target.query() else {
        return false;
    };
    let is = |pair: &&str| read(pair).is_some_and(|(n, v)| n == name && same(&v, placeholder));
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

/// The value of a parameter of which there is one.
pub(super) fn alone(head: &Head, name: &str) -> Option<String> {
    let mut all = pairs(head).filter(|pair| is_called(pair, name));
    match (all.next().and_then(read), all.next()) {
        (Some((n, value)), None) if n == name => Some(value),
        _ => None,
    }
}

/// Writes over every parameter of that name: of two some servers take the first, some the last.
pub(super) fn put_in(head: &mut Head, name: &str, secret: &str) -> Result<(), NotPlaced> {
    let mine = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, secret)
        .finish();
    let others = pairs(head).filter(|pair| !is_called(pair, name));
    let query: Vec<&str> = others.chain([mine.as_str()]).collect();
    let target = format!("{}?{}", head.target.path(), query.join("&"));
    head.target = PathAndQuery::try_from(target).map_err(|_| NotPlaced)?;
    Ok(())
}

fn pairs(head: &Head) -> impl Iterator<Item = &str> {
    let query = head.target.query().unwrap_or_default();
    query.split('&').filter(|pair| !pair.is_empty())
}

fn read(pair: &str) -> Option<(String, String)> {
    form_urlencoded::parse(pair.as_bytes()).into_owned().next()
}

/// In any letters: not every server tells them apart.
fn is_called(pair: &str, name: &str) -> bool {
    read(pair).is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
}
