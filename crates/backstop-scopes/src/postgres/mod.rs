//! Roads to destruction in PostgreSQL, by the server's own catalogue.
//!
//! It only reads: every question is asked in a READ ONLY transaction with short limits.

mod ask;
mod error;
mod libraries;
mod unseen;
mod way;

pub use error::Error;
pub use unseen::{Unseen, UnseenKind, unseen};
pub use way::{Place, Trust, Way};
