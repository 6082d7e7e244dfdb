//! Probes against doubles that record every call.

// JUSTIFICATION: a helper of a test fails the test, as the test itself would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod aws;
mod github;
mod hostile;
mod kubernetes;
mod pages;
mod railway;
mod schema;
mod support;
