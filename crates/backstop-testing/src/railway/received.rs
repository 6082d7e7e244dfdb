//! What came in, so that a test can say that nothing did.
//!
//! It must not keep a token or a variable's value: only names, and the ids that a field was asked with.

use std::time::{Duration, SystemTime};

use apollo_compiler::response::JsonMap;

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
    /// The root fields that were carried out, in order. What was skipped is not, nor what comes after one that failed.
    pub ran: Vec<Ran>,
    /// Whose token it carried.
    pub token: Presented,
    /// The status that was answered; none while it is worked on.
    pub status: Option<u16>,
    /// The messages of the errors that were answered.
    pub errors: Vec<String>,
}

/// A root field that was carried out, or failed trying.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ran {
    /// Its name in the schema.
    pub field: String,
    /// Those of its arguments that are ids, by name.
    pub ids: Vec<(String, String)>,
}

impl Ran {
    /// A field with its arguments, as they were after variables and defaults.
    pub(super) fn of(field: &str, arguments: &JsonMap) -> Self {
        let ids = arguments.iter().filter_map(|(name, value)| {
            let name = name.as_str();
            let is_id = name == "id" || name.ends_with("Id");
            Some((name.to_owned(), value.as_str()?.to_owned())).filter(|_| is_id)
        });
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        Self {
            field: field.to_owned(),
            ids,
        }
    }
}

impl Received {
    /// Whether it asks for that field at its root.
    pub fn asks_for(&self, field: &str) -> bool {
        self.fields.iter().any(|one| one == field)
    }
}
