//! The first question: what the relations are, who may look, and which road to take.

use super::about::{About, Header, VERSION};
use super::error::CaptureError;
use super::facts::tag;
use super::old;
use super::shape::{self, Shape, WriterSees};
use super::sight::Observer;
use super::tid::Tid;
use super::wrote::Wrote;
use crate::postgres::error::GateError;
use crate::postgres::question::Row;

/// Tables up to this many blocks are looked through at once.
const SMALL: u64 = 32;
/// How many rows the cheap road takes.
const FEW: u64 = 2_000;

/// A relation with what is known of it.
pub(super) struct Table<'a> {
    pub(super) wrote: &'a Wrote,
    pub(super) shape: Shape,
}

/// What the first question to the observer gave.
pub(super) struct First<'a> {
    pub(super) header: Header,
    pub(super) tables: Vec<Table<'a>>,
    /// The first look at places; none where it has still to be taken.
    pub(super) looked: Option<Vec<Row>>,
}

/// Finds out what the relations are, and looks at them in the same breath where their shapes are as they were known.
pub(super) async fn first<'a>(
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

pub(super) fn first_looks(tables: &[Table<'_>]) -> Vec<String> {
    tables
        .iter()
        .filter(|t| t.cheap() && t.most_old() > 0)
        .map(|t| old::first_look(&t.shape, t.places().as_deref()))
        .collect()
}

impl Table<'_> {
    pub(super) fn small(&self) -> bool {
        self.shape.blocks <= SMALL
    }

    /// How many old rows there can be at most.
    pub(super) fn most_old(&self) -> u64 {
        self.wrote.updated.saturating_add(self.wrote.deleted)
    }

    /// How many new rows there can be at most; none are looked for where the transaction may not read.
    pub(super) fn most_new(&self) -> u64 {
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
    pub(super) fn cheap(&self) -> bool {
        let given = self.wrote.old.as_ref().map_or(0, Vec::len) as u64;
        let known = self.small() || given >= self.most_old();
        self.shape.writer != WriterSees::Nothing
            && known
            && given <= FEW
            && self.most_old().saturating_add(self.most_new()) <= FEW
    }
}
