//! What a write to a relation sets off: triggers, rules, checks, cascades, the tables below and behind it.
//! It must follow every way by which rows or code of others are reached, or say where it stopped.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::RangeVar;

use super::super::catalog::{Event, ExpressionKind, ReferentialAction, Relation, RelationKind};
use super::super::{names, parse, quote, reach};
use super::{Target, Walk};

/// One kind of write, before it meets a target.
#[derive(Debug, Clone)]
pub(crate) struct Write<'c> {
    pub(crate) event: Event,
    pub(crate) kind: EffectKind,
    pub(crate) bound: Bound,
    /// The columns that an UPDATE sets.
    pub(crate) columns: &'c [String],
    /// Whether inheriting tables are written too (no ONLY).
    pub(crate) with_children: bool,
}

impl Event {
    pub(crate) const fn verb(self) -> Verb {
        match self {
            Self::Insert => Verb::Insert,
            Self::Update => Verb::Update,
            Self::Delete => Verb::Delete,
            Self::Truncate => Verb::Truncate,
        }
    }

    const fn rule(self) -> Option<char> {
        match self {
            Self::Insert => Some('3'),
            Self::Update => Some('2'),
            Self::Delete => Some('4'),
            Self::Truncate => None,
        }
    }
}

impl<'a> Walk<'a> {
    /// A write to what a statement names.
    pub(crate) fn write(&mut self, target: &Target<'a>, write: &Write<'_>) {
        if self.planned_only {
            self.found
                .effect(target.effect(EffectKind::Read, Verb::Read));
            return;
        }
        let mut write = write.clone();
        if target.is_temporary() {
            // Rows of the session's own making: nobody else ever saw them.
            write.kind = EffectKind::Write;
        }
        let write = &write;
        let mut effect = target
            .effect(write.kind, write.event.verb())
            .bounded(write.bound);
        if target.is_system() {
            // Rows of the catalogue are the database itself.
            effect = Effect {
                kind: EffectKind::Admin,
                ..effect
            }
            .because("writes to the system catalogue");
        }
        self.found.effect(effect);
        if target.body.is_some() {
            self.found
                .incomplete(format!("writes through the view {}", target.object()));
        }
        if let Some(relation) = target.relation {
            let mut seen = Vec::new();
            self.write_code(relation, write, &mut seen);
        }
    }

    /// What a write sets off, without the write itself.
    pub(crate) fn set_off(&mut self, target: &Target<'a>, write: &Write<'_>) {
        if let Some(relation) = target.relation {
            let mut seen = Vec::new();
            self.write_code(relation, write, &mut seen);
        }
    }

    fn write_code(
        &mut self,
        relation: &'a Relation,
        write: &Write<'_>,
        seen: &mut Vec<(u32, Event)>,
    ) {
        if seen.contains(&(relation.oid, write.event)) {
            return;
        }
        seen.push((relation.oid, write.event));
        let object = quote::qualified(&relation.schema, &relation.name);
        self.unasked_casts(true);
        self.triggers(relation, write.event, &object);
        self.moved_rows(relation, write);
        self.rules(relation, write.event, &object);
        match relation.kind {
            RelationKind::View => self.write_view(relation, write, seen, &object),
            RelationKind::Foreign => self.write_foreign(relation, write.event, &object),
            _ => {}
        }
        self.written_expressions(relation, write.event);
        if write.with_children || write.event == Event::Insert {
            let mut below = Vec::new();
            self.children(relation, &mut |_, child| below.push(child));
            for child in below {
                let printed = quote::qualified(&child.schema, &child.name);
                self.triggers(child, write.event, &printed);
                self.rules(child, write.event, &printed);
                if child.kind == RelationKind::Foreign {
                    self.write_foreign(child, write.event, &printed);
                }
                self.written_expressions(child, write.event);
                self.cascades(child, write, seen);
            }
        }
        self.cascades(relation, write, seen);
    }

    fn triggers(&mut self, relation: &Relation, event: Event, object: &str) {
        for trigger in relation.triggers.iter().filter(|t| t.fires(event)) {
            let system = self
                .catalog
                .function(trigger.function)
                .is_some_and(super::super::catalog::Function::is_system);
            if !system {
                let why = format!("fires trigger {} on {object}", quote::ident(&trigger.name));
                let blind = reach::of_trigger(self.catalog, trigger);
                self.found.unproven_unless(why, blind.as_deref());
            }
        }
    }

    /// An UPDATE that takes a row to another partition deletes it in one and inserts it in the other.
    fn moved_rows(&mut self, relation: &'a Relation, write: &Write<'_>) {
        if write.event != Event::Update || relation.kind != RelationKind::Partitioned {
            return;
        }
        // Every unique key of a partitioned table holds the whole partition key.
        let stays = |key: &Vec<String>| !key.iter().any(|column| write.columns.contains(column));
        if relation.keys.iter().any(stays) {
            return;
        }
        let mut all = vec![relation];
        self.children(relation, &mut |_, child| all.push(child));
        for one in all {
            let object = quote::qualified(&one.schema, &one.name);
            self.triggers(one, Event::Delete, &object);
            self.triggers(one, Event::Insert, &object);
        }
    }

