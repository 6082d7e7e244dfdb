//! Capturing: the story of how an open transaction's changes are read from outside it and from within.
//!
//! First the cheap road: a few places that the gate knows already, or small tables. It counts only where the server's
//! counters say that nothing else was changed; else the whole table is looked through.

use std::collections::{HashMap, HashSet};

use super::about::{About, Header, Trailer};
use super::cheap::{Work, lines};
use super::error::CaptureError;
use super::facts::{self, Facts, tag};
use super::first::{First, Table, first};
use super::format;
use super::fresh::{Makers, Pass};
use super::old::{self, Scan};
use super::read::Side;
use super::sight::{Clock, Observer, Own, Pace};
use super::tid::{Version, full};
use super::write::Out;
use super::wrote::{Budget, Captured, Counted, Writer, Wrote};
use crate::postgres::error::GateError;
use crate::postgres::pour::Sink;
use crate::postgres::upstream::ServerConnection;

/// Reads the old and new rows of everything that the transaction of `writer` changed, and writes them to `sink`.
///
/// `observer` is the gate's own connection, idle; it is idle again afterwards. The transaction must be at rest, and is
/// left as it was, settings included. `wrote` must name every relation whose counters are not zero; views, sequences,
/// partitioned tables and temporary tables in it are passed over. Nothing may be kept of what was written to the sink
/// when this fails. Where the future is dropped before it is done, both connections have to be closed.
///
/// # Errors
/// When it would cost too much, cannot be exact, or something fails.
pub(crate) async fn capture(
    observer: &mut ServerConnection,
    writer: &mut impl Writer,
    about: &About,
    wrote: &[Wrote],
    budget: &Budget,
    sink: &mut impl Sink,
) -> Result<Captured, CaptureError> {
    match all(observer, writer, about, wrote, budget, sink).await {
        Err(CaptureError::Failed(GateError::Oversized(bytes))) => Err(CaptureError::OverBudget(
            format!("{bytes} bytes for a few rows at once"),
        )),
        other => other,
    }
}

async fn all(
    observer: &mut ServerConnection,
    writer: &mut impl Writer,
    about: &About,
    wrote: &[Wrote],
    budget: &Budget,
    sink: &mut impl Sink,
) -> Result<Captured, CaptureError> {
    let clock = Clock::new(budget);
    encoding(observer)?;
    let mut observer = Observer {
        server: observer,
        clock,
    };
    let First {
        mut header,
        tables,
        looked,
    } = first(&mut observer, about, wrote).await?;
    let mut own = Own {
        writer,
        clock,
        lc_monetary: header.lc_monetary.clone(),
    };
    let mut work = Work {
        makers: Makers::default(),
        found: HashMap::new(),
    };
    let facts = match work.cheaply(&mut observer, &mut own, &tables, looked).await {
        // Few rows, but long ones: they are read a few at a time.
        Err(CaptureError::Failed(GateError::Oversized(_))) => {
            let seen = own.look(facts::QUESTION).await?;
            Facts::of(&seen)?
        }
        other => other?,
    };
    facts.counted()?;
    header.xid = facts.xid;
    if facts.xid.is_some() {
        header.relations = tables.iter().map(|t| t.shape.relation(t.wrote)).collect();
    }
    let mut out = Out::new(sink, budget);
    work.write(&mut observer, &mut own, &header, &tables, &facts, &mut out)
        .await
}

fn encoding(observer: &ServerConnection) -> Result<(), CaptureError> {
    let unencoded = observer
        .settings
        .iter()
        .any(|(name, value)| name == "server_encoding" && value == "SQL_ASCII");
    if unencoded {
        return Err(CaptureError::inexact(
            "the database has no encoding (SQL_ASCII), so its texts cannot be kept to the bit; hint: use a UTF8 database",
        ));
    }
    Ok(())
}

