//! GraphQL requests as the server would read them: which operation runs, and which fields of the schema it calls with
//! which arguments.
//!
//! The road is [`requests`] (HTTP to what is asked), [`Document::parse`] (text to definitions), [`resolve()`] (the
//! operation that runs, against the schema), and, for a provider that is known, [`pack::Pack::read`] (what it does).
//! It agrees with the server's parser or refuses (invariant 1); it must not decide what is allowed.

mod cache;
mod call;
mod document;
pub mod frames;
mod incoming;
mod json;
pub mod pack;
mod refuse;
mod resolve;
mod schema;

pub use crate::http::Refused;
pub use cache::Documents;
pub use call::{Call, Kind, Select};
pub use document::Document;
pub use incoming::{Incoming, Over, requests};
pub use resolve::resolve;
pub use schema::{Schema, SchemaError};
