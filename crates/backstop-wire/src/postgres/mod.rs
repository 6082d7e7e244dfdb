//! PostgreSQL's protocol, version 3, without sockets: bytes to messages and back, and what they mean
//! for the state of a session.
//!
//! [`frame`] cuts streams into messages, [`startup`] reads what comes before the first of them,
//! [`frontend`] and [`backend`] read and write their contents, [`scram`] proves passwords without
//! showing them, [`session`] keeps client, gate and server agreed on where they are. None of it does
//! I/O, knows SQL, or decides what is allowed.

pub mod backend;
pub mod error;
pub mod frame;
pub mod frontend;
pub mod options;
pub mod scram;
pub mod session;
pub mod startup;
pub mod tag;

mod read;
mod write;

pub use error::{EncodeError, ProtocolError};
pub use frame::{Frame, Limits};
