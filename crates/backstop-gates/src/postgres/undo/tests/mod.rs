//! Tests against real servers.

mod basics;
mod random;
mod scene;
mod schema;
mod types;
