//! Why there are no images.

use crate::postgres::error::GateError;

/// Why a transaction's changes could not be read exactly, or not within the budget.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// It would take more bytes or time than it may.
    #[error("the images of its rows take more than the budget of {0}")]
    OverBudget(String),
    /// They cannot be told exactly; one sentence why.
    #[error("{0}")]
    Inexact(String),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] GateError),
}

impl CaptureError {
    pub(crate) fn inexact(why: impl Into<String>) -> Self {
        Self::Inexact(why.into())
    }

    /// What a server's error means while looking at rows.
    pub(super) fn looking(error: GateError, millis: u64) -> Self {
        let GateError::Server(told) = &error else {
            return Self::Failed(error);
        };
        match told.code.as_str() {
            // query_canceled: statement_timeout, set to what is left of the budget.
            "57014" => Self::OverBudget(format!("{millis} ms")),
            // lock_not_available: only the transaction itself, or a change of structure, can stand in a reader's way.
            "55P03" => Self::inexact(
                "a table that it changed is locked against readers, as after TRUNCATE or ALTER TABLE, so its old rows cannot be read from outside",
            ),
            "42501" => Self::inexact(format!(
                "rows that it changed cannot be read: {}; hint: the gate's role must own the tables, or hold SELECT and BYPASSRLS",
                told.message
            )),
            _ => Self::Failed(error),
        }
    }
}
