//! Old versions: what the transaction deleted or replaced.
//!
//! A row version that is visible to others before and after the transaction was asked, and that the transaction
//! itself does not see, is one that it changed. Nothing else is: a lock leaves the row visible to it, what others
//! deleted meanwhile is gone at the second look, and a place that was used anew has another `xmin`.
//!
//! `xmax` alone would not do. It names whoever only locked the row, or a multixact of several, or a subtransaction
//! whose id nobody outside knows.

use std::collections::HashSet;

use super::error::CaptureError;
use super::facts::{Facts, tag};
use super::shape::{Shape, WriterSees};
use super::sight::{Observer, Own};
use super::tid::{Tid, Version, full, list};
use super::wrote::Writer;
use crate::postgres::question::{Row, literal};

/// How many places are asked for at once.
const PLACES: usize = 5_000;

/// The first look: rows that meet a condition, or that somebody has touched, with the key's columns.
pub(super) fn first_look(shape: &Shape, condition: Option<&str>, most: u64) -> String {
    let key: String = shape
        .key
        .iter()
        .map(|k| format!(", t.{}", crate::postgres::question::ident(&k.name)))
        .collect();
    let which = match condition {
        Some(condition) => format!("({condition}) limit {most}"),
        None => "t.xmax operator(pg_catalog.<>) '0'::pg_catalog.xid".to_owned(),
    };
    format!(
        "select 'a', '{}', t.ctid, t.xmin{key} from only {} t where {which}",
        shape.oid,
        shape.qualified()
    )
}

/// Which of these places the transaction sees.
pub(super) fn own_look(shape: &Shape, places: impl IntoIterator<Item = Tid>) -> String {
    format!(
        "select 'v', '{}', t.ctid from {} t where t.ctid operator(pg_catalog.=) any ({}){}",
        shape.oid,
        shape.own_relation(),
        list(places),
        shape.own_filter(),
    )
}

/// The second look: whole rows.
pub(super) fn second_look(shape: &Shape, places: impl IntoIterator<Item = Tid>) -> String {
    format!(
        "select 'o', '{}', t.ctid, t.xmin, t.xmax{} from only {} t where t.ctid operator(pg_catalog.=) any ({})",
        shape.oid,
        shape.select(),
        shape.qualified(),
        list(places)
    )
}

/// The version that a row of a look is about.
pub(super) fn version(row: &Row) -> Option<Version> {
    Some(Version {
        tid: Tid::parse(row.get(2)?.as_deref()?)?,
        xmin: row.get(3)?.as_deref()?.parse().ok()?,
    })
}

/// The rows of a second look that the transaction changed: their values.
pub(super) fn changed<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    candidates: &HashSet<Version>,
    facts: &Facts,
) -> Result<Vec<&'a [Option<String>]>, CaptureError> {
    let mut out = vec![];
    for row in rows {
        let Some(version) = version(row) else {
            return Err(CaptureError::inexact("a row's place cannot be read"));
        };
        // Whoever changes a row leaves an xmax.
        let touched = row.get(4).and_then(Option::as_deref) != Some("0");
        if candidates.contains(&version) && touched && facts.could_change(version.xmin)? {
            out.push(row.get(5..).unwrap_or_default());
        }
    }
    Ok(out)
}

/// A pass through the whole table for what the transaction may have changed. While it is open, so is a transaction of
/// the observer's in which each statement sees what is committed by then.
pub(super) struct Scan<'s> {
    shape: &'s Shape,
    /// The transaction's id.
    own: u64,
    /// The ids that other open transactions are known to have, where the writer's own view does not help.
    others: HashSet<String>,
}

impl<'s> Scan<'s> {
    /// Opens it.
    pub(super) async fn open(
        observer: &mut Observer<'_>,
        shape: &'s Shape,
        facts: &Facts,
    ) -> Result<Self, CaptureError> {
        let own = facts.xid.unwrap_or_default();
        let begun = observer.begin()?;
        observer
            .ask(&format!(
                "{begun};declare \"backstop images\" no scroll cursor for {}",
                candidate_query(shape, own)
            ))
            .await?;
        let others = if shape.writer == WriterSees::Nothing {
            others(observer, &facts.pid).await?
        } else {
            HashSet::new()
        };
        Ok(Self { shape, own, others })
    }

    /// The next versions that others see and the transaction does not; none at the end, where nothing is open any more.
    pub(super) async fn next<W: Writer>(
        &self,
        observer: &mut Observer<'_>,
        own: &mut Own<'_, W>,
    ) -> Result<Option<Vec<Version>>, CaptureError> {
        let rows = observer
            .ask(&format!("fetch {PLACES} from \"backstop images\""))
            .await?;
        if rows.is_empty() {
            observer.ask("commit").await?;
            return Ok(None);
        }
        let some = self.candidates(observer, &rows).await?;
        if self.shape.writer == WriterSees::Nothing || some.is_empty() {
            return Ok(Some(some));
        }
        let rows = own
            .look(&own_look(self.shape, some.iter().map(|v| v.tid)))
            .await?;
        let seen: HashSet<Tid> = rows
            .iter()
            .filter(|r| tag(r) == "v")
            .filter_map(|r| Tid::parse(r.get(2)?.as_deref()?))
            .collect();
        let unseen = some.into_iter().filter(|v| !seen.contains(&v.tid));
        Ok(Some(unseen.collect()))
    }

