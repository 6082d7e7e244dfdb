//! The gate in front of real servers, with real clients and a person's passkey.

// A test that cannot go on should stop, and say where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod adversary;
mod adversary_approvals;
mod adversary_bounds;
mod adversary_calls;
mod adversary_measured;
mod adversary_protocol;
mod adversary_settings;
mod adversary_statements;
mod aws;
mod basics;
mod calls;
mod clients;
mod differential;
mod doubt;
mod envelope;
mod extended;
mod front;
mod halts;
mod hinted;
mod holds;
mod http_clients;
mod incidents;
mod interlock;
mod judging;
mod kept;
mod kinds;
mod measured;
mod opaque;
mod placing;
mod raw;
mod rehearsed;
mod roles;
mod sockets;
mod world;
