//! Bytes to actions, without sockets: what a gate reads from the wire, and what it means.
//!
//! It must not open sockets, read files, ask a clock, or decide what is allowed.

pub mod graphql;
pub mod grpc;
pub mod http;
pub mod postgres;
pub mod providers;
pub mod secrets;
pub mod sql;
pub mod websocket;
