//! How sure a find is.

use serde::{Deserialize, Serialize};

/// How sure it is that something found is a live credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "level")]
pub enum Confidence {
    /// Its format or its place leaves no doubt what it is.
    Sure,
    /// It looks like one by its name and shape.
    Likely,
    /// It is shaped like one, and something speaks against it.
    Doubtful {
        /// What speaks against it, in a few words.
        why: String,
    },
}

impl Confidence {
    /// Whether something speaks against it.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        matches!(self, Self::Doubtful { .. })
    }
}
