//! The binary as people and scripts use it: every test runs it against real servers, and puts them away.

// JUSTIFICATION: a helper of a test fails the test, as the test itself would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod adopt;
mod adopt_as;
mod adopt_killed;
mod adopt_renew;
mod api_setup;
mod apis;
mod commands;
mod config;
mod cosigned;
mod demo;
mod journal;
mod judge;
mod judge_http;
mod life;
mod middle;
mod models;
mod moment;
mod points;
mod rehearse;
mod report;
mod restart;
mod scopes;
mod scopes_compare;
mod scopes_environment;
mod scopes_lease;
mod scopes_restored;
mod setup;
mod support;
mod targets;
mod undo;
mod vault;
mod vault_bucket;
mod vault_deletion;
mod vault_points;

#[allow(dead_code)] // the demo uses more of it
#[path = "../../src/demo/person.rs"]
mod person;
