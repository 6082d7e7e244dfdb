//! The gate in front of real servers, with real clients and a person's passkey.

mod basics;
mod world;
