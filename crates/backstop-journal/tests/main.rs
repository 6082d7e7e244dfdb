//! What a journal promises, each feature in a file of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod crash;
mod foreign;
mod full_disk;
mod journal;
mod support;
mod tamper;
mod texts;
