//! A credential in the path: all of a segment, or the end of one.
//!
//! The place is where the path as it was sent says so, byte by byte. What is written in another way is another path, and
//! a placeholder in it is found as one that stands elsewhere.

use std::ops::Range;

use hyper::http::uri::PathAndQuery;

use super::{NEUTRAL, NotPlaced, same};
use crate::http::Head;

/// What stands in its place, as it was sent.
pub(super) fn presented<'h>(head: &'h Head, before: &str) -> Option<&'h str> {
    head.target.path().get(place(&head.target, before)?)
}

pub(super) fn take(head: &mut Head, before: &str, placeholder: &str) -> bool {
    presented(head, before).is_some_and(|value| same(value, placeholder))
        && replace(head, before, NEUTRAL).is_ok()
}

pub(super) fn put_in(head: &mut Head, before: &str, secret: &str) -> Result<(), NotPlaced> {
    if refuses(before, secret) || presented(head, before) != Some(NEUTRAL) {
        return Err(NotPlaced);
    }
    replace(head, before, &encoded(secret))
}

/// Whether a server could read a credential as more than the end of its segment, though it is encoded.
pub(super) fn refuses(before: &str, secret: &str) -> bool {
    let parts = |c: char| c.is_control() || matches!(c, '/' | '\\' | '%');
    let segment = format!("{}{secret}", before.rsplit('/').next().unwrap_or_default());
    // As Java servers see it.
    let name = segment.split(';').next().unwrap_or_default().trim();
    secret.is_empty() || secret.contains(parts) || matches!(name, "." | "..")
}

/// From the end of what stands before it to the next slash.
fn place(target: &PathAndQuery, before: &str) -> Option<Range<usize>> {
    let rest = target.path().strip_prefix(before)?;
    let length = rest.find('/').unwrap_or(rest.len());
    Some(before.len()..before.len() + length)
}

fn replace(head: &mut Head, before: &str, with: &str) -> Result<(), NotPlaced> {
    let place = place(&head.target, before).ok_or(NotPlaced)?;
    let mut target = head.target.as_str().to_owned();
    target.replace_range(place, with);
    head.target = PathAndQuery::try_from(target).map_err(|_| NotPlaced)?;
    Ok(())
}

/// As a segment has it (RFC 3986, section 3.3); `;` is more than text to some servers.
fn encoded(secret: &str) -> String {
    let mut out = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
