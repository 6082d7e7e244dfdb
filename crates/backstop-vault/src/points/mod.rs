//! Recovery points: what brings back what an action destroys, made and restored with PostgreSQL's own tools.
//!
//! - [`objects`]: a copy of the objects that one action takes, before it takes them.
//! - [`database`]: a recovery point of a whole database, and its restore into another server.
//! - [`drill`]: a restore into a throwaway server that proves a point.
//! - [`rehearse`]: a held action, first run on the copy that a drill leaves.
//! - [`keep`]: points in the vault.
//! - [`moment`]: whether there is more than points to go back to.
//! - [`health`] and [`schedule`]: what is unusual about a point, which to pin, when the next is due.
//!
//! What is made here goes to an `AsyncWrite` and comes back from an `AsyncRead`: the vault's client, a file
//! or a pipe. Nothing here keeps a table in memory, and nothing here decides whether an action may run.

mod csv;
pub mod database;
mod digest;
pub mod drill;
mod error;
pub mod health;
pub mod keep;
pub mod moment;
pub mod objects;
mod opened;
mod progress;
mod question;
pub mod rehearse;
pub mod schedule;
mod session;
mod source;
mod sql;
mod tools;
mod unprivileged;
mod workplace;

pub use digest::Digesting;
pub use error::PointError;
pub use opened::Opened;
pub use progress::Progress;
pub use question::{Question, Row};
pub use session::Session;
pub use source::{Source, Tls};
pub use tools::Tools;
