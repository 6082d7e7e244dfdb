//! The HTTP gate's carrier over real sockets and real TLS, with a judge that does as it is told.

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
