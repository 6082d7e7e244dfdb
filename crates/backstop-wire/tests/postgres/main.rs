//! PostgreSQL's protocol against real servers and against a model of one.
//!
//! It starts its own servers and talks only to them.

mod connection;
mod logins;
mod relay;
mod script;
mod sessions;
