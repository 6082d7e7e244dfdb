//! HTTP requests as the server at the other end would read them.
//!
//! What could be read in two ways is refused (invariant 1): the reader agrees with every server that follows the
//! standards, or it says so. It must not open sockets and must not decide what is allowed.
//!
//! [`read`] is the whole of it; each file below it is one part of a request.

mod authority;
mod body;
mod cbor;
mod charset;
mod encoding;
mod form;
mod framing;
mod headers;
mod hop;
mod json;
mod lookup;
mod media;
mod method;
mod multipart;
mod parameters;
mod path;
mod percent;
mod place;
mod presented;
mod query;
mod quoted;
mod read;
mod refuse;
mod request;
mod spot;
mod token;
mod xml;

#[cfg(test)]
mod tests;

use media::Media;

pub use encoding::EXPANDED;
pub use hop::{forwardable, is_hop_by_hop};
pub use json::strict_json;
pub use presented::{
    Credentials, Part as CredentialPart, Place, Presented, STREAMED, Why, presented,
    presented_in_message, values,
};
pub use quoted::{QUOTED, without_quoted};
pub use read::read;
pub use request::{Body, Carried, Part, Raw, RawBody, Refused, Request, Scheme, Version};
pub use spot::{Spot, form_text, json_text};
