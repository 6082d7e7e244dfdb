//! From a catalogue to roads: pure decisions, without a server.

use std::collections::HashMap;

use super::catalogue::{Catalogue, Key, Oid, PUBLIC, privilege};
use super::road::{Act, Audit, By, Certainty, Object, Road};

mod direct;
mod dropped;
mod narrow;
mod notes;
mod outside;
mod planting;
mod rights;
mod roles;
mod server;
mod settings;
mod spread;
mod subscriptions;
#[cfg(test)]
mod tests;
mod text;

use roles::{Actor, Graph};

/// What is done to a relation. INSERT destroys nothing, but sets off what does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Move {
    Insert,
    Update,
    Delete,
    Truncate,
    Drop,
}

impl Move {
    /// The privilege that it takes; 0 for what only owners may.
    fn bit(self) -> u16 {
        match self {
            Self::Insert => privilege::INSERT,
            Self::Update => privilege::UPDATE,
            Self::Delete => privilege::DELETE,
            Self::Truncate => privilege::TRUNCATE,
            Self::Drop => 0,
        }
    }

    /// Its bit in `pg_relation_is_updatable`.
    fn updatable(self) -> u32 {
        match self {
            Self::Insert => 8,
            Self::Update => 4,
            Self::Delete => 16,
            Self::Truncate | Self::Drop => 0,
        }
    }

    fn act(self) -> Option<Act> {
        match self {
            Self::Insert => None,
            Self::Update => Some(Act::Update),
            Self::Delete => Some(Act::Delete),
            Self::Truncate => Some(Act::Truncate),
            Self::Drop => Some(Act::Drop),
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Insert => "insert into",
            Self::Update => "update",
            Self::Delete => "delete from",
            Self::Truncate => "truncate",
            Self::Drop => "drop",
        }
    }
}

/// Something that may be done to a relation, and how.
#[derive(Debug, Clone)]
struct Fact {
    act: Move,
    relation: Oid,
    by: By,
    /// The place of who acts among the actors.
    actor: usize,
    /// What tells this right from others of its kind.
    source: String,
    chain: Vec<String>,
    certainty: Certainty,
    columns: Option<Vec<i16>>,
    /// Rows of children are left alone.
    only: bool,
    /// As whom triggers run that have no rights of their own, before and after the change; none: as the actor.
    before: Option<Oid>,
    after: Option<Oid>,
    fix: Vec<String>,
}

impl Fact {
    fn by(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    fn said(mut self, words: String) -> Self {
        self.source.clone_from(&words);
        self.chain.push(words);
        self
    }

    /// The same road, one step further.
    fn on(&self, act: Move, relation: Oid, by: By, words: String) -> Self {
        let mut next = self.clone();
        (next.act, next.relation, next.by, next.only) = (act, relation, by, false);
        next.source.clone_from(&words);
        next.chain.push(words);
        next
    }

    fn narrow(&mut self, certainty: Certainty, step: Option<String>) {
        self.certainty = self.certainty.max(certainty);
        self.chain.extend(step);
    }

    fn is_strong(&self) -> bool {
        self.certainty == Certainty::Proved && self.columns.is_none()
    }
}

/// One catalogue, looked at for one role.
struct Judge<'a> {
    catalogue: &'a Catalogue,
    graph: Graph<'a>,
    actors: Vec<Actor>,
    /// Who has the rights of a role, by their places among the actors.
    holders: HashMap<Oid, Vec<usize>>,
    everybody: Vec<usize>,
    write_all: Option<Oid>,
    read_all: Option<Oid>,
    keys: HashMap<Oid, Vec<usize>>,
    readers: HashMap<Oid, Vec<Oid>>,
    named: HashMap<String, Vec<Oid>>,
}

impl<'a> Judge<'a> {
    fn new(catalogue: &'a Catalogue, role: Oid) -> Self {
        let graph = Graph::new(catalogue);
        let actors = graph.actors(role);
        let mut holders: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (at, actor) in actors.iter().enumerate() {
            for role in &actor.rights.roles {
                holders.entry(*role).or_default().push(at);
            }
        }
        let mut keys: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (at, key) in catalogue.keys.iter().enumerate() {
            keys.entry(key.to).or_default().push(at);
        }
        let mut readers: HashMap<Oid, Vec<Oid>> = HashMap::new();
        for (view, reads) in &catalogue.view_reads {
            for read in reads {
                readers.entry(*read).or_default().push(*view);
            }
        }
        let mut named: HashMap<String, Vec<Oid>> = HashMap::new();
        for (oid, relation) in &catalogue.relations {
            named.entry(relation.name.clone()).or_default().push(*oid);
        }
        Self {
            everybody: (0..actors.len()).collect(),
            write_all: catalogue.role_named("pg_write_all_data"),
            read_all: catalogue.role_named("pg_read_all_data"),
            catalogue,
            graph,
            actors,
            holders,
            keys,
            readers,
            named,
        }
    }

