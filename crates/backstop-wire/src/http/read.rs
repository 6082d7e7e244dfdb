//! The whole of reading, as a story.

use super::headers::Headers;
use super::refuse::refused;
use super::{Raw, Refused, Request, body, framing, method, path, place, query};

/// Reads `raw` as its server would.
///
/// A body that is only kept by its server (an object of S3, a file) need not be readable: where the operation is such
/// a one, offer it as [`RawBody::Streamed`](super::RawBody::Streamed) and it is not looked into.
///
/// # Errors
///
/// [`Refused`] if servers, or what stands before them, could read the request in two ways, or not at all. It repeats
/// nothing that the client sent.
pub fn read(raw: &Raw<'_>) -> Result<Request, Refused> {
    let method = method::read(raw.method)?;
    let headers = Headers::read(raw)?;
    framing::check(raw, &headers)?;
    let place = place::read(raw, &headers)?;
    let (raw_path, query) = split(raw.target, &method)?;
    let segments = match raw_path {
        "*" => Vec::new(),
        path => path::segments(path)?,
    };
    let query = query::of_target(query)?;
    let body = body::read(&raw.body, &headers)?;
    method::check_overrides(&method, headers.pairs(), &query, &body)?;
    Ok(Request {
        method,
        scheme: raw.scheme,
        host: place.host,
        port: place.port,
        raw_path: raw_path.to_owned(),
        segments,
        query,
        headers: headers.into_pairs(),
        body,
    })
}

/// Path and query. `*` is for OPTIONS, about the server as a whole.
fn split<'t>(target: &'t str, method: &str) -> Result<(&'t str, &'t str), Refused> {
    if target == "*" && method != "OPTIONS" {
        return Err(refused(
            "the target is `*`, which is for OPTIONS alone",
            "send a path",
        ));
    }
    Ok(target.split_once('?').unwrap_or((target, "")))
}
