//! Why a pack cannot be used.

/// A pack that says something which cannot be meant, or could be meant in two ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}\nhint: {hint}")]
pub struct PackError {
    /// Where: `operation DELETE /v1/projects/{project}`.
    pub at: String,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl PackError {
    /// An error at `at`.
    pub(super) fn new(
        at: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
            hint: hint.into(),
        }
    }
}
