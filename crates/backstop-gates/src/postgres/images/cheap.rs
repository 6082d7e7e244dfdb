//! The cheap road: three questions in all, about few rows.
//!
//! It counts only where a table is small, or where the server's counters, which never say less than there is, say that
//! nothing else was changed.

use std::collections::{HashMap, HashSet};

use super::error::CaptureError;
use super::facts::{self, Facts, tag};
use super::first::{Table, first_looks, looked};
use super::fresh::{self, Makers};
use super::old;
use super::sight::{Observer, Own};
use super::text;
use super::tid::{Tid, Version};
use super::wrote::Writer;
use crate::postgres::question::{Row, literal};

/// How a relation's images were found, or will be.
#[derive(Default)]
pub(super) struct Found {
    /// Lines of old rows.
    pub(super) old: Option<Vec<u8>>,
    pub(super) old_rows: u64,
    /// Lines of new rows.
    pub(super) new: Option<Vec<u8>>,
    pub(super) new_rows: u64,
}

pub(super) struct Work {
    pub(super) makers: Makers,
    pub(super) found: HashMap<u32, Found>,
}

impl Work {
    /// The cheap road: three questions in all.
    pub(super) async fn cheaply<W: Writer>(
        &mut self,
        observer: &mut Observer<'_>,
        own: &mut Own<'_, W>,
        tables: &[Table<'_>],
        known: Option<Vec<Row>>,
    ) -> Result<Facts, CaptureError> {
        let cheap: Vec<&Table<'_>> = tables.iter().filter(|t| t.cheap()).collect();
        let looked = match known {
            Some(rows) => rows,
            None => {
                let looks = first_looks(tables);
                if looks.is_empty() {
                    vec![]
                } else {
                    looked(observer, None, &looks).await?
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
            new: all_new.then(|| lines(&new)),
            new_rows,
        })
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

pub(super) fn lines(rows: &[&[Option<String>]]) -> Vec<u8> {
    let mut out = vec![];
    for row in rows {
        text::line(&mut out, row.iter().map(Option::as_deref));
    }
    out
}
