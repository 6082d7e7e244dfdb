//! Recovery points against real servers.

mod database;
mod objects;
mod support;
