//! The audit against real servers.

// JUSTIFICATION: a helper of a test fails the test, as the test itself would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod elsewhere;
mod fix;
mod prober;
mod random;
mod server;
mod truth;
mod unseen;
mod world;
