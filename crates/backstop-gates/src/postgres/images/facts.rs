//! What the transaction says of itself, and the settings under which values are read.

use std::collections::BTreeSet;

use super::error::CaptureError;
use super::tid::full;
use crate::postgres::question::{Row, literal};

/// The settings that decide how values are written, and that must be the same wherever images are read or used: each
/// value comes back to the bit. Local to the transaction, or to the savepoint that is open.
pub(crate) fn pin(lc_monetary: Option<&str>, millis: u64) -> String {
    let set = |name: &str, value: &str| {
        format!(
            ", pg_catalog.set_config('{name}', {}, true)",
            literal(value)
        )
    };
    let mut out = String::from("select 'p'");
    for (name, value) in [
        ("search_path", ""),
        ("standard_conforming_strings", "on"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("bytea_output", "hex"),
        ("extra_float_digits", "1"),
        ("quote_all_identifiers", "off"),
        ("xmloption", "content"),
        ("array_nulls", "on"),
        // Compiling a question costs more than answering it.
        ("jit", "off"),
        // Fails where rows would be hidden, and hides none.
        ("row_security", "off"),
    ] {
        out.push_str(&set(name, value));
    }
    out.push_str(&set("statement_timeout", &millis.max(1).to_string()));
    if let Some(locale) = lc_monetary {
        out.push_str(&set("lc_monetary", locale));
    }
    out
}

/// The question to the writer.
pub(super) const QUESTION: &str = "select 'f', pg_catalog.pg_current_xact_id_if_assigned(), \
     pg_catalog.current_setting('transaction_isolation'), \
     pg_catalog.pg_current_snapshot(), pg_catalog.current_setting('track_counts'), \
     pg_catalog.pg_backend_pid()";

/// What the transaction is.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Its id; none when it has written nothing.
    pub(super) xid: Option<u64>,
    /// Its backend's process.
    pub(super) pid: String,
    counted: bool,
    /// Its one snapshot, where it keeps one for all its statements.
    snapshot: Option<Snapshot>,
}

#[derive(Debug, Clone)]
struct Snapshot {
    oldest: u64,
    next: u64,
    open: BTreeSet<u64>,
}

impl Facts {
    /// Reads the answer.
    pub(super) fn of(rows: &[Row]) -> Result<Self, CaptureError> {
        let row = rows
            .iter()
            .find(|r| tag(r) == "f")
            .ok_or_else(|| CaptureError::inexact("the transaction does not tell its own id"))?;
        let text = |n: usize| row.get(n).cloned().flatten();
        let xid =
            match text(1) {
                Some(xid) => Some(xid.parse().map_err(|_| {
                    CaptureError::inexact("the transaction's own id cannot be read")
                })?),
                None => None,
            };
        let snapshot = match text(2).as_deref() {
            Some("read committed" | "read uncommitted") => None,
            _ => Some(
                Snapshot::parse(&text(3).unwrap_or_default()).ok_or_else(|| {
                    CaptureError::inexact("the transaction's snapshot cannot be read")
                })?,
            ),
        };
        Ok(Self {
            xid,
            snapshot,
            counted: text(4).as_deref() == Some("on"),
            pid: text(5).unwrap_or_default(),
        })
    }

    /// The counters mean something only while the server counts.
    pub(super) fn counted(&self) -> Result<(), CaptureError> {
        if self.counted {
            return Ok(());
        }
        Err(CaptureError::inexact(
            "the server does not count changed rows (`track_counts` is off), so nobody can tell which tables it changed; hint: turn it on",
        ))
    }

    /// Whether a row version made by `xmin`, committed by now, is one that the transaction could have changed; an
    /// error where that cannot be told. Without a snapshot of its own it sees whatever is committed.
    pub(super) fn could_change(&self, xmin: u32) -> Result<bool, CaptureError> {
        let (Some(snapshot), Some(own)) = (&self.snapshot, self.xid) else {
            return Ok(true);
        };
        let Some(xmin) = full(xmin, own) else {
            return Ok(true);
        };
        if xmin < snapshot.oldest {
            return Ok(true);
        }
        if xmin >= snapshot.next || snapshot.open.contains(&xmin) {
            return Ok(false);
        }
        // A snapshot lists only top-level ids: this may be a committed transaction, or a part of an open one.
        Err(CaptureError::inexact(
            "others wrote while its snapshot was taken, and which of their rows it sees cannot be told; hint: try again, or use READ COMMITTED",
        ))
    }
}

impl Snapshot {
    /// Reads `oldest:next:open,open,…`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let oldest = parts.next()?.parse().ok()?;
        let next = parts.next()?.parse().ok()?;
        let open = parts
            .next()?
            .split(',')
            .filter(|one| !one.is_empty())
            .map(|one| one.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self { oldest, next, open })
    }
}

/// What kind of answer a row is: its first column.
pub(super) fn tag(row: &Row) -> &str {
    row.first().and_then(Option::as_deref).unwrap_or_default()
}
