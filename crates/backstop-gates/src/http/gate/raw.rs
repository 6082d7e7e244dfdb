//! A head as the reader takes it.

use backstop_wire::http::{Raw, RawBody, Version};
use bytes::Bytes;

use super::case::Case;
use crate::http::{Carried, Head};

/// What the reader is told besides the head.
pub(super) struct Told {
    tunnel: Option<String>,
    tls_name: Option<String>,
    reverse: Option<String>,
}

pub(super) fn told(case: &Case) -> Told {
    Told {
        tunnel: case.tunnel.as_ref().map(ToString::to_string),
        tls_name: case.tls_name.clone(),
        reverse: case.reverse.then(|| case.site.to_string()),
    }
}

/// The headers as pairs, `Host` as the site that it was found to be for.
pub(super) fn headers(head: &Head) -> Vec<(&str, &[u8])> {
    head.headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// All of it.
pub(super) fn raw<'a>(
    head: &'a Head,
    headers: &'a [(&'a str, &'a [u8])],
    told: &'a Told,
    bytes: &'a Bytes,
    body: &Carried,
) -> Raw<'a> {
    Raw {
        method: head.method.as_str(),
        version: match head.version {
            hyper::Version::HTTP_10 => Version::Http10,
            hyper::Version::HTTP_2 => Version::Http2,
            _ => Version::Http11,
        },
        scheme: head.scheme,
        // The user before it was looked at, and is not sent on.
        authority: head.authority.as_deref().and_then(|a| a.rsplit('@').next()),
        target: head.target.as_str(),
        headers,
        tls_name: told.tls_name.as_deref(),
        tunnel: told.tunnel.as_deref(),
        reverse: told.reverse.as_deref(),
        body: match body {
            Carried::Absent => RawBody::Absent,
            Carried::Whole { .. } => RawBody::Whole(bytes),
            Carried::Streamed { length } => RawBody::Streamed { length: *length },
        },
    }
}
