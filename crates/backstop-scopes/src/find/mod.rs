//! Credentials within reach: where they lie and what kind they are.
//!
//! [`Look`] says what to look through, and its report holds what was found and what was not looked into. A secret is
//! in nothing that is printed or serialised; [`Finding::reveal_secret`] is the one way to it.

mod assign;
mod class;
mod dsn;
mod engine;
mod environment;
mod finding;
mod header;
mod history;
mod hit;
mod identity;
mod known;
mod look;
mod lookalike;
mod name;
mod names;
mod pem;
mod provider;
mod reader;
mod rules;
mod seen;
mod sockets;
mod walk;

pub use finding::{Confidence, Finding, Fingerprint, Place, Salt};
pub use identity::{Identity, IdentityError};
pub use look::{FindError, Look, Report};
pub use name::Name;
pub use seen::{Looked, Missed};
