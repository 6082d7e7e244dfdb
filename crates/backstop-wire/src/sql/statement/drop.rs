//! DROP and TRUNCATE: what goes, and what goes with it.
//! It must not leave out what CASCADE takes along; where the catalogue cannot tell, it says so.

use backstop_core::effect::{Bound, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    DropBehavior, DropOwnedStmt, DropStmt, DropSubscriptionStmt, DropTableSpaceStmt, DropdbStmt,
    Node, ObjectType, TruncateStmt,
};

use super::super::catalog::{Event, Relation};
use super::super::walk::{Target, Write};
use super::super::{names, quote};
use super::Judge;

impl<'a> Judge<'a> {
    pub(super) fn drop(&mut self, s: &DropStmt) {
        self.structure();
        self.forgets = true;
        if s.concurrent {
            self.outside_transaction();
        }
        let cascade = s.behavior == DropBehavior::DropCascade as i32;
        let kind = ObjectType::try_from(s.remove_type).unwrap_or(ObjectType::Undefined);
        for object in &s.objects {
            match kind {
                ObjectType::ObjectTable
                | ObjectType::ObjectView
                | ObjectType::ObjectMatview
                | ObjectType::ObjectSequence
                | ObjectType::ObjectForeignTable
                | ObjectType::ObjectIndex => self.drop_relation(object, cascade),
                ObjectType::ObjectSchema => self.drop_schema(object, cascade),
                ObjectType::ObjectPolicy | ObjectType::ObjectTrigger | ObjectType::ObjectRule => {
                    self.drop_guard(object, kind)
                }
                _ => self.drop_other(object, kind, cascade),
            }
        }
    }

    fn drop_relation(&mut self, object: &Node, cascade: bool) {
        let Some((schema, name)) = names::dotted(object) else {
            self.walk.found.incomplete("drops something without a name");
            return;
        };
        let target = self.walk.resolve_name(schema, name);
        self.destroy(&target, Verb::Drop, None);
        let dependents = target
            .relation
            .map(|r| self.dependents(r))
            .unwrap_or_default();
        for dependent in &dependents {
            let also = self.walk.known(dependent);
            if cascade {
                self.destroy(
                    &also,
                    Verb::Drop,
                    Some(format!("cascades from {}", target.object())),
                );
            }
        }
        for (kept, key) in target
            .relation
            .map(|r| self.lost_keys(r))
            .unwrap_or_default()
        {
            if cascade {
                let also = self.walk.known(kept);
                self.destroy(
                    &also,
                    Verb::Alter,
                    Some(format!("loses the foreign key {}", quote::ident(&key))),
                );
            }
        }
        if cascade && !target.is_temporary() {
            self.walk.found.incomplete(format!(
                "also drops whatever else depends on {}",
                target.object()
            ));
        }
    }

    fn destroy(&mut self, target: &Target<'_>, verb: Verb, because: Option<String>) {
        let kind = if target.is_temporary() {
            EffectKind::Define
        } else {
            EffectKind::Destroy
        };
        let mut effect = target.effect(kind, verb);
        if target.is_system() {
            effect.kind = EffectKind::Admin;
        }
        effect.because = because;
        self.walk.found.effect(effect);
    }

