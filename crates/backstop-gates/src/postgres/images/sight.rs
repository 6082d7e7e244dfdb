//! The two views: the gate's own connection, which sees what is committed, and the transaction's, which sees its own
//! changes as well.

use std::time::{Duration, Instant};

use super::capture::{Budget, Writer};
use super::error::CaptureError;
use super::facts::pin;
use crate::postgres::question::Row;
use crate::postgres::upstream::ServerConnection;

/// How long the gate waits for a lock, ms. Only the transaction itself, or a change of structure, keeps a reader out.
const LOCK: u64 = 500;

/// Time that runs out.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    ends: Instant,
    millis: u64,
}

impl Clock {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            ends: Instant::now() + Duration::from_millis(budget.millis),
            millis: budget.millis,
        }
    }

    /// What is left, ms.
    fn left(self) -> Result<u64, CaptureError> {
        let left = self.ends.saturating_duration_since(Instant::now());
        match u64::try_from(left.as_millis()) {
            Ok(0) | Err(_) => Err(CaptureError::OverBudget(format!("{} ms", self.millis))),
            Ok(left) => Ok(left),
        }
    }
}

/// The gate's own connection.
pub(super) struct Observer<'a> {
    pub(super) server: &'a mut ServerConnection,
    pub(super) clock: Clock,
}

impl Observer<'_> {
    /// Asks under pinned settings, in a transaction of its own.
    pub(super) async fn look(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        let begun = self.begin()?;
        self.ask(&format!("{begun};{sql};commit")).await
    }

    /// What begins a transaction in which every statement sees what is committed by then. Plans are made once, and
    /// look things up one by one however large the catalogue is.
    pub(super) fn begin(&self) -> Result<String, CaptureError> {
        Ok(format!(
            "begin isolation level read committed read only;{}, \
             pg_catalog.set_config('lock_timeout', '{LOCK}', true), \
             pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true), \
             pg_catalog.set_config('enable_hashjoin', 'off', true), \
             pg_catalog.set_config('enable_mergejoin', 'off', true)",
            pin(None, self.clock.left()?)
        ))
    }

    /// Asks; after an error no transaction is open.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        match self.server.ask(sql).await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                // Where the connection itself is gone this fails as well, and the first error says why.
                let _ = self.server.tell("rollback").await;
                Err(CaptureError::looking(error, self.clock.millis))
            }
        }
    }
}

/// The transaction's own connection. What it is asked leaves no trace: every question stands in a savepoint that is
/// rolled back, settings included.
pub(super) struct Own<'a, W> {
    pub(super) writer: &'a mut W,
    pub(super) clock: Clock,
    pub(super) lc_monetary: String,
}

const ENTER: &str = "savepoint \"backstop images\"";
const LEAVE: &str =
    "rollback to savepoint \"backstop images\";release savepoint \"backstop images\"";

impl<W: Writer> Own<'_, W> {
    /// Asks, and leaves everything as it was.
    pub(super) async fn look(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        let pinned = self.pinned()?;
        self.ask(&format!("{ENTER};{pinned};{sql};{LEAVE}")).await
    }

    /// Opens a cursor; [`Own::leave`] closes it.
    pub(super) async fn enter(&mut self, sql: &str) -> Result<(), CaptureError> {
        let pinned = self.pinned()?;
        self.ask(&format!("{ENTER};{pinned};{sql}")).await.map(drop)
    }

    /// Asks more; after an error everything is as it was before [`Own::enter`].
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        match self.writer.ask(sql).await {
            Ok(rows) => Ok(rows),
            Err(error) => {
                let _ = self.writer.ask(LEAVE).await;
                Err(CaptureError::looking(error, self.clock.millis))
            }
        }
    }

    /// Takes back what [`Own::enter`] did.
    pub(super) async fn leave(&mut self) -> Result<(), CaptureError> {
        self.ask(LEAVE).await.map(drop)
    }

    fn pinned(&self) -> Result<String, CaptureError> {
        Ok(pin(Some(&self.lc_monetary), self.clock.left()?))
    }
}
