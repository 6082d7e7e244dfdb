//! Each part of the crate, tested against the real thing.

// Helpers of tests are tests too, which clippy's own exception does not see.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod authenticator;
#[cfg(feature = "browser")]
mod browser;
mod clients;
mod doubles;
mod floors;
mod pgbouncer;
mod postgres;
mod railway;
mod rental;
