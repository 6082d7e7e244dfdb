//! The gate in front of real servers, with real clients and a person's passkey.

mod adversary;
mod basics;
mod extended;
mod halts;
mod holds;
mod roles;
mod world;
