//! The vault as a whole: a real directory, a real socket, a real client, and an attacker who has all that the
//! gate has.

// JUSTIFICATION: a helper of a test fails the test, as the test itself would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bucket;
mod child;
mod clocks;
mod cosigning;
mod crash;
mod damage;
mod deletion;
mod directory;
mod extending;
mod raw;
mod rebuild;
mod roundtrip;
mod space;
mod support;
mod tls;
mod wire;
