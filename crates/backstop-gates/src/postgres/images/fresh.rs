//! New versions: what the transaction inserted, or put in place of what it changed.
//!
//! A row version that the transaction sees, and whose maker is still open when the gate asks afterwards, is its own:
//! nobody else's open transaction shows it anything.

use std::collections::{HashMap, HashSet};

use super::error::CaptureError;
use super::facts::tag;
use super::old::{status, version};
use super::shape::Shape;
use super::sight::{Observer, Own, Pace};
use super::tid::Version;
use super::wrote::Writer;
use crate::postgres::question::{Row, ident, literal};

/// How many blocks at a table's end are looked at for what was inserted.
const TAIL: u64 = 4;
/// How many of the highest keys are looked at beyond what was inserted.
const MORE_KEYS: u64 = 16;

/// Not older than the transaction. Its own age is zero, those of its parts are negative, and where the server
/// remembers an earlier moment, more pass; none is lost.
const YOUNG: &str = "pg_catalog.age(t.xmin) operator(pg_catalog.<=) 0";

/// All new versions, by looking through the whole table.
pub(super) fn everywhere(shape: &Shape) -> String {
    format!(
        "select 'n', '{}', t.ctid, t.xmin{} from {} t where {YOUNG}{}",
        shape.oid,
        shape.select(),
        shape.own_relation(),
        shape.own_filter(),
    )
}

/// New versions under these keys.
pub(super) fn by_key(shape: &Shape, keys: &[&[Option<String>]]) -> Option<String> {
    if shape.key.is_empty() || keys.is_empty() {
        return None;
    }
    let tuple = |key: &&[Option<String>]| {
        let values = shape.key.iter().zip(key.iter()).map(|(column, value)| {
            format!(
                "{}::{}",
                own_literal(value.as_deref().unwrap_or_default()),
                column.kind
            )
        });
        format!("({})", values.collect::<Vec<_>>().join(","))
    };
    let list = keys.iter().map(tuple).collect::<Vec<_>>().join(",");
    let names = (0..shape.key.len())
        .map(|n| format!("k{n}"))
        .collect::<Vec<_>>()
        .join(",");
    let same = shape
        .key
        .iter()
        .enumerate()
        .map(|(n, k)| format!("t.{} operator(pg_catalog.=) k.k{n}", ident(&k.name)))
        .collect::<Vec<_>>()
        .join(" and ");
    Some(format!(
        "select 'n', '{}', t.ctid, t.xmin{} from (values {list}) k({names}) \
         join {} t on {same} where {YOUNG}{}",
        shape.oid,
        shape.select(),
        shape.own_relation(),
        shape.own_filter(),
    ))
}

/// New versions where inserts usually put them: in the table's last blocks, and under the highest keys.
pub(super) fn at_the_end(shape: &Shape, inserted: u64) -> String {
    let from = shape.blocks.saturating_sub(TAIL);
    let select = format!(
        "select 'n', '{}', t.ctid, t.xmin{} from {} t",
        shape.oid,
        shape.select(),
        shape.own_relation()
    );
    let mut out = format!(
        "{select} where t.ctid operator(pg_catalog.>=) '({from},0)'::pg_catalog.tid and {YOUNG}{}",
        shape.own_filter()
    );
    // Through a partitioned table the highest keys would be those of other partitions.
    if let Some(first) = shape.key.first().filter(|_| shape.own_filter().is_empty()) {
        let limit = inserted.saturating_add(MORE_KEYS);
        let place = format!("t.{}", ident(&first.name));
        out.push_str(&format!(
            ";select r.* from ({select} order by {place} desc limit {limit}) r \
             where pg_catalog.age(r.xmin) operator(pg_catalog.<=) 0"
        ));
    }
    out
}

/// A literal that reads the same whatever `standard_conforming_strings` is in the agent's session.
fn own_literal(text: &str) -> String {
    if text.contains('\\') {
        format!(" e{}", literal(&text.replace('\\', "\\\\")))
    } else {
        literal(text)
    }
}

/// Who made which row versions.
#[derive(Default)]
pub(super) struct Makers {
    own: HashMap<u32, bool>,
}

impl Makers {
    /// The question for makers that are not known yet; none when all are.
    pub(super) fn question<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        near: u64,
    ) -> Option<String> {
        let unknown: HashSet<u32> = rows
            .into_iter()
            .filter_map(version)
            .map(|v| v.xmin)
            .filter(|xmin| !self.own.contains_key(xmin))
            .collect();
        (!unknown.is_empty()).then(|| status(unknown, near))
    }

    /// Reads the answer. It must have been asked after the transaction gave the rows.
    pub(super) fn learn(&mut self, rows: &[Row]) {
        for row in rows.iter().filter(|r| tag(r) == "x") {
            if let Some(Ok(id)) = row.get(1).and_then(|t| t.as_deref()).map(str::parse) {
                let open = row.get(2).and_then(Option::as_deref) == Some("in progress");
                self.own.insert(id, open);
            }
        }
    }

    /// The rows that are the transaction's own, each once: their values.
    pub(super) fn own<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        seen: &mut HashSet<Version>,
    ) -> Vec<&'a [Option<String>]> {
        rows.into_iter()
            .filter(|row| {
                version(row).is_some_and(|v| self.own.get(&v.xmin) == Some(&true) && seen.insert(v))
            })
            .filter_map(|row| row.get(4..))
            .collect()
    }

    /// The ids that its row versions carry.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.own.iter().filter(|(_, own)| **own).map(|(id, _)| *id)
    }
}

/// Reads through the whole table with a cursor of the transaction's own.
pub(super) struct Pass<'p, 'o, 'w, W> {
    pub(super) observer: &'p mut Observer<'o>,
    pub(super) own: &'p mut Own<'w, W>,
    pub(super) makers: &'p mut Makers,
    pub(super) near: u64,
    pub(super) pace: Pace,
}

impl<W: Writer> Pass<'_, '_, '_, W> {
    /// Opens the cursor.
    pub(super) async fn open(&mut self, shape: &Shape) -> Result<(), CaptureError> {
        let cursor = format!(
            "declare \"backstop images\" no scroll cursor for {}",
            everywhere(shape)
        );
        self.own.enter(&cursor).await
    }

    /// The next rows, of whoever; none at the end, when the cursor is closed.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, CaptureError> {
        let rows = self
            .own
            .ask(&format!(
                "fetch {} from \"backstop images\"",
                self.pace.rows()
            ))
            .await?;
        self.pace.learn(&rows);
        let rows: Vec<Row> = rows.into_iter().filter(|r| tag(r) == "n").collect();
        if rows.is_empty() {
            self.own.leave().await?;
            return Ok(None);
        }
        if let Some(question) = self.makers.question(&rows, self.near) {
            let answer = match self.observer.look(&question).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.own.leave().await?;
                    return Err(error);
                }
            };
            self.makers.learn(&answer);
        }
        Ok(Some(rows))
    }
}
