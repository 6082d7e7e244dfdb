//! Recovery points: what brings back what an action destroys, made and restored with PostgreSQL's own tools.
//!
//! - [`objects`]: a copy of the objects that one action takes, before it takes them.
//! - [`database`]: a recovery point of a whole database, and its restore into another server.
//! - [`drill`]: a restore into a throwaway server that proves a point.
//!
//! What is made here goes to an `AsyncWrite` and comes back from an `AsyncRead`: the vault's client, a file
//! or a pipe. Nothing here keeps a table in memory, and nothing here decides whether an action may run.

mod csv;
pub mod database;
mod digest;
pub mod drill;
mod error;
pub mod objects;
mod progress;
mod question;
mod session;
mod source;
mod sql;
mod tools;

pub use digest::Digesting;
pub use error::PointError;
pub use progress::Progress;
pub use question::{Question, Row};
pub use session::Session;
pub use source::{Source, Tls};
pub use tools::Tools;
