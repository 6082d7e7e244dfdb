//! Capturing: the story of how an open transaction's changes are read from outside it and from within.
//!
//! First the cheap road: a few places that the gate knows already, or small tables. It counts only where the server's
//! counters say that nothing else was changed; else the whole table is looked through.

use std::collections::{HashMap, HashSet};

use backstop_core::digest::Digest;

use super::about::{About, Header, Sight, Trailer, VERSION};
use super::error::CaptureError;
use super::facts::{self, Facts, tag};
use super::fresh::{self, Makers, Pass};
use super::old;
use super::read::Side;
use super::shape::{self, Shape, WriterSees};
use super::sight::{self, Clock, Observer, Own, Pace};
use super::tid::{Tid, Version, full};
use super::touched::Touched;
use super::write::Out;
use super::{format, text};
use crate::postgres::error::GateError;
use crate::postgres::pour::Sink;
use crate::postgres::question::{Row, literal};
use crate::postgres::upstream::ServerConnection;

/// Tables up to this many blocks are looked through at once.
const SMALL: u64 = 32;
/// How many rows the cheap road takes.
const FEW: u64 = 2_000;

/// What the transaction did to one relation, by the server's counters.
#[derive(Debug, Clone)]
pub(crate) struct Wrote {
    /// Its OID.
    pub(crate) relation: u32,
    /// Rows inserted, with those of rolled-back subtransactions.
    pub(crate) inserted: u64,
    /// Rows updated, likewise: each time that a row was.
    pub(crate) updated: u64,
    /// Rows deleted, likewise.
    pub(crate) deleted: u64,
    /// Places (`ctid`) of rows that it may have changed, as the gate collected them; maybe too few, maybe too many.
    pub(crate) old: Option<Vec<String>>,
}

impl From<&Touched> for Wrote {
    fn from(touched: &Touched) -> Self {
        Self {
            relation: touched.relation,
            inserted: touched.inserted,
            updated: touched.updated,
            deleted: touched.deleted,
            old: None,
        }
    }
}

/// What images may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Bytes written to the sink.
    pub(crate) bytes: u64,
    /// Milliseconds in all.
    pub(crate) millis: u64,
}

/// The agent's own open transaction.
pub(crate) trait Writer {
    /// Runs one simple query of the gate's in it, and gives back all rows of all its statements.
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError>;

    /// The same; an answer of more than `most` bytes is [`GateError::Oversized`]. Whoever can should drop what is too
    /// much while it comes, so that an agent's rows do not fill the gate's memory.
    async fn ask_within(&mut self, sql: &str, most: u64) -> Result<Vec<Row>, GateError> {
        let rows = self.ask(sql).await?;
        if sight::size(&rows) > most {
            return Err(GateError::Oversized(most));
        }
        Ok(rows)
    }
}

impl Writer for ServerConnection {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, GateError> {
        Self::ask(self, sql).await
    }

    async fn ask_within(&mut self, sql: &str, most: u64) -> Result<Vec<Row>, GateError> {
        Self::ask_within(self, sql, most).await
    }
}

/// What was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Each relation whose rows were changed.
    pub(crate) relations: Vec<Counted>,
    /// Bytes written.
    pub(crate) bytes: u64,
    /// SHA-256 of them.
    pub(crate) digest: Digest,
}

/// One relation's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Its OID.
    pub(crate) oid: u32,
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// Old rows.
    pub(crate) old: u64,
    /// New rows.
    pub(crate) new: u64,
    /// What could be seen of it.
    pub(crate) sight: Sight,
}

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
        work.thoroughly(&mut observer, &mut own, &tables, &facts)
            .await?;
        header.relations = tables.iter().map(|t| t.shape.relation(t.wrote)).collect();
    }
    let mut out = Out::new(sink, budget);
    work.write(&mut observer, &mut own, &header, &tables, &facts, &mut out)
        .await
}

/// A relation with what is known of it.
struct Table<'a> {
    wrote: &'a Wrote,
    shape: Shape,
}

/// How a relation's images were found, or will be.
#[derive(Default)]
struct Found {
    /// Lines of old rows.
    old: Option<Vec<u8>>,
    old_rows: u64,
    /// Versions to be read while writing.
    candidates: Vec<Version>,
    /// Lines of new rows.
    new: Option<Vec<u8>>,
    new_rows: u64,
}

