//! The first question: what the relations are, who may look, and which road to take.

use super::about::{About, Header, VERSION};
use super::error::CaptureError;
use super::facts::tag;
use super::hint::{Hint, Look};
use super::old;
use super::shape::{self, Shape, WriterSees};
use super::sight::Observer;
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
    let question = format!(
        "select 's', pg_catalog.current_setting('server_version_num'), \
         pg_catalog.current_setting('lc_monetary');{}",
        shape::question(&oids, &about.role)
    );
    let looks = if known.len() == changed.len() {
        first_looks(&known)
    } else {
        vec![]
    };
    let rows = match looked(observer, Some(&question), &looks).await {
        // invalid_sql_statement_name: this connection has not been asked before.
        Err(CaptureError::Failed(GateError::Server(told))) if told.code == "26000" => {
            observer.server.tell(&shape::prepare()).await?;
            looked(observer, Some(&question), &looks).await?
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

/// The first looks at tables that may be had cheaply.
pub(super) fn first_looks<'a>(tables: &[Table<'a>]) -> Vec<Look<'a>> {
    tables
        .iter()
        .filter(|t| t.cheap() && t.most_old() > 0)
        .flat_map(Table::first_looks)
        .collect()
}

/// Looks; where the agent's own conditions cannot be asked from outside, without them: then whole tables are looked
/// through.
pub(super) async fn looked(
    observer: &mut Observer<'_>,
    sql: Option<&str>,
    looks: &[Look<'_>],
) -> Result<Vec<Row>, CaptureError> {
    let answer = observer.look_at(sql, looks).await;
    let (hinted, rest): (Vec<_>, Vec<_>) = looks.iter().partition(|look| look.by.is_some());
    match answer {
        Err(CaptureError::Failed(GateError::Server(_))) if !hinted.is_empty() => {
            let rest: Vec<Look<'_>> = rest
                .into_iter()
                .map(|look| Look {
                    sql: look.sql.clone(),
                    by: None,
                })
                .collect();
            match (sql, rest.is_empty()) {
                (None, true) => Ok(vec![]),
                _ => observer.look_at(sql, &rest).await,
            }
        }
        other => other,
    }
}

impl<'a> Table<'a> {
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

    /// The first looks at it: everywhere in a small one, and by the conditions of what was done in another.
    fn first_looks(&self) -> Vec<Look<'a>> {
        if self.small() {
            let sql = old::first_look(&self.shape, None, FEW);
            return vec![Look { sql, by: None }];
        }
        let wrote: &'a Wrote = self.wrote;
        let look = |hint: &'a std::sync::Arc<Hint>| Look {
            sql: old::first_look(&self.shape, Some(hint.condition()), FEW),
            by: Some(&**hint),
        };
        wrote.hints.iter().map(look).collect()
    }

    /// Whether the cheap road may lead to its rows.
    pub(super) fn cheap(&self) -> bool {
        let known = self.small() || self.most_old() == 0 || !self.wrote.hints.is_empty();
        self.shape.writer != WriterSees::Nothing
            && known
            && self.most_old().saturating_add(self.most_new()) <= FEW
    }
}
