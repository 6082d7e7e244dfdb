//! What a request does at a provider's API: packs of knowledge, as data, and the reading of a request by them.
//!
//! What no entry names is unknown, and unknown is not harmless (invariant 1). It must not decide what is allowed.

pub mod aws;
mod beyond;
pub mod generic;
pub mod kubernetes;
mod pack;
pub mod railway;
mod reading;
mod registry;
mod token;

pub use beyond::{Beyond, Socket};
pub use generic::rest::NAME as GENERIC;
pub use pack::{Call, Pack, PackError, Trial, host_matches};
pub use reading::{Knowledge, Operation, Reading};
pub use registry::{Provider, by_name, for_host, packs, read, read_by, read_calls, read_message};
pub use token::IdempotencyToken;

pub(crate) use beyond::graphql_socket;
