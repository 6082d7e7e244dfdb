//! Recovery points against real servers.

mod attacks;
mod database;
mod objects;
mod support;