struct Work {
    makers: Makers,
    found: HashMap<u32, Found>,
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

/// What the first question to the observer gave.
struct First<'a> {
    header: Header,
    tables: Vec<Table<'a>>,
    /// The first look at places; none where it has still to be taken.
    looked: Option<Vec<Row>>,
}

/// Finds out what the relations are, and looks at them in the same breath where their shapes are as they were known.
async fn first<'a>(
    observer: &mut Observer<'_>,
    about: &About,
    wrote: &'a [Wrote],
) -> Result<First<'a>, CaptureError> {
    let changed: Vec<&Wrote> = wrote
        .iter()
        .filter(|w| w.inserted != 0 || w.updated != 0 || w.deleted != 0)
        .collect();
    let oids: Vec<u32> = changed.iter().map(|w| w.relation).collect();
    let known: Vec<Table<'_>> = changed
        .iter()
        .filter_map(|wrote| {
            let shape = observer.server.known.get(wrote.relation)?.clone();
            Some(Table { wrote, shape })
        })
        .collect();
    let mut question = format!(
        "select 's', pg_catalog.current_setting('server_version_num'), \
         pg_catalog.current_setting('lc_monetary');{}",
        shape::question(&oids, &about.role)
    );
    if known.len() == changed.len() {
        for look in first_looks(&known) {
            question.push(';');
            question.push_str(&look);
        }
    }
    let rows = match observer.look(&question).await {
        // invalid_sql_statement_name: this connection has not been asked before.
        Err(CaptureError::Failed(GateError::Server(told))) if told.code == "26000" => {
            observer.server.tell(&shape::prepare()).await?;
            observer.look(&question).await?
        }
        // A name or a column that is not there any more.
        Err(CaptureError::Failed(GateError::Server(told)))
            if told.code.starts_with("42") && !known.is_empty() =>
        {
            observer.server.known.forget();
            return Box::pin(first(observer, about, wrote)).await;
        }
        other => other?,
    };
    let server = rows.iter().find(|r| tag(r) == "s");
    let text = |n: usize| server.and_then(|r| r.get(n).cloned().flatten());
    let header = Header {
        version: VERSION,
        about: about.clone(),
        server: text(1).and_then(|t| t.parse().ok()).unwrap_or(0),
        lc_monetary: text(2).unwrap_or_default(),
        xid: None,
        relations: vec![],
    };
    let mut tables = vec![];
    for shape in shape::read(&rows).into_iter().filter(Shape::counts) {
        shape.refuse()?;
        if let Some(wrote) = changed.iter().find(|w| w.relation == shape.oid) {
            tables.push(Table { wrote, shape });
        }
    }
    // The looks were taken, and in the way that the shapes ask for.
    let same = |t: &Table<'_>| {
        known
            .iter()
            .any(|k| k.shape.looks_like(&t.shape) && k.small() == t.small())
    };
    let as_known =
        known.len() == changed.len() && tables.len() == known.len() && tables.iter().all(same);
    for table in &tables {
        observer.server.known.learn(&table.shape);
    }
    Ok(First {
        header,
        tables,
        looked: as_known.then_some(rows),
    })
}

fn first_looks(tables: &[Table<'_>]) -> Vec<String> {
    tables
        .iter()
        .filter(|t| t.cheap() && t.most_old() > 0)
        .map(|t| old::first_look(&t.shape, t.places().as_deref()))
        .collect()
}

impl Table<'_> {
    fn small(&self) -> bool {
        self.shape.blocks <= SMALL
    }

    /// How many old rows there can be at most.
    fn most_old(&self) -> u64 {
        self.wrote.updated.saturating_add(self.wrote.deleted)
    }

    /// How many new rows there can be at most; none are looked for where the transaction may not read.
    fn most_new(&self) -> u64 {
        match self.shape.writer {
            WriterSees::Rows | WriterSees::Through => {
                self.wrote.inserted.saturating_add(self.wrote.updated)
            }
            WriterSees::Places | WriterSees::Nothing => 0,
        }
    }

    /// Which places to look at first; none means everywhere.
    fn places(&self) -> Option<Vec<Tid>> {
        if self.small() {
            return None;
        }
        let given = self.wrote.old.as_deref().unwrap_or_default();
        Some(given.iter().filter_map(|t| Tid::parse(t)).collect())
    }

    /// Whether the cheap road may lead to its old rows.
    fn cheap(&self) -> bool {
        let given = self.wrote.old.as_ref().map_or(0, Vec::len) as u64;
        let known = self.small() || given >= self.most_old();
        self.shape.writer != WriterSees::Nothing
            && known
            && given <= FEW
            && self.most_old().saturating_add(self.most_new()) <= FEW
    }
}