    fn rules(&mut self, relation: &Relation, event: Event, object: &str) {
        for rule in relation
            .rules
            .iter()
            .filter(|r| r.enabled && Some(r.event) == event.rule())
        {
            let why = format!(
                "rule {} on {object} rewrites the statement",
                quote::ident(&rule.name)
            );
            let blind = reach::of_text(self.catalog, &rule.definition);
            self.found.unproven_unless(why, blind.as_deref());
        }
    }

    fn write_foreign(&mut self, _relation: &Relation, event: Event, object: &str) {
        self.found.effect(
            Effect::new(EffectKind::Escape, event.verb(), object.to_owned())
                .because("writes to another server through a foreign table"),
        );
    }

    fn written_expressions(&mut self, relation: &'a Relation, event: Event) {
        if event == Event::Truncate {
            return;
        }
        self.expressions(relation, |kind| match kind {
            ExpressionKind::Default => event == Event::Insert || event == Event::Update,
            ExpressionKind::Written | ExpressionKind::Generated => event != Event::Delete,
            ExpressionKind::Policy => relation.row_security,
        });
        self.columns_with_code(relation);
    }

    /// A simple view hands the write on to the one relation that it reads.
    fn write_view(
        &mut self,
        relation: &'a Relation,
        write: &Write<'_>,
        seen: &mut Vec<(u32, Event)>,
        object: &str,
    ) {
        let body = self.view_body(relation);
        self.found.reach(&body, object);
        let replaced = relation
            .triggers
            .iter()
            .any(|t| t.fires(write.event) && t.bits & 64 != 0);
        if replaced || seen.len() > 64 {
            return;
        }
        let base = relation.definition.as_deref().and_then(base_of_view);
        let base = base.and_then(|(schema, name)| self.catalog.relation(&schema, &name));
        let Some(base) = base else {
            self.found
                .incomplete(format!("writes through the view {object}"));
            return;
        };
        let target = self.known(base);
        let mut effect = target
            .effect(write.kind, write.event.verb())
            .bounded(write.bound);
        effect.because = Some(format!("through the view {object}"));
        self.found.effect(effect);
        // The view's column names need not be the base's: every column may be meant.
        let all = base.columns.clone();
        self.write_code(
            base,
            &Write {
                columns: &all,
                ..write.clone()
            },
            seen,
        );
    }

    /// Foreign keys that point here and act on the rows that refer.
    fn cascades(
        &mut self,
        relation: &'a Relation,
        write: &Write<'_>,
        seen: &mut Vec<(u32, Event)>,
    ) {
        for key in &relation.referenced_by {
            let action = match write.event {
                Event::Delete => key.on_delete,
                Event::Update if key.columns.iter().any(|c| write.columns.contains(c)) => {
                    key.on_update
                }
                _ => continue,
            };
            let event = match (action, write.event) {
                (ReferentialAction::Refuse, _) => continue,
                (ReferentialAction::Cascade, Event::Delete) => Event::Delete,
                (ReferentialAction::Cascade | ReferentialAction::Set, _) => Event::Update,
            };
            let Some(child) = self.catalog.relation_by_oid(key.from) else {
                self.found.incomplete(format!(
                    "cascades along the foreign key {}",
                    quote::ident(&key.name)
                ));
                continue;
            };
            let target = self.known(child);
            let from = quote::qualified(&relation.schema, &relation.name);
            self.found.effect(
                target
                    .effect(write.kind, event.verb())
                    .bounded(Bound::Unbounded)
                    .because(format!(
                        "cascades from {from} along {}",
                        quote::ident(&key.name)
                    )),
            );
            self.found.relation(super::super::script::ResolvedRelation {
                schema: child.schema.clone(),
                name: child.name.clone(),
                oid: child.oid,
            });
            let columns = child.columns.clone();
            let further = Write {
                event,
                kind: write.kind,
                bound: Bound::Unbounded,
                columns: &columns,
                with_children: true,
            };
            self.write_code(child, &further, seen);
        }
    }

    /// Every table that TRUNCATE ... CASCADE empties with these, or would refuse to leave.
    pub(crate) fn truncated_with(&self, relation: &'a Relation) -> Vec<&'a Relation> {
        let mut found: Vec<&Relation> = Vec::new();
        let mut waiting = vec![relation];
        while let Some(next) = waiting.pop() {
            if found.iter().any(|known| known.oid == next.oid) {
                continue;
            }
            found.push(next);
            let below = next
                .children
                .iter()
                .chain(next.referenced_by.iter().map(|key| &key.from));
            waiting.extend(below.filter_map(|oid| self.catalog.relation_by_oid(*oid)));
        }
        found.retain(|known| known.oid != relation.oid);
        found
    }
}

/// The one relation behind a view that PostgreSQL would update through.
fn base_of_view(definition: &str) -> Option<(String, String)> {
    parse::with_stack(definition, || {
        let Some(NodeEnum::SelectStmt(select)) = parse::parse_one(definition) else {
            return None;
        };
        let [from] = select.from_clause.as_slice() else {
            return None;
        };
        match names::kind(from)? {
            NodeEnum::RangeVar(RangeVar {
                schemaname,
                relname,
                ..
            }) if !schemaname.is_empty() => Some((schemaname.clone(), relname.clone())),
            _ => None,
        }
    })
    .ok()
    .flatten()
}
