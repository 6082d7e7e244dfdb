//! Where the credential of an API stands in a request: the placeholder is taken out there and nowhere else, and the real
//! one is put in after everything else was looked at.
//!
//! Of a header, a cookie or a parameter nothing is left, and whatever else stands there is written over. In a path or a
//! body [`NEUTRAL`] is left, so that the request can be read, and a request in which anything but the placeholder stood
//! there goes nowhere.

mod body;
mod header;
mod path;
mod query;

#[cfg(test)]
mod tests;

use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use backstop_wire::http::{Body, Request};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderName};

use super::aws;
use super::config::Placing;
use crate::http::Head;

/// What stands in a path or a body in place of the placeholder while a request is read, judged, held and journaled. No
/// request may bring it there itself.
pub(super) const NEUTRAL: &str = "PLACEHOLDER";

/// The credential could not be put into a request.
#[derive(Debug, thiserror::Error)]
#[error(
    "the credential of this target cannot stand where it is put: it has characters that a request does not take there"
)]
pub(super) struct NotPlaced;

/// The placeholder is not where it has to be.
pub(super) struct Unplaced {
    /// Where it is not, as the end of a sentence.
    pub(super) what: String,
    /// What to do.
    pub(super) hint: String,
}

/// Takes the placeholder out of its place. Whether it stood there. What stands there and is not the placeholder stays,
/// to be found by whoever looks for foreign credentials.
pub(super) fn take_out(
    head: &mut Head,
    bytes: &mut Bytes,
    placing: &Placing,
    placeholder: &str,
) -> bool {
    match placing {
        Placing::None | Placing::Opaque => false,
        Placing::Header { name, prefix } => {
            let Ok(name) = HeaderName::try_from(name.as_str()) else {
                return false;
            };
            header::take(&mut head.headers, &name, |value| {
                header::without(value, prefix).is_some_and(|v| same(v, placeholder))
            })
        }
        Placing::Basic { user } => header::take(&mut head.headers, &AUTHORIZATION, |value| {
            header::basic(value)
                .is_some_and(|(name, password)| name == *user && same(&password, placeholder))
        }),
        Placing::Query { name } => query::take(head, name, placeholder),
        Placing::Cookie { name } => header::take_cookie(&mut head.headers, name, placeholder),
        Placing::Aws => header::take(&mut head.headers, &AUTHORIZATION, |value| {
            aws::key_of(value).is_some_and(|key| same(key, placeholder))
        }),
        Placing::Path { before } => path::take(head, before, placeholder),
        Placing::Json { .. } | Placing::Form { .. } => {
            body::take(head, bytes, placing, placeholder)
        }
    }
}

/// Whether [`NEUTRAL`] is left where the placeholder is taken out.
pub(super) const fn leaves_neutral(placing: &Placing) -> bool {
    placing.is_in_body() || matches!(placing, Placing::Path { .. })
}

/// The placeholder in the place where a client of an API's own listener puts it, if nothing else stands there besides.
pub(super) fn presented(head: &Head, placing: &Placing) -> Option<String> {
    match placing {
        // The id of a key is no proof, and the body is not read when this is asked.
        Placing::None
        | Placing::Opaque
        | Placing::Aws
        | Placing::Json { .. }
        | Placing::Form { .. } => None,
        Placing::Header { name, prefix } => {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            let value = header::alone(&head.headers, &name)?;
            header::without(value, prefix).map(str::to_owned)
        }
        Placing::Basic { .. } => {
            let value = header::alone(&head.headers, &AUTHORIZATION)?;
            header::basic(value).map(|(_, password)| password)
        }
        Placing::Query { name } => query::alone(head, name),
        Placing::Cookie { name } => header::cookie(&head.headers, name).map(str::to_owned),
        Placing::Path { before } => path::presented(head, before).map(str::to_owned),
    }
}

/// Puts the credential into its place.
pub(super) fn put_in(
    head: &mut Head,
    bytes: &mut Bytes,
    placing: &Placing,
    secret: &Secret<String>,
) -> Result<(), NotPlaced> {
    let secret = secret.reveal();
    match placing {
        // It is signed last.
        Placing::None | Placing::Opaque | Placing::Aws => Ok(()),
        Placing::Header { name, prefix } => {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| NotPlaced)?;
            header::put(&mut head.headers, name, &format!("{prefix}{secret}"))
        }
        Placing::Basic { user } => {
            let value = header::basic_of(user, secret);
            header::put(&mut head.headers, AUTHORIZATION, &value)
        }
        Placing::Query { name } => query::put_in(head, name, secret),
        Placing::Cookie { name } => header::put_cookie(&mut head.headers, name, secret),
        Placing::Path { before } => path::put_in(head, before, secret),
        Placing::Json { .. } | Placing::Form { .. } => body::put_in(head, bytes, placing, secret),
    }
}

/// What is wrong with a request whose credential goes into its path or body: `request` as it was read, and whether the
/// placeholder was taken out of it.
pub(super) fn missing(placing: &Placing, taken: bool, request: &Request) -> Option<Unplaced> {
    const PRINTED: &str = "the placeholder that `backstop lease create` printed";
    let (what, hint) = match placing {
        Placing::Path { before } if !taken => (
            format!("no placeholder of this lease stands in its path after `{before}`"),
            format!("send `{before}`, then {PRINTED}, then the rest of the path"),
        ),
        _ if placing.is_in_body() && matches!(request.body, Body::Streamed { .. }) => (
            "its body is longer than is kept to be judged, and the placeholder in it cannot be replaced".to_owned(),
            "send less at once, or have `judged` in [http] raised".to_owned(),
        ),
        Placing::Json { pointer } if !(taken && body::is_read(request, placing)) => (
            format!("no placeholder of this lease stands alone at `{pointer}` of a JSON body"),
            format!("send application/json, not compressed, with {PRINTED} as the text at `{pointer}`"),
        ),
        Placing::Form { name } if !(taken && body::is_read(request, placing)) => (
            format!("no placeholder of this lease stands alone in the field `{name}` of a form"),
            format!(
                "send application/x-www-form-urlencoded, not compressed, with {PRINTED} in the one field `{name}`"
            ),
        ),
        _ => return None,
    };
    Some(Unplaced { what, hint })
}

/// Why a credential cannot stand where it would be put; none if it can.
pub(super) fn refuses(placing: &Placing, secret: &str) -> Option<&'static str> {
    match placing {
        Placing::Path { before } if path::refuses(before, secret) => Some(
            "it stands in a path, and has a `/`, `\\`, `%` or control character, is empty or is dots: servers would read \
             another path",
        ),
        _ => None,
    }
}

fn same(one: &str, other: &str) -> bool {
    // By their digests, so that the time taken tells nothing of how far they agree.
    Digest::of(one.as_bytes()) == Digest::of(other.as_bytes())
}
