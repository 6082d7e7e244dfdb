//! Tests against real servers.

mod basics;
pub(crate) mod stage;
