//! Where the rows lie that a transaction changed: what its statements themselves say, kept until it is captured.
//!
//! Hints cost nothing while the agent waits for its statement: they are asked from outside, with the first look at what
//! was changed (`images`). A wrong one costs time only.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backstop_wire::postgres::frontend::Bind;
use backstop_wire::sql::{Catalog, Condition};

use super::images::{Hint, Parameters, Room};
use super::judge::Judged;

/// How many statements of one transaction are remembered by their conditions.
const MOST: usize = 64;

/// The conditions of a statement with its parameters, each with the OID of the table that it is about.
pub(crate) type Hinted = Arc<[(u32, Arc<Hint>)]>;

/// What the statements of one transaction said.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    all: Vec<(u32, Arc<Hint>)>,
}

impl Hints {
    /// A statement without parameters.
    pub(crate) fn note(&mut self, judged: &Judged, catalog: &Catalog) {
        let plain = judged.conditions(catalog).iter();
        let plain = plain.filter(|c| c.parameters.is_empty());
        self.take(plain.map(|c| (c.relation, Arc::new(Hint::plain(Arc::clone(&c.sql))))));
    }

    /// A statement with its parameters.
    pub(crate) fn note_bound(&mut self, hinted: &Hinted) {
        self.take(hinted.iter().cloned());
    }

    fn take(&mut self, more: impl Iterator<Item = (u32, Arc<Hint>)>) {
        for one in more {
            // The same statement again, in a loop.
            if self.all.len() < MOST && !self.all.contains(&one) {
                self.all.push(one);
            }
        }
    }

    /// Those about each of these relations, partitions and children of the tables that were named included.
    pub(crate) fn of(&self, relations: &[u32], catalog: &Catalog) -> HashMap<u32, Vec<Arc<Hint>>> {
        let mut out: HashMap<u32, Vec<Arc<Hint>>> = HashMap::new();
        let mut families: HashMap<u32, HashSet<u32>> = HashMap::new();
        for (above, hint) in &self.all {
            let family = families
                .entry(*above)
                .or_insert_with(|| family(*above, catalog));
            for relation in relations.iter().filter(|r| family.contains(r)) {
                out.entry(*relation).or_default().push(Arc::clone(hint));
            }
        }
        out
    }
}

/// The conditions of a statement with the parameters of a Bind, which all of them share.
pub(crate) fn bound(
    conditions: &[Condition],
    types: &[u32],
    bind: &Bind<'_>,
    room: &Room,
) -> Hinted {
    let which = conditions.first().map(|first| &first.parameters);
    let Some(parameters) = which.and_then(|which| Parameters::of(which, types, bind, room)) else {
        return [].into();
    };
    let same = conditions.iter().filter(|c| Some(&c.parameters) == which);
    same.map(|c| (c.relation, Arc::new(Hint::bound(&c.sql, &parameters))))
        .collect()
}

/// A table with all below it.
fn family(oid: u32, catalog: &Catalog) -> HashSet<u32> {
    let mut all = HashSet::new();
    let mut next = vec![oid];
    while let Some(oid) = next.pop() {
        if all.insert(oid)
            && let Some(relation) = catalog.relation_by_oid(oid)
        {
            next.extend(&relation.children);
        }
    }
    all
}
