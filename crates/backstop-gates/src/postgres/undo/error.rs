//! Why an undo was not done. Nothing of it stays.

use crate::postgres::error::{GateError, ServerError};
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

    /// That every way was refused; the first refusal says most.
    pub(super) fn no_way(refused: Vec<ServerError>) -> Self {
        let mut refused = refused.into_iter();
        let Some(first) = refused.next() else {
            return Self::refused("the undo was rolled back: there was no way to do it");
        };
        let codes: Vec<String> = refused.map(|told| told.to_string()).collect();
        match Self::acting(GateError::Server(first)) {
            Self::Refused(why) => Self::Refused(format!(
                "{why}; other ways failed as well: {}",
                codes.join("; ")
            )),
            other => other,
        }
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
