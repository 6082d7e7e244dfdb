//! What tests and the demo need around Backstop: throwaway PostgreSQL servers, a
//! rental company's data, a software passkey authenticator, a browser, doubles.
//!
//! It must not be used by anything that guards a real target: its passwords are
//! known, its authenticator says yes to everybody.

pub mod authenticator;
#[cfg(feature = "browser")]
pub mod browser;
pub mod clients;
pub mod clock;
pub mod doubles;
pub mod pgbouncer;
pub mod postgres;
pub mod railway;
pub mod rental;
pub mod solver;
pub mod tls;

mod account;
mod cache;
pub mod port;
mod supervised;
