//! Pure data and decisions: what an agent did, what that does, and what is to be said about it.
//!
//! This is floor 0. It must not touch tokio, files, the network, a clock or the environment:
//! time and randomness are arguments.

pub mod action;
pub mod approval;
pub mod canonical;
pub mod deletion;
pub mod digest;
pub mod effect;
pub mod entry;
pub mod hold;
pub mod id;
pub mod lease;
pub mod measure;
pub mod passkey;
pub mod person;
pub mod point;
pub mod policy;
pub mod rehearsal;
pub mod scope;
pub mod secret;
pub mod target;
pub mod verdict;
