//! What follows from what may be done to a relation: rows of others that go with it, and code that it sets off.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::{Fact, Judge, Move, text};
use crate::postgres::catalogue::{Oid, Rule};
use crate::postgres::road::{Act, By, Certainty, Object, Road};

/// How many steps a road may go on for: beyond, it says nothing that the shorter ones do not.
const LONGEST: usize = 24;

/// The first major version in which AFTER triggers run as the role that queued them.
const AFTER_AS_QUEUED: u32 = 18;

/// What has been followed already: from there nothing new follows.
#[derive(PartialEq, Eq, Hash)]
struct Visit {
    relation: Oid,
    act: Move,
    all: bool,
    only: bool,
    before: Option<Oid>,
    after: Option<Oid>,
}

impl Judge<'_> {
    /// All facts that follow from these, these included, each relation and act by each right once.
    pub(super) fn spread(&self, first: Vec<Fact>) -> (Vec<Fact>, Vec<Road>) {
        let mut unjudged = vec![];
        let mut kept: BTreeMap<(Oid, Move, By, String), Fact> = BTreeMap::new();
        let mut expanded: HashSet<Visit> = HashSet::new();
        let (mut strong, mut weak): (VecDeque<Fact>, VecDeque<Fact>) =
            first.into_iter().partition(Fact::is_strong);
        // The certain ones first, so that what follows from them is said with their certainty.
        while let Some(fact) = strong.pop_front().or_else(|| weak.pop_front()) {
            let key = (fact.relation, fact.act, fact.by, fact.source.clone());
            if kept.contains_key(&key) {
                continue;
            }
            let visit = |all: bool, only: bool| Visit {
                relation: fact.relation,
                act: fact.act,
                all,
                only,
                before: fact.before,
                after: fact.after,
            };
            let known = expanded.contains(&visit(true, false))
                || !expanded.insert(visit(fact.columns.is_none(), fact.only));
            if !known && fact.chain.len() < LONGEST {
                for next in self.follow(&fact, &mut unjudged) {
                    if next.is_strong() {
                        &mut strong
                    } else {
                        &mut weak
                    }
                    .push_back(next);
                }
            }
            kept.insert(key, fact);
        }
        (kept.into_values().collect(), unjudged)
    }

    fn follow(&self, fact: &Fact, unjudged: &mut Vec<Road>) -> Vec<Fact> {
        let mut all = vec![];
        self.children(fact, &mut all);
        self.keys(fact, &mut all);
        self.through_view(fact, &mut all);
        self.rules(fact, &mut all, unjudged);
        self.triggers(fact, &mut all, unjudged);
        if fact.act == Move::Drop {
            for view in self.readers.get(&fact.relation).into_iter().flatten() {
                let words = format!(
                    "`{}` reads it, and goes with it",
                    self.catalogue.relation_name(*view)
                );
                all.push(fact.on(Move::Drop, *view, By::Cascade, words));
            }
        }
        all
    }

    fn children(&self, fact: &Fact, all: &mut Vec<Fact>) {
        // Only a partitioned table hands on what is put into it.
        let parent = self.catalogue.relations.get(&fact.relation);
        if fact.only || fact.act == Move::Insert && parent.is_none_or(|p| p.kind != 'p') {
            return;
        }
        for child in self
            .catalogue
            .children
            .get(&fact.relation)
            .into_iter()
            .flatten()
        {
            if fact.act == Move::Delete && self.blocked(*child, fact.act) {
                continue;
            }
            let words = format!(
                "`{}` is a child of it, and no right of its own is asked for",
                self.catalogue.relation_name(*child)
            );
            all.push(fact.on(fact.act, *child, By::Inheritance, words));
        }
    }

    fn keys(&self, fact: &Fact, all: &mut Vec<Fact>) {
        if fact.act == Move::Update && self.blocked(fact.relation, Move::Update) {
            return;
        }
        for key in self.keys_to(fact.relation) {
            let (doing, on) = match fact.act {
                Move::Delete => (key.on_delete, "DELETE"),
                Move::Update => (key.on_update, "UPDATE"),
                _ => return,
            };
            if let (Move::Update, Some(columns)) = (fact.act, &fact.columns)
                && !columns.iter().any(|c| key.to_columns.contains(c))
            {
                continue;
            }
            let (act, words) = match (doing, fact.act) {
                ('c', act) => (act, "CASCADE"),
                ('n', _) => (Move::Update, "SET NULL"),
                ('d', _) => (Move::Update, "SET DEFAULT"),
                _ => continue,
            };
            // The action is a statement of the owner's of the referring table.
            let Some(relation) = self.catalogue.relations.get(&key.from) else {
                continue;
            };
            let owner = self.graph.rights(relation.owner);
            if !self.has(&owner, relation, act.bit()) || !self.usable(&owner, relation.schema) {
                continue;
            }
            if act == Move::Delete && self.blocked(key.from, act) {
                continue;
            }
            let name = self.catalogue.relation_name(key.from);
            let words = format!(
                "`{name}` refers to it with ON {on} {words} (`{}`), which asks for no right",
                key.name
            );
            let mut next = fact.on(act, key.from, By::Cascade, words);
            next.columns = (act == Move::Update).then(|| key.from_columns.clone());
            // It says ONLY, but of a partitioned table, whose rows lie elsewhere.
            next.only = relation.kind != 'p';
            next.before = Some(relation.owner);
            // Until 18 these waited for the end of the statement, and ran as whoever gave it.
            if self.catalogue.major >= AFTER_AS_QUEUED {
                next.after = Some(relation.owner);
            }
            all.push(next);
        }
    }

    fn through_view(&self, fact: &Fact, all: &mut Vec<Fact>) {
        let Some(view) = self.catalogue.relations.get(&fact.relation) else {
            return;
        };
        if view.kind != 'v' || view.invoker || view.updatable & fact.act.updatable() == 0 {
            return;
        }
        let reads = self.catalogue.view_reads.get(&fact.relation);
        let reads = reads.map_or(&[][..], Vec::as_slice);
        for base in reads {
            let Some(reach) = self.can(view.owner, fact.act, *base, false) else {
                continue;
            };
            let name = self.catalogue.relation_name(*base);
            let owner = self.graph.name(view.owner);
            let words = format!("the view writes to `{name}` with the rights of its owner {owner}");
            let mut next = fact.on(fact.act, *base, By::View, words);
            next.columns = reach.columns;
            if reads.len() > 1 {
                next.certainty = Certainty::Depends;
                next.chain.push(
                    "which of the tables that it reads it writes to was not judged".to_owned(),
                );
            }
            next.narrow(reach.certainty, reach.step);
            all.push(next);
        }
    }

    fn rules(&self, fact: &Fact, all: &mut Vec<Fact>, unjudged: &mut Vec<Road>) {
        let here = |rule: &&Rule| rule.relation == fact.relation && rule.event == fact.act.bit();
        for rule in self.catalogue.rules.iter().filter(here) {
            let Some(owner) = self
                .catalogue
                .relations
                .get(&rule.relation)
                .map(|r| r.owner)
            else {
                continue;
            };
            let words = format!(
                "the rule `{}` on it runs with the rights of {}",
                rule.name,
                self.graph.name(owner)
            );
            let mut code = fact.clone();
            code.chain.push(words);
            self.run(&code, owner, Some(&rule.action), By::Rule, all, unjudged);
        }
    }

    fn triggers(&self, fact: &Fact, all: &mut Vec<Fact>, unjudged: &mut Vec<Road>) {
        let set_off = self
            .catalogue
            .triggers
            .iter()
            .filter(|t| t.relation == fact.relation && t.events & fact.act.bit() != 0);
        for trigger in set_off {
            let Some(function) = self.catalogue.functions.get(&trigger.function) else {
                continue;
            };
            // Other code runs as whoever acts, but where a key or other code acts, that is its owner.
            let context = if trigger.before {
                fact.before
            } else {
                fact.after
            };
            let Some(owner) = (if function.definer {
                Some(function.owner)
            } else {
                context
            }) else {
                continue;
            };
            let words = format!(
                "its trigger `{}` runs as {}",
                trigger.name,
                self.graph.name(owner)
            );
            let mut code = fact.clone();
            code.chain.push(words);
            let body = function.readable().then_some(function.body.as_str());
            self.run(&code, owner, body, By::Trigger, all, unjudged);
        }
    }

    /// What code that runs as `owner` adds; a body that is none of SQL's cannot be read.
    pub(super) fn run(
        &self,
        from: &Fact,
        owner: Oid,
        body: Option<&str>,
        by: By,
        all: &mut Vec<Fact>,
        unjudged: &mut Vec<Road>,
    ) {
        // Whose rights are there anyhow, its code adds nothing to.
        if self.holders.contains_key(&owner) {
            return;
        }
        let (facts, unknown) = match body {
            Some(body) => self.code(from, owner, body, by),
            None => (vec![], Some("is not written in SQL or PL/pgSQL".to_owned())),
        };
        all.extend(facts);
        if let Some(why) = unknown {
            let mut chain = from.chain.clone();
            chain.push(format!("what its code does was not judged: it {why}"));
            unjudged.push(Road {
                act: Act::RunAs,
                object: Object::Role {
                    name: self.catalogue.role_name(owner),
                },
                by,
                acting: self.acting(from.actor),
                chain,
                certainty: Certainty::Depends,
                rows: None,
                bytes: None,
                fix: from.fix.clone(),
            });
        }
    }

    /// What a text that runs as `owner` names and may do; and why there may be more.
    fn code(&self, from: &Fact, owner: Oid, body: &str, by: By) -> (Vec<Fact>, Option<String>) {
        let found = text::read(body, |name| self.catalogue.function_names.contains(name));
        let mut all = vec![];
        for (act, schema, name) in found.acts {
            for oid in self.named.get(&name).into_iter().flatten() {
                let Some(relation) = self.catalogue.relations.get(oid) else {
                    continue;
                };
                let in_schema = self.catalogue.schemas.get(&relation.schema);
                if schema.is_some() && schema.as_ref() != in_schema.map(|s| &s.name) {
                    continue;
                }
                let Some(reach) = self.can(owner, act, *oid, true) else {
                    continue;
                };
                let words = format!(
                    "its code says to {} `{}`",
                    act.verb(),
                    self.catalogue.relation_name(*oid)
                );
                let mut next = from.on(act, *oid, by, words);
                next.columns = None;
                // A rule's action is let in by its owner's rights, and runs as whoever sets it off.
                if by != By::Rule {
                    (next.before, next.after) = (Some(owner), Some(owner));
                }
                next.certainty = Certainty::Depends;
                next.narrow(Certainty::Depends, reach.step);
                all.push(next);
            }
        }
        (all, found.unknown)
    }
}
