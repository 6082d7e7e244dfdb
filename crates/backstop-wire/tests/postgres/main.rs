//! PostgreSQL's protocol against real servers and against a model of one.
//!
//! It starts its own servers and talks only to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that is surprised must fail at once"
)]

mod connection;
mod logins;
mod model;
mod relay;
mod script;
mod sessions;
