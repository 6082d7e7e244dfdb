//! Stores of data and their backups, as the account's own listings say.

use time::OffsetDateTime;

/// What deleting something takes.
#[derive(Clone, Debug)]
pub(crate) enum Deletion {
    /// Any of these actions, each on this resource.
    Any(Vec<(&'static str, String)>),
    /// Nothing does: a lock holds it.
    Locked,
    /// It takes all of these groups.
    Every(Vec<Vec<(&'static str, String)>>),
}

impl Deletion {
    /// Every action and resource in it.
    pub(crate) fn pairs(&self) -> Vec<&(&'static str, String)> {
        match self {
            Self::Any(all) => all.iter().collect(),
            Self::Locked => vec![],
            Self::Every(groups) => groups.iter().flatten().collect(),
        }
    }
}

/// Something that holds data.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) sort: &'static str,
    pub(crate) name: String,
    pub(crate) region: String,
    /// Its ARN, by which backups name it.
    pub(crate) arn: String,
    pub(crate) deletion: Deletion,
    pub(crate) protection: Option<String>,
}

/// Backups of one thing, or one of them.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    /// The name or ARN of what it is of.
    pub(crate) of: String,
    pub(crate) what: &'static str,
    pub(crate) newest: Option<OffsetDateTime>,
    pub(crate) deletion: Deletion,
    pub(crate) locked: Option<String>,
    /// Whether it is one of many, so that they are counted.
    pub(crate) counted: bool,
}
