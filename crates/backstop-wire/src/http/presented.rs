//! Every credential that a request carries, wherever it stands.
//!
//! Three things tell one: where it stands (whatever follows `Bearer` is one, a UUID included), the published rules,
//! and, where nothing ordinary stands, that it was drawn by a machine. What of it the lease was given, and what is
//! foreign, is for the caller to say. Nothing here shows a credential.

mod body;
mod draw;
mod graphql;
mod headers;
mod names;
mod scheme;
mod sheet;
mod tables;
mod target;
mod told;
mod values;

use backstop_core::secret::Secret;

use super::{Raw, Request};
use crate::secrets::Engine;
use sheet::Sheet;

pub use values::values;

/// A credential in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Where it stands.
    pub place: Place,
    /// The credential alone, decoded as far as its place says (`Basic` is); of a DSN the password. What is no UTF-8 is
    /// written with replacement characters.
    pub value: Secret<String>,
    /// What it is, if that can be told: a kind of the scope audit (`railway.token`), or a published rule's id.
    pub kind: Option<String>,
    /// What told it.
    pub why: Why,
}

/// What tells that something is a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Where it stands, or the name that it has there.
    Position,
    /// Its form, by a rule.
    Rule,
    /// Only a machine draws something like it, and nothing ordinary stands there.
    Entropy,
}

/// Where in a request a credential stands. Names are as their servers read them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A header.
    Header {
        /// In lower case.
        name: String,
        /// Which part of its value.
        part: Part,
    },
    /// `Proxy-Authorization`: for the proxy and not for the target.
    Proxy {
        /// Which part of its value.
        part: Part,
    },
    /// The user's place in a URL: `https://here:and-here@host/`.
    Userinfo {
        /// User or password.
        part: Part,
    },
    /// A parameter of the query.
    Query {
        /// Its name.
        name: String,
        /// One of a presigned URL, which is a credential as a whole.
        presigned: bool,
    },
    /// A segment of the path.
    Path {
        /// From 0.
        index: usize,
    },
    /// Somewhere in method, host and target as they were sent.
    Line,
    /// A cookie.
    Cookie {
        /// Its name; empty where it has none.
        name: String,
    },
    /// `Sec-WebSocket-Protocol`.
    Subprotocol,
    /// Metadata of gRPC in bytes: a header `…-bin`.
    Metadata {
        /// In lower case.
        name: String,
    },
    /// The body.
    Body {
        /// A JSON pointer (RFC 6901). Names of form fields, parts, XML elements and GraphQL arguments are written as if they
        /// were keys; `""` is all of it.
        pointer: String,
    },
}

/// Which part of a header's value a credential is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All of it, or somewhere in it.
    Whole,
    /// What follows `Bearer`.
    Bearer,
    /// The user of `Basic`.
    User,
    /// The password of `Basic`.
    Password,
    /// The access key's id in a signature of AWS.
    KeyId,
    /// The signature itself, which only the key's holder can make.
    Signature,
    /// What follows another scheme, in lower case: `digest`, `negotiate`, `token`.
    Scheme(String),
}

/// What [`Credentials::missed`] says of a body that was not kept: whoever passes it on looks through it as it goes.
pub const STREAMED: &str = "its body is streamed and was not kept";

/// The credentials of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Each of them, once for each place.
    pub presented: Vec<Presented>,
    /// Why not all of the request was looked through, if it was not: then it may carry more.
    pub missed: Option<&'static str>,
}

/// The credentials that `request` carries; `raw` is the same request before it was read, and is what goes on.
#[must_use]
pub fn presented(engine: &Engine, request: &Request, raw: &Raw<'_>) -> Credentials {
    let mut sheet = Sheet::new(engine, &request.host);
    target::read(&mut sheet, request, raw);
    headers::read(&mut sheet, raw.headers);
    body::read(&mut sheet, &request.body);
    sheet.finish()
}

/// The credentials in a message of a WebSocket to `host`: some clients log in with the first one.
#[must_use]
pub fn presented_in_message(engine: &Engine, host: &str, message: &[u8]) -> Credentials {
    let mut sheet = Sheet::new(engine, host);
    body::unknown(&mut sheet, message);
    sheet.finish()
}

#[cfg(test)]
mod tests;
