//! HTTP requests as the server at the other end would read them.
//!
//! What could be read in two ways is refused (invariant 1): the reader agrees with every server that follows the
//! standards, or it says so. It must not open sockets and must not decide what is allowed.

mod presented;
mod request;

pub use presented::{
    Credentials, Part as CredentialPart, Place, Presented, Why, presented, presented_in_message,
    values,
};
pub use request::{Body, Carried, Part, Raw, RawBody, Refused, Request, Scheme, Version};
