//! The control socket: how the command line talks to a running `serve`.
//!
//! It can look, narrow and stop. What widens power it can only ask for: that becomes a hold, and a passkey
//! decides (invariant 9).

pub mod client;
pub mod protocol;
pub mod server;
