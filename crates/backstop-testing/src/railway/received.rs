//! What came in, so that a test can say that nothing did.
//!
//! It must not keep a token or a variable's value: only names.

use std::time::{Duration, SystemTime};

use super::caller::Presented;

/// One request that was read to its end.
#[derive(Debug, Clone)]
pub struct Received {
    /// When it was read.
    pub at: SystemTime,
    /// How long after the double's start.
    pub after: Duration,
    /// `POST /graphql/v2`, as asked.
    pub line: String,
    /// `query`, `mutation`, `subscription`, or why it could not be read.
    pub operation: String,
    /// The fields at the operation's root, by name and in order; aliases are not shown.
    pub fields: Vec<String>,
    /// Whose token it carried.
    pub token: Presented,
    /// The status that was answered; none while it is worked on.
    pub status: Option<u16>,
    /// The messages of the errors that were answered.
    pub errors: Vec<String>,
}

impl Received {
    /// Whether it asks for that field at its root.
    pub fn asks_for(&self, field: &str) -> bool {
        self.fields.iter().any(|one| one == field)
    }
}