    /// Views over a relation, and its partitions: they go with it.
    fn dependents(&self, relation: &'a Relation) -> Vec<&'a Relation> {
        let catalog = self.walk.catalog;
        let mut found: Vec<&Relation> = Vec::new();
        let mut waiting = vec![relation];
        while let Some(next) = waiting.pop() {
            if found.iter().any(|known| known.oid == next.oid) {
                continue;
            }
            found.push(next);
            waiting.extend(
                next.read_by
                    .iter()
                    .chain(&next.children)
                    .filter_map(|oid| catalog.relation_by_oid(*oid)),
            );
        }
        found.retain(|known| known.oid != relation.oid);
        found
    }

    fn lost_keys(&self, relation: &'a Relation) -> Vec<(&'a Relation, String)> {
        let catalog = self.walk.catalog;
        relation
            .referenced_by
            .iter()
            .filter(|key| key.from != relation.oid)
            .filter_map(|key| Some((catalog.relation_by_oid(key.from)?, key.name.clone())))
            .collect()
    }

    fn drop_schema(&mut self, object: &Node, cascade: bool) {
        let Some((_, name)) = names::dotted(object) else {
            return;
        };
        self.effect(
            EffectKind::Destroy,
            Verb::Drop,
            quote::ident(name),
            "drops a schema",
        );
        if cascade {
            let catalog = self.walk.catalog;
            let mut inside: Vec<&Relation> = catalog
                .relations()
                .filter(|relation| relation.schema == name)
                .collect();
            inside.sort_by(|a, b| a.name.cmp(&b.name));
            for relation in inside {
                let also = self.walk.known(relation);
                self.destroy(
                    &also,
                    Verb::Drop,
                    Some(format!("goes with the schema {}", quote::ident(name))),
                );
            }
            self.walk.found.incomplete(format!(
                "also drops whatever else is in {} or depends on it",
                quote::ident(name)
            ));
        }
    }

    /// Policies, triggers and rules guard their table: dropping one is a change of safeguards.
    fn drop_guard(&mut self, object: &Node, kind: ObjectType) {
        let parts = match names::kind(object) {
            Some(NodeEnum::List(list)) => names::parts(&list.items),
            _ => Vec::new(),
        };
        let Some((guard, table)) = parts.split_last() else {
            self.walk.found.incomplete("drops something without a name");
            return;
        };
        let target = match table {
            [.., schema, name] => self.walk.resolve_name(Some(schema), name),
            [name] => self.walk.resolve_name(None, name),
            [] => {
                self.walk
                    .found
                    .incomplete("drops something without a table");
                return;
            }
        };
        let effect = target.effect(EffectKind::Admin, Verb::Alter);
        self.walk.found.effect(effect.because(format!(
            "drops the {} {}",
            word(kind),
            quote::ident(guard)
        )));
    }

    fn drop_other(&mut self, object: &Node, kind: ObjectType, cascade: bool) {
        let printed = match names::dotted(object) {
            Some((Some(schema), name)) => quote::qualified(schema, name),
            Some((None, name)) => quote::ident(name),
            None => word(kind).to_owned(),
        };
        let effect_kind = match kind {
            ObjectType::ObjectPublication
            | ObjectType::ObjectEventTrigger
            | ObjectType::ObjectForeignServer
            | ObjectType::ObjectFdw
            | ObjectType::ObjectCast
            | ObjectType::ObjectOperator
            | ObjectType::ObjectOpclass
            | ObjectType::ObjectOpfamily
            | ObjectType::ObjectLanguage
            | ObjectType::ObjectTransform
            | ObjectType::ObjectAccessMethod => EffectKind::Admin,
            _ => EffectKind::Destroy,
        };
        self.effect(
            effect_kind,
            Verb::Drop,
            printed.clone(),
            &format!("drops a {}", word(kind)),
        );
        if cascade {
            self.walk
                .found
                .incomplete(format!("also drops whatever depends on {printed}"));
        }
    }

    pub(super) fn truncate(&mut self, s: &TruncateStmt) {
        let cascade = s.behavior == DropBehavior::DropCascade as i32;
        for node in &s.relations {
            let Some(NodeEnum::RangeVar(range)) = names::kind(node) else {
                continue;
            };
            let target = self.walk.resolve(range);
            self.walk.mark(range.location);
            self.truncate_one(&target, None);
            let Some(relation) = target.relation else {
                continue;
            };
            let also = if cascade {
                self.walk.truncated_with(relation)
            } else {
                self.partitions(relation, range.inh)
            };
            for other in also {
                let also = self.walk.known(other);
                self.truncate_one(&also, Some(format!("goes with {}", target.object())));
            }
        }
        if cascade && self.walk.catalog.assume_tables {
            self.walk
                .found
                .incomplete("also truncates whatever refers to these tables");
        }
    }

    fn partitions(&mut self, relation: &'a Relation, with_children: bool) -> Vec<&'a Relation> {
        let mut found = Vec::new();
        if with_children {
            self.walk
                .children(relation, &mut |_, child| found.push(child));
        }
        found
    }

    fn truncate_one(&mut self, target: &Target<'a>, because: Option<String>) {
        let write = Write {
            event: Event::Truncate,
            kind: EffectKind::Destroy,
            bound: Bound::Unbounded,
            columns: &[],
            with_children: false,
        };
        match because {
            None => self.walk.write(target, &write),
            Some(why) => {
                let effect = target
                    .effect(EffectKind::Destroy, Verb::Truncate)
                    .bounded(Bound::Unbounded)
                    .because(why);
                self.walk.found.effect(effect);
                self.walk.set_off(target, &write);
            }
        }
    }

    pub(super) fn drop_owned(&mut self, s: &DropOwnedStmt) {
        self.structure();
        self.forgets = true;
        for role in &s.roles {
            let name = super::admin::role(Some(role));
            self.effect(
                EffectKind::Destroy,
                Verb::Drop,
                name.clone(),
                "drops everything that a role owns",
            );
            self.effect(
                EffectKind::Admin,
                Verb::Other,
                name,
                "revokes everything that a role was granted",
            );
        }
        self.walk.found.incomplete("drops whatever those roles own");
    }

    pub(super) fn drop_database(&mut self, s: &DropdbStmt) {
        self.outside_transaction();
        self.effect(
            EffectKind::Destroy,
            Verb::Drop,
            quote::ident(&s.dbname),
            "drops a whole database",
        );
    }

    pub(super) fn drop_tablespace(&mut self, s: &DropTableSpaceStmt) {
        self.outside_transaction();
        self.effect(
            EffectKind::Destroy,
            Verb::Drop,
            quote::ident(&s.tablespacename),
            "drops a tablespace",
        );
    }

    pub(super) fn drop_subscription(&mut self, s: &DropSubscriptionStmt) {
        self.outside_transaction();
        self.effect(
            EffectKind::Destroy,
            Verb::Drop,
            quote::ident(&s.subname),
            "drops a subscription and its slot on another server",
        );
        self.effect(
            EffectKind::Escape,
            Verb::Drop,
            quote::ident(&s.subname),
            "reaches another server",
        );
    }
}

/// What an object is called in a sentence.
pub(super) fn word(kind: ObjectType) -> &'static str {
    match kind {
        ObjectType::ObjectFunction => "function",
        ObjectType::ObjectProcedure => "procedure",
        ObjectType::ObjectRoutine => "routine",
        ObjectType::ObjectAggregate => "aggregate",
        ObjectType::ObjectType | ObjectType::ObjectDomain => "type",
        ObjectType::ObjectExtension => "extension",
        ObjectType::ObjectPolicy => "policy",
        ObjectType::ObjectTrigger => "trigger",
        ObjectType::ObjectRule => "rule",
        ObjectType::ObjectOperator => "operator",
        ObjectType::ObjectCast => "cast",
        ObjectType::ObjectPublication => "publication",
        ObjectType::ObjectForeignServer => "server",
        ObjectType::ObjectFdw => "foreign-data wrapper",
        ObjectType::ObjectEventTrigger => "event trigger",
        ObjectType::ObjectStatisticExt => "statistics object",
        ObjectType::ObjectColumn => "column",
        ObjectType::ObjectTable => "table",
        ObjectType::ObjectView => "view",
        ObjectType::ObjectMatview => "materialised view",
        ObjectType::ObjectIndex => "index",
        ObjectType::ObjectSequence => "sequence",
        ObjectType::ObjectSchema => "schema",
        ObjectType::ObjectRole => "role",
        ObjectType::ObjectDatabase => "database",
        _ => "database object",
    }
}
