//! The vault: what was destroyed is still there, out of reach of whoever destroyed it.
//!
//! Its own process, user and directory. The gate can create objects and ask whether they are there; it
//! can read, change and delete nothing. This is floor 2: it must not know the store or gates, and nothing
//! in it may report an object as stored before the disk has it.

pub mod client;
pub mod cosign;
pub mod deletion;
mod error;
pub mod init;
mod label;
mod list;
pub mod points;
pub mod protocol;
pub mod reader;
pub mod s3;
mod seal;
pub mod server;
pub mod store;
pub mod verify;

pub use error::{Fault, Refusal, Result, VaultError};
pub use label::{Class, Label, Stored};
pub use list::{Deleting, Listed, list};
pub use seal::Recipients;