    /// Who has the rights of `role`, nearest first.
    fn candidates(&self, role: Oid) -> &[usize] {
        if role == PUBLIC {
            return &self.everybody;
        }
        self.holders.get(&role).map_or(&[], Vec::as_slice)
    }

    fn keys_to(&self, relation: Oid) -> impl Iterator<Item = &Key> {
        let places = self.keys.get(&relation).into_iter().flatten();
        places.filter_map(|at| self.catalogue.keys.get(*at))
    }

    /// The steps to an actor's use of the rights of `role`, and what would cut them.
    fn start(&self, at: usize, role: Oid) -> (Vec<String>, Vec<String>) {
        let Some(actor) = self.actors.get(at) else {
            return (vec![], vec![]);
        };
        let mut chain = actor.how.clone();
        let (steps, fix) = self.graph.inherited(&actor.rights, role);
        chain.extend(steps);
        let fix = actor.fix.clone().or(fix);
        (chain, fix.into_iter().collect())
    }

    fn fact(&self, at: usize, role: Oid, act: Move, relation: Oid) -> Fact {
        let (chain, fix) = self.start(at, role);
        Fact {
            act,
            relation,
            by: By::Owner,
            actor: at,
            source: String::new(),
            chain,
            certainty: Certainty::Proved,
            columns: None,
            only: false,
            before: None,
            after: None,
            fix,
        }
    }

    /// The nearest actor that is a superuser.
    fn superuser(&self) -> Option<usize> {
        self.actors.iter().position(|a| a.rights.superuser)
    }

    fn acting(&self, at: usize) -> String {
        let actor = self.actors.get(at);
        actor.map_or_else(String::new, |a| self.catalogue.role_name(a.role))
    }

    fn object(&self, oid: Oid) -> Option<Object> {
        let relation = self.catalogue.relations.get(&oid)?;
        let schema = self.catalogue.schemas.get(&relation.schema)?.name.clone();
        let name = relation.name.clone();
        Some(if relation.kind == 'v' {
            Object::View { schema, name }
        } else {
            Object::Table { schema, name }
        })
    }

    fn road(&self, fact: Fact) -> Option<Road> {
        let act = fact.act.act()?;
        let relation = self.catalogue.relations.get(&fact.relation)?;
        // What is done to a view's rows is done to those of its tables.
        if relation.kind == 'v' && act != Act::Drop {
            return None;
        }
        let (rows, bytes) = self.stake(fact.relation);
        Some(Road {
            act,
            object: self.object(fact.relation)?,
            by: fact.by,
            acting: self.acting(fact.actor),
            chain: fact.chain,
            certainty: fact.certainty,
            rows,
            bytes,
            fix: fact.fix,
        })
    }

    /// Rows and bytes of a relation with its partitions.
    fn stake(&self, oid: Oid) -> (Option<u64>, Option<u64>) {
        let Some(relation) = self.catalogue.relations.get(&oid) else {
            return (None, None);
        };
        if relation.kind != 'p' {
            return (relation.rows, relation.bytes);
        }
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        let children = self.catalogue.children.get(&oid).into_iter().flatten();
        children
            .map(|child| self.stake(*child))
            .fold((None, None), |sum, one| {
                (add(sum.0, one.0), add(sum.1, one.1))
            })
    }
}

/// The roads of `role`.
pub(crate) fn audit(catalogue: &Catalogue, role: Oid) -> Audit {
    let judge = Judge::new(catalogue, role);
    let mut roads = vec![];
    if let Some(at) = judge.superuser() {
        roads.extend(judge.everything(at));
    } else {
        let mut facts = vec![];
        for (oid, relation) in &catalogue.relations {
            facts.extend(judge.direct(*oid, relation));
        }
        roads.extend(judge.definers(&mut facts));
        facts.extend(judge.with_extensions());
        let (facts, unjudged) = judge.spread(facts);
        roads.extend(facts.into_iter().filter_map(|f| judge.road(f)));
        roads.extend(unjudged);
        roads.extend(judge.with_types());
        roads.extend(judge.outside());
    }
    roads.extend(judge.server());
    roads.sort();
    roads.dedup();
    Audit {
        role: catalogue.role_name(role),
        database: judge.database_name(),
        major: catalogue.major,
        system_identifier: catalogue.system_identifier.clone(),
        becomes: judge
            .actors
            .iter()
            .map(|a| catalogue.role_name(a.role))
            .collect(),
        notes: judge.notes(),
        backups: judge.backups(&roads),
        narrow_role: judge.narrow_role(),
        roads,
    }
}
