//! Why an undo was not done. Nothing of it stays.

use crate::postgres::error::GateError;
use crate::postgres::images::CaptureError;
use crate::postgres::undo::Summary;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UndoError {
    /// Rows are not as the transaction left them.
    #[error(
        "{} row(s) were changed since, and nothing is guessed; hint: look at them in the dry run, then undo with conflicting rows left alone",
        .0.conflicts_in_all()
    )]
    Conflicts(Box<Summary>),
    /// It cannot be done; one sentence why.
    #[error("{0}")]
    Refused(String),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GateError),
}

impl UndoError {
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }

    /// What a server's error while acting means.
    pub(super) fn acting(error: GateError) -> Self {
        let GateError::Server(told) = &error else {
            return Self::Failed(error);
        };
        let why = match told.code.as_str() {
            "55P03" => "others keep a table locked; hint: try again".to_owned(),
            "23503" => "a row that it needs, or that needs it, has changed since".to_owned(),
            "23505" | "23P01" => "another row has taken its place since".to_owned(),
            _ => "the server refuses it".to_owned(),
        };
        Self::Refused(format!("the undo was rolled back: {why} ({told})"))
    }
}

impl From<CaptureError> for UndoError {
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::Failed(error) => Self::Failed(error),
            other => Self::Refused(format!(
                "what the undo itself changed cannot be told: {other}"
            )),
        }
    }
}
