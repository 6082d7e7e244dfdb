//! What happens when things break: kills, lost servers, full disks, jumping clocks, hostile clients.
//!
//! Each test has servers and data of its own. None may look away: where something broke, it says what the
//! database, the journal and the store hold afterwards.

// A test that cannot go on should stop, and say where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod audit;
mod bad_clients;
mod clocks;
mod disk;
mod inside;
mod kept;
mod kill;
mod load;
mod raw;
mod setup;
mod upstream;

#[allow(dead_code)] // shared with the tests of the commands, which use all of it
#[path = "../../src/demo/person.rs"]
mod person;
#[allow(dead_code)] // as above
#[path = "../it/support.rs"]
mod support;
