//! The HTTP gate's carrier over real sockets and real TLS, with a judge that does as it is told.

// A test that cannot go on should stop, and say where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod adversary_names;
mod adversary_targets;
mod adversary_wire;
mod answers;
mod bounds;
mod client;
mod curl;
mod judge;
mod judged;
mod sigv4;
mod streams;
mod target;
mod tunnels;
mod upgrades;
mod versions;
mod world;