impl Work {
    /// The cheap road: three questions in all.
    async fn cheaply<W: Writer>(
        &mut self,
        observer: &mut Observer<'_>,
        own: &mut Own<'_, W>,
        tables: &[Table<'_>],
        looked: Option<Vec<Row>>,
    ) -> Result<Facts, CaptureError> {
        let cheap: Vec<&Table<'_>> = tables.iter().filter(|t| t.cheap()).collect();
        let looked = match looked {
            Some(rows) => rows,
            None => {
                let looks = first_looks(tables);
                if looks.is_empty() {
                    vec![]
                } else {
                    observer.look(&looks.join(";")).await?
                }
            }
        };
        let seen = own.look(&own_question(&cheap, &looked, tables)).await?;
        names(&seen, tables)?;
        let facts = Facts::of(&seen)?;
        let Some(xid) = facts.xid else {
            return Ok(facts);
        };
        let candidates = left_over(&looked, &seen);
        let mut second: Vec<String> = cheap
            .iter()
            .filter_map(|t| {
                let some = candidates.get(&t.shape.oid)?;
                Some(old::second_look(&t.shape, some.iter().map(|v| v.tid)))
            })
            .collect();
        let new: Vec<&Row> = seen.iter().filter(|r| tag(r) == "n").collect();
        second.extend(self.makers.question(new.iter().copied(), xid));
        let again = if second.is_empty() {
            vec![]
        } else {
            observer.look(&second.join(";")).await?
        };
        self.makers.learn(&again);
        for table in cheap {
            let found = self.cheap_rows(table, &again, &new, &candidates, &facts)?;
            self.found.insert(table.shape.oid, found);
        }
        Ok(facts)
    }

    fn cheap_rows(
        &self,
        table: &Table<'_>,
        again: &[Row],
        new: &[&Row],
        candidates: &HashMap<u32, HashSet<Version>>,
        facts: &Facts,
    ) -> Result<Found, CaptureError> {
        let oid = table.shape.oid.to_string();
        let of_it = |row: &&Row| row.get(1).and_then(Option::as_deref) == Some(&oid);
        let nothing = HashSet::new();
        let some = candidates.get(&table.shape.oid).unwrap_or(&nothing);
        let rows = again.iter().filter(|r| tag(r) == "o").filter(of_it);
        let old = old::changed(rows, some, facts)?;
        let new = self
            .makers
            .own(new.iter().copied().filter(of_it), &mut HashSet::new());
        // The counters never say less than there is: as many as they say are all.
        let (old_rows, new_rows) = (old.len() as u64, new.len() as u64);
        let all_old = table.small() || old_rows == table.most_old();
        let all_new = table.small() || new_rows == table.most_new();
        Ok(Found {
            old: all_old.then(|| lines(&old)),
            old_rows,
            candidates: vec![],
            new: all_new.then(|| lines(&new)),
            new_rows,
        })
    }

    /// Looks through whole tables where the cheap road did not lead to all rows.
    async fn thoroughly<W: Writer>(
        &mut self,
        observer: &mut Observer<'_>,
        own: &mut Own<'_, W>,
        tables: &[Table<'_>],
        facts: &Facts,
    ) -> Result<(), CaptureError> {
        for table in tables {
            let found = self.found.entry(table.shape.oid).or_default();
            if table.most_new() == 0 {
                found.new = Some(vec![]);
                found.new_rows = 0;
            }
            if table.most_old() == 0 {
                found.old = Some(vec![]);
                found.old_rows = 0;
            }
            if found.old.is_none() {
                found.candidates = old::scan(observer, own, &table.shape, facts).await?;
            }
        }
        Ok(())
    }

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
            out.write(format::section(number, relation, Side::Old).as_bytes())
                .await?;
            match &found.old {
                Some(lines) => out.write(lines).await?,
                None => {
                    let some = std::mem::take(&mut found.candidates);
                    found.old_rows = old_rows(observer, table, &some, facts, out).await?;
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

/// What the writer is asked on the cheap road.
fn own_question(cheap: &[&Table<'_>], looked: &[Row], tables: &[Table<'_>]) -> String {
    let mut out = vec![facts::QUESTION.to_owned()];
    let named = named(tables);
    if !named.is_empty() {
        out.push(named);
    }
    for table in cheap {
        let oid = table.shape.oid.to_string();
        let rows: Vec<&Row> = looked
            .iter()
            .filter(|r| tag(r) == "a" && r.get(1).and_then(Option::as_deref) == Some(&oid))
            .collect();
        if !rows.is_empty() {
            let places = rows.iter().filter_map(|r| old::version(r)).map(|v| v.tid);
            out.push(old::own_look(&table.shape, places));
        }
        if table.most_new() == 0 {
            continue;
        }
        if table.small() {
            out.push(fresh::everywhere(&table.shape));
            continue;
        }
        let keys: Vec<&[Option<String>]> = rows.iter().filter_map(|r| r.get(4..)).collect();
        if table.wrote.updated > 0 {
            out.extend(fresh::by_key(&table.shape, &keys));
        }
        if table.wrote.inserted > 0 {
            out.push(fresh::at_the_end(&table.shape, table.wrote.inserted));
        }
    }
    out.join(";")
}

/// Asks which relations the transaction itself finds under the names that others know.
fn named(tables: &[Table<'_>]) -> String {
    let all = tables
        .iter()
        .filter_map(|t| t.shape.through())
        .map(|(oid, name)| {
            format!(
                "select 'm', '{oid}', pg_catalog.to_regclass({})::pg_catalog.oid",
                literal(&name)
            )
        });
    all.collect::<Vec<_>>().join(";")
}

/// Both sides must look at the same relation under one name.
fn names(seen: &[Row], tables: &[Table<'_>]) -> Result<(), CaptureError> {
    for Table { shape, .. } in tables {
        let Some((oid, _)) = shape.through() else {
            continue;
        };
        let oid = Some(oid.to_string());
        let expected = [Some("m".to_owned()), oid.clone(), oid];
        if !seen.iter().any(|row| row.as_slice() == expected) {
            return Err(CaptureError::inexact(format!(
                "`{}.{}` was dropped or renamed in the same transaction, so its rows cannot be told apart",
                shape.schema, shape.name
            )));
        }
    }
    Ok(())
}

/// What others see and the transaction does not, by relation.
fn left_over(looked: &[Row], seen: &[Row]) -> HashMap<u32, HashSet<Version>> {
    let oid = |row: &Row| row.get(1)?.as_deref()?.parse::<u32>().ok();
    let visible: HashSet<(u32, Tid)> = seen
        .iter()
        .filter(|r| tag(r) == "v")
        .filter_map(|r| Some((oid(r)?, Tid::parse(r.get(2)?.as_deref()?)?)))
        .collect();
    let mut out: HashMap<u32, HashSet<Version>> = HashMap::new();
    for row in looked.iter().filter(|r| tag(r) == "a") {
        if let (Some(oid), Some(version)) = (oid(row), old::version(row))
            && !visible.contains(&(oid, version.tid))
        {
            out.entry(oid).or_default().insert(version);
        }
    }
    out
}

fn lines(rows: &[&[Option<String>]]) -> Vec<u8> {
    let mut out = vec![];
    for row in rows {
        text::line(&mut out, row.iter().map(Option::as_deref));
    }
    out
}

/// Writes old rows as the second look shows them; how many.
async fn old_rows<S: Sink>(
    observer: &mut Observer<'_>,
    table: &Table<'_>,
    candidates: &[Version],
    facts: &Facts,
    out: &mut Out<'_, S>,
) -> Result<u64, CaptureError> {
    let mut count = 0;
    let (mut rest, mut pace) = (candidates, Pace::default());
    while !rest.is_empty() {
        let (some, later) = rest.split_at(rest.len().min(pace.rows()));
        let look = old::second_look(&table.shape, some.iter().map(|v| v.tid));
        let rows = match observer.look(&look).await {
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
