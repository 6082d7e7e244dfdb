//! Why a text could not be analysed. It must never repeat the text: that may hold secrets.

/// A text that the gate cannot read the way the server would; nothing of it may be sent on its strength.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The grammar refuses it. The server would refuse it too, with nearly the same words.
    #[error(
        "{message}\nhint: the server would not understand this statement either; correct it and send it again"
    )]
    Syntax {
        /// What the grammar says.
        message: String,
    },
    /// Longer than the gate analyses.
    #[error(
        "the statement text has {length} bytes; at most {limit} are analysed\nhint: send the data with COPY or in several statements"
    )]
    TooLong {
        /// Bytes of the text.
        length: usize,
        /// The limit it went over.
        limit: usize,
    },
    /// Nested deeper than the gate analyses.
    #[error(
        "the statement is nested too deeply to be analysed\nhint: write long OR chains as `= ANY (array)` and unnest subqueries"
    )]
    TooDeep,
    /// A zero byte, which ends the text for the server but not for others.
    #[error(
        "the statement contains a zero byte\nhint: PostgreSQL cannot store zero bytes in text; remove it"
    )]
    ZeroByte,
    /// The analyser itself failed; treated like any text it cannot read.
    #[error(
        "the statement could not be analysed: {0}\nhint: simplify the statement, and report this"
    )]
    Internal(&'static str),
}
