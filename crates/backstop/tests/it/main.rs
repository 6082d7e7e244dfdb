//! The binary as people and scripts use it: every test runs it against real servers, and puts them away.

mod commands;
mod config;
mod journal;
mod judge;
mod life;
mod restart;
mod setup;
mod support;

#[path = "../../src/demo/person.rs"]
mod person;