impl Work {
    async fn write<W: Writer, S: Sink>(
        &mut self,
        observer: &mut Observer<'_>,
        own: &mut Own<'_, W>,
        header: &Header,
        tables: &[Table<'_>],
        facts: &Facts,
        out: &mut Out<'_, S>,
    ) -> Result<Captured, CaptureError> {
        out.write(format::preamble(header)?.as_bytes()).await?;
        let mut relations = vec![];
        let near = facts.xid.unwrap_or_default();
        let tables = if facts.xid.is_some() { tables } else { &[] };
        for ((number, table), relation) in tables.iter().enumerate().zip(&header.relations) {
            let mut found = self.found.remove(&table.shape.oid).unwrap_or_default();
            if table.most_old() == 0 {
                found.old = Some(vec![]);
            }
            if table.most_new() == 0 {
                found.new = Some(vec![]);
            }
            out.write(format::section(number, relation, Side::Old).as_bytes())
                .await?;
            match &found.old {
                Some(lines) => out.write(lines).await?,
                None => {
                    found.old_rows = old_rows(observer, own, table, facts, out).await?;
                }
            }
            out.write(format::END_OF_ROWS.as_bytes()).await?;
            out.write(format::section(number, relation, Side::New).as_bytes())
                .await?;
            match &found.new {
                Some(lines) => out.write(lines).await?,
                None => {
                    let pass = Pass {
                        observer: &mut *observer,
                        own: &mut *own,
                        makers: &mut self.makers,
                        near,
                        pace: Pace::default(),
                    };
                    found.new_rows = new_rows(pass, table, out).await?;
                }
            }
            out.write(format::END_OF_ROWS.as_bytes()).await?;
            relations.push(Counted {
                oid: relation.oid,
                schema: relation.schema.clone(),
                name: relation.name.clone(),
                old: found.old_rows,
                new: found.new_rows,
                sight: relation.sight,
            });
        }
        let mut xids: Vec<u64> = self.makers.ids().filter_map(|id| full(id, near)).collect();
        xids.extend(facts.xid);
        xids.sort_unstable();
        xids.dedup();
        let trailer = Trailer {
            rows: relations
                .iter()
                .map(|r| [u64::from(r.oid), r.old, r.new])
                .collect(),
            xids,
        };
        out.write(format::closing(&trailer)?.as_bytes()).await?;
        Ok(out.end(relations))
    }
}

/// Writes old rows as a pass through the whole table finds them; how many. Nothing but a few rows is kept in memory.
async fn old_rows<W: Writer, S: Sink>(
    observer: &mut Observer<'_>,
    own: &mut Own<'_, W>,
    table: &Table<'_>,
    facts: &Facts,
    out: &mut Out<'_, S>,
) -> Result<u64, CaptureError> {
    let scan = Scan::open(observer, &table.shape, facts).await?;
    let passed = pass(observer, own, &scan, table, facts, out).await;
    if passed.is_err() {
        // What failed counts, whether this does or not.
        let _ = observer.server.tell("rollback").await;
    }
    passed
}

async fn pass<W: Writer, S: Sink>(
    observer: &mut Observer<'_>,
    own: &mut Own<'_, W>,
    scan: &Scan<'_>,
    table: &Table<'_>,
    facts: &Facts,
    out: &mut Out<'_, S>,
) -> Result<u64, CaptureError> {
    let (mut count, mut pace) = (0, Pace::default());
    while let Some(some) = scan.next(observer, own).await? {
        count += second_looks(observer, table, &some, facts, &mut pace, out).await?;
    }
    Ok(count)
}

/// Writes those rows of a pass that a second look still shows; how many.
async fn second_looks<S: Sink>(
    observer: &mut Observer<'_>,
    table: &Table<'_>,
    mut rest: &[Version],
    facts: &Facts,
    pace: &mut Pace,
    out: &mut Out<'_, S>,
) -> Result<u64, CaptureError> {
    let mut count = 0;
    while !rest.is_empty() {
        let (some, later) = rest.split_at(rest.len().min(pace.rows()));
        let look = old::second_look(&table.shape, some.iter().map(|v| v.tid));
        let rows = match observer.ask_further(&look).await {
            Err(CaptureError::Failed(GateError::Oversized(_))) if pace.slower() => continue,
            other => other?,
        };
        pace.learn(&rows);
        rest = later;
        let set: HashSet<Version> = some.iter().copied().collect();
        let rows = old::changed(rows.iter().filter(|r| tag(r) == "o"), &set, facts)?;
        count += rows.len() as u64;
        out.write(&lines(&rows)).await?;
    }
    Ok(count)
}

/// Writes new rows as a pass through the whole table shows them; how many.
async fn new_rows<W: Writer, S: Sink>(
    mut pass: Pass<'_, '_, '_, W>,
    table: &Table<'_>,
    out: &mut Out<'_, S>,
) -> Result<u64, CaptureError> {
    let mut count = 0;
    let mut seen = HashSet::new();
    pass.open(&table.shape).await?;
    while let Some(rows) = pass.next().await? {
        seen.clear();
        let rows = pass.makers.own(&rows, &mut seen);
        count += rows.len() as u64;
        if let Err(error) = out.write(&lines(&rows)).await {
            pass.own.leave().await?;
            return Err(error);
        }
    }
    Ok(count)
}
