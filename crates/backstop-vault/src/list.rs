//! What a vault has, for people: names, labels and times, read from its directory. No content.

use std::{collections::HashMap, path::Path};

use backstop_core::digest::Digest;
use serde::Serialize;

use crate::{
    error::Result,
    label::{Label, Stored},
    store::{self, dir::Dir, record::Event, record::Record},
};

/// An object as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What the vault says about it.
    #[serde(flatten)]
    pub stored: Stored,
    /// What the gate said about it.
    pub label: Label,
    /// Until when it cannot be deleted: Unix time in milliseconds.
    pub until_ms: i64,
    /// The deletion that people were asked to sign, if it is to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deleting>,
}

/// A deletion that is asked for and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deleting {
    /// The request's id.
    pub request: String,
    /// When it is done, once enough people have signed: Unix time in milliseconds.
    pub due_ms: Option<i64>,
}

/// Every object of the vault in `dir`, oldest first. Works beside whoever serves it. Blocks; reads the index.
///
/// # Errors
/// [`crate::VaultError::Integrity`] when the index is damaged; `verify` says more then.
pub fn list(dir: &Path) -> Result<Vec<Listed>> {
    let root = Dir::open(dir)?;
    let mut found = HashMap::new();
    // The segments are read first: what moves to the index meanwhile is then seen twice, not never.
    let late = store::late_records(&root)?;
    let tail = store::index::read(&root, |record, _| take(&mut found, record))?;
    let mut next = tail.head.sequence + 1;
    for record in late {
        if record.sequence == next {
            take(&mut found, record);
            next += 1;
        }
    }
    // A line that is being written looks torn; a damaged one has nothing to follow it from the segments.
    if tail.good < tail.length && next == tail.head.sequence + 1 {
        return Err(tail.fault());
    }
    let mut all: Vec<Listed> = found.into_values().collect();
    all.sort_by_key(|one| one.stored.sequence);
    Ok(all)
}

fn take(found: &mut HashMap<Digest, Listed>, record: Record) {
    let stored = record.stored();
    match (record.event, stored) {
        (Event::Stored(object), Some(stored)) => {
            let listed = Listed {
                stored,
                label: object.label,
                until_ms: object.until_ms,
                deletion: None,
            };
            found.insert(object.name, listed);
        }
        (Event::Extended { names, until_ms }, _) => {
            for name in names {
                if let Some(listed) = found.get_mut(&name) {
                    listed.until_ms = listed.until_ms.max(until_ms);
                }
            }
        }
        (Event::DeletionAsked { request, names, .. }, _) => {
            for name in names {
                if let Some(listed) = found.get_mut(&name) {
                    listed.deletion = Some(Deleting {
                        request: request.clone(),
                        due_ms: None,
                    });
                }
            }
        }
        (Event::DeletionDue { request, due_ms }, _) => {
            for deletion in of(found, &request).flatten() {
                deletion.due_ms = Some(due_ms);
            }
        }
        (Event::DeletionCancelled { request, .. }, _) => {
            of(found, &request).for_each(|deletion| *deletion = None);
        }
        (Event::Deleted { names, .. }, _) => names.iter().for_each(|name| drop(found.remove(name))),
        _ => {}
    }
}

/// What objects say of this request.
fn of<'a>(
    found: &'a mut HashMap<Digest, Listed>,
    request: &'a str,
) -> impl Iterator<Item = &'a mut Option<Deleting>> {
    let all = found.values_mut().map(|listed| &mut listed.deletion);
    all.filter(move |one| one.as_ref().is_some_and(|one| one.request == request))
}
