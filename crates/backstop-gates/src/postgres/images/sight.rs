//! The two views: the gate's own connection, which sees what is committed, and the transaction's, which sees its own
//! changes as well.

use std::time::{Duration, Instant};

use backstop_wire::postgres::frontend::FrontendMessage;
use bytes::BytesMut;

use super::error::CaptureError;
use super::facts::pin;
use super::hint::Look;
use super::wrote::{Budget, Writer};
use crate::postgres::error::GateError;
use crate::postgres::question::{Row, write_query};
use crate::postgres::upstream::ServerConnection;

/// How long the gate waits for a lock, ms. Only the transaction itself, or a change of structure, keeps a reader out.
const LOCK: u64 = 500;
/// How much of an answer is kept in memory at once, bytes.
const AT_ONCE: u64 = 16 << 20;

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

    /// Asks and looks, in one such transaction and one round trip.
    pub(super) async fn look_at(
        &mut self,
        sql: Option<&str>,
        looks: &[Look<'_>],
    ) -> Result<Vec<Row>, CaptureError> {
        let looks_sql = looks.iter().map(|look| look.sql.as_str());
        if looks.iter().all(Look::is_simple) {
            let all: Vec<&str> = sql.into_iter().chain(looks_sql).collect();
            return self.look(&all.join(";")).await;
        }
        let begun = self.begin()?;
        let first: Vec<&str> = [begun.as_str()].into_iter().chain(sql).collect();
        let mut out = BytesMut::new();
        write_query(&first.join(";"), &mut out)?;
        for look in looks {
            look.write(&mut out)?;
        }
        FrontendMessage::Sync
            .write(&mut out)
            .map_err(|e| GateError::Protocol(e.to_string()))?;
        // Ends a transaction that has failed as well.
        write_query("commit", &mut out)?;
        self.server.send(&out).await?;
        let asked = self.server.answers(3, AT_ONCE).await;
        asked.map_err(|error| CaptureError::looking(error, self.clock.millis))
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

    /// Asks in a transaction that is open and stays so even where the answer is too long; after any other error none is.
    pub(super) async fn ask_further(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        match self.server.ask_within(sql, AT_ONCE).await {
            Err(GateError::Oversized(most)) => Err(GateError::Oversized(most).into()),
            Ok(rows) => Ok(rows),
            Err(error) => {
                let _ = self.server.tell("rollback").await;
                Err(CaptureError::looking(error, self.clock.millis))
            }
        }
    }

    /// Asks; after an error no transaction is open.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        match self.server.ask_within(sql, AT_ONCE).await {
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
        let sql = format!("{ENTER};{pinned};{sql};{LEAVE}");
        match self.writer.ask_within(&sql, AT_ONCE).await {
            // It was all done, and left: only the answer is too long.
            Err(GateError::Oversized(most)) => Err(GateError::Oversized(most).into()),
            answer => self.recover(answer).await,
        }
    }

    /// Opens a cursor; [`Own::leave`] closes it.
    pub(super) async fn enter(&mut self, sql: &str) -> Result<(), CaptureError> {
        let pinned = self.pinned()?;
        self.ask(&format!("{ENTER};{pinned};{sql}")).await.map(drop)
    }

    /// Asks more; after an error everything is as it was before [`Own::enter`].
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, CaptureError> {
        let answer = self.writer.ask_within(sql, AT_ONCE).await;
        self.recover(answer).await
    }

    async fn recover(
        &mut self,
        answer: Result<Vec<Row>, GateError>,
    ) -> Result<Vec<Row>, CaptureError> {
        match answer {
            Ok(rows) => Ok(rows),
            Err(error) => {
                let _ = self.writer.ask(LEAVE).await;
                Err(moved(CaptureError::looking(error, self.clock.millis)))
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

/// What others know and the transaction does not find: undefined_table, undefined_column, invalid_schema_name.
fn moved(error: CaptureError) -> CaptureError {
    match error {
        CaptureError::Failed(GateError::Server(told))
            if matches!(told.code.as_str(), "42P01" | "42703" | "3F000") =>
        {
            CaptureError::inexact(format!(
                "something that it changed was dropped or renamed in the same transaction, so its rows cannot be told apart: {}",
                told.message
            ))
        }
        other => other,
    }
}

/// How many bytes these rows hold.
pub(super) fn size(rows: &[Row]) -> u64 {
    rows.iter()
        .flatten()
        .flatten()
        .map(|text| text.len() as u64)
        .sum()
}

/// How many rows are asked for at once: few where they are long.
pub(super) struct Pace(usize);

impl Default for Pace {
    fn default() -> Self {
        Self(16)
    }
}

impl Pace {
    pub(super) fn rows(&self) -> usize {
        self.0
    }

    /// Asks for more or for fewer after these.
    pub(super) fn learn(&mut self, rows: &[Row]) {
        let size = size(rows);
        if size < AT_ONCE / 16 {
            self.0 = (self.0 * 2).min(1_024);
        } else if size > AT_ONCE / 4 {
            self.slower();
        }
    }

    /// Asks for fewer; false where it was one already.
    pub(super) fn slower(&mut self) -> bool {
        let was = self.0;
        self.0 = (was / 2).max(1);
        was > 1
    }
}
