//! Tests against real servers.

mod basics;
mod hard;
mod random;
mod scene;
mod schema;
mod types;
