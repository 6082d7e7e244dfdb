//! Tests against real servers.

mod basics;
mod roads;
pub(crate) mod stage;
