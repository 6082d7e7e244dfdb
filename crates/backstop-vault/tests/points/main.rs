//! Recovery points against real servers.

mod objects;
mod support;