    /// Those that the transaction may have changed as far as their ids tell.
    async fn candidates(
        &self,
        observer: &mut Observer<'_>,
        rows: &[Row],
    ) -> Result<Vec<Version>, CaptureError> {
        let unseen = self.shape.writer == WriterSees::Nothing;
        let open = if unseen {
            open(observer, rows, self.own).await?
        } else {
            HashSet::new()
        };
        let mut out = vec![];
        for row in rows {
            let version = version(row)
                .ok_or_else(|| CaptureError::inexact("a row's place cannot be read"))?;
            let by = |n: usize| row.get(n).and_then(Option::as_deref);
            let may = |xid: Option<&str>| {
                xid.is_some_and(|x| open.contains(x) && !self.others.contains(x))
            };
            if !unseen || may(by(4)) || may(by(5)) {
                out.push(version);
            }
        }
        Ok(out)
    }
}

/// Rows whose `xmax` is an id not older than the transaction, or any multixact: at least all that it changed.
///
/// The fifth column is that id, the sixth the one that updates in the multixact, if it is one.
fn candidate_query(shape: &Shape, own: u64) -> String {
    let own = own & u64::from(u32::MAX);
    let oldest = shape.oldest_multixact;
    let multixact = format!("pg_catalog.mxid_age(t.xmax) between 1 and {oldest}");
    // Outside this range the server has no such multixact, and asking is an error.
    let updater = format!(
        "case when {multixact} then (select m.xid from pg_catalog.pg_get_multixact_members(t.xmax) m \
         where m.mode operator(pg_catalog.=) any (array['upd','nokeyupd']::pg_catalog.text[]) limit 1) end"
    );
    format!(
        "select 'a', '{}', t.ctid, t.xmin, t.xmax, {} from only {} t \
         where t.xmax operator(pg_catalog.<>) '0'::pg_catalog.xid \
         and (pg_catalog.age(t.xmax) operator(pg_catalog.<=) pg_catalog.age('{own}'::pg_catalog.xid) or {multixact})",
        shape.oid,
        if shape.writer == WriterSees::Nothing {
            updater.as_str()
        } else {
            "null"
        },
        shape.qualified()
    )
}

/// The ids that other open transactions are known to have.
async fn others(observer: &mut Observer<'_>, pid: &str) -> Result<HashSet<String>, CaptureError> {
    let rows = observer
        .ask(&format!(
            "select l.transactionid from pg_catalog.pg_lock_status() l \
             where l.locktype operator(pg_catalog.=) 'transactionid' and l.granted \
             and l.mode operator(pg_catalog.=) 'ExclusiveLock' \
             and l.pid operator(pg_catalog.<>) {}::pg_catalog.int4",
            literal(pid)
        ))
        .await?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Which of the ids in these rows are of open transactions.
async fn open(
    observer: &mut Observer<'_>,
    rows: &[Row],
    own: u64,
) -> Result<HashSet<String>, CaptureError> {
    let ids: HashSet<u32> = rows
        .iter()
        .flat_map(|row| row.iter().skip(4))
        .flatten()
        .filter_map(|id| id.parse().ok())
        .collect();
    let rows = observer.ask(&status(ids, own)).await?;
    Ok(rows
        .into_iter()
        .filter(|row| {
            tag(row) == "x" && row.get(2).and_then(Option::as_deref) == Some("in progress")
        })
        .filter_map(|row| row.into_iter().nth(1).flatten())
        .collect())
}

/// Asks how these transactions stand. An id of the future would be an error: `age` tells.
pub(super) fn status(ids: impl IntoIterator<Item = u32>, near: u64) -> String {
    let (mut raw, mut whole) = (String::new(), String::new());
    for id in ids {
        let Some(full) = full(id, near) else { continue };
        if !raw.is_empty() {
            raw.push(',');
            whole.push(',');
        }
        raw.push_str(&id.to_string());
        whole.push_str(&full.to_string());
    }
    format!(
        "select 'x', i.raw, case when pg_catalog.age(i.raw) operator(pg_catalog.>) 0 \
         then pg_catalog.pg_xact_status(i.whole) end \
         from rows from (pg_catalog.unnest('{{{raw}}}'::pg_catalog.xid[]), pg_catalog.unnest('{{{whole}}}'::pg_catalog.xid8[])) i(raw, whole)"
    )
}
