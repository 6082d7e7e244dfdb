//! What a request does at a provider's API: packs of knowledge, as data, and the reading of a request by them.
//!
//! What no entry names is unknown, and unknown is not harmless (invariant 1). It must not decide what is allowed.

pub mod aws;
pub mod railway;
mod reading;

pub use reading::{Knowledge, Operation, Reading};
