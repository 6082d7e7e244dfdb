//! Protocol fronts: sockets, TLS and enforcement. One module a gate.
//!
//! What an action does and whether it may is decided on lower floors; here it is enforced. Must not know the
//! console, nor the store's SQL.

mod denials;
pub mod http;
mod mismatch;
pub mod postgres;
