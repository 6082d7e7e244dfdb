//! How this part asks a server: text in, rows of text out.
//!
//! The connection that acts belongs to whoever acts. It is asked through this trait, so that a copy is made
//! under the locks and the snapshot of the very transaction that then destroys.

use std::error::Error;
use std::future::Future;

/// One row: each column as text, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// A connection that answers one simple query after the other.
///
/// Its `search_path` must be empty, `standard_conforming_strings` on and its encoding UTF-8.
pub trait Question: Send {
    /// Why a question failed.
    type Error: Error + Send + Sync + 'static;

    /// Runs `sql`, which may be several statements, and gives back all their rows.
    fn ask(&mut self, sql: &str) -> impl Future<Output = Result<Vec<Row>, Self::Error>> + Send;

    /// The SQLSTATE of a refusal by the server; `None` if it was not the server that refused.
    fn sqlstate(error: &Self::Error) -> Option<String>;
}
