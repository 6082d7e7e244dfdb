//! What can go wrong with a recovery point, and what to do about it.

/// Why a recovery point could not be made, restored or drilled.
#[derive(Debug, thiserror::Error)]
pub enum PointError {
    /// One of PostgreSQL's programs is missing, too old, or failed.
    #[error("`{tool}` {problem}; hint: {hint}")]
    Tool {
        /// The program's name.
        tool: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The server refused a question.
    #[error("the server refused {what}: {message} (SQLSTATE {sqlstate}); hint: {hint}")]
    Server {
        /// What was asked of it, in a few words.
        what: String,
        /// Its five letters.
        sqlstate: String,
        /// Its words.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// It cannot be copied so that it comes back exactly.
    #[error("no exact copy can be made: {0}")]
    Refused(String),
    /// A server cannot be brought back to a moment so.
    #[error("it cannot be brought back to that moment: {0}")]
    Moment(String),
    /// Others hold locks on what is to be copied.
    #[error(
        "others are writing to {0}, so its rows cannot be held still; hint: wait for them, or stop them, and try again"
    )]
    Busy(String),
    /// What an action would take is no longer what was copied.
    #[error(
        "what would be destroyed changed while it was being copied: {0}; hint: nothing was destroyed; try again"
    )]
    Changed(String),
    /// What was read back is not what was stored.
    #[error(
        "the recovery point is broken: {0}; hint: use an older one, and run `backstop vault verify`"
    )]
    Broken(String),
    /// The vault refused, or could not be reached or read.
    #[error("{0}")]
    Vault(crate::VaultError),
    /// A file, a pipe or a process failed.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        cause: std::io::Error,
    },
}

impl PointError {
    /// Says what was being done when a file, pipe or process failed.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |cause| Self::Io { what, cause }
    }

    /// A stored content that cannot be read to its end is not what was stored.
    pub(crate) fn unread(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| Self::Broken(format!("{what} cannot be read to its end: {cause}"))
    }

    /// What a program of PostgreSQL's said when it failed.
    pub(crate) fn tool(tool: &str, said: &str) -> Self {
        Self::Tool {
            tool: tool.to_owned(),
            problem: format!("failed: {}", said.trim()),
            hint: "its own words say what it lacks".to_owned(),
        }
    }
}
