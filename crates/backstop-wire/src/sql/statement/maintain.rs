//! VACUUM, ANALYZE, CLUSTER, REINDEX and REFRESH: what rewrites without changing what is stored.

use backstop_core::effect::{Bound, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    ClusterStmt, RangeVar, RefreshMatViewStmt, ReindexObjectType, ReindexStmt, VacuumStmt,
};

use super::super::names;
use super::Judge;

impl Judge<'_> {
    pub(super) fn vacuum(&mut self, s: &VacuumStmt) {
        let full = names::option_is_on(&s.options, "full");
        let (kind, why) = match (s.is_vacuumcmd, full) {
            (true, true) => (
                EffectKind::Admin,
                "rewrites the whole table and keeps everybody waiting",
            ),
            (true, false) => (EffectKind::Define, "vacuums"),
            (false, _) => (EffectKind::Write, "gathers statistics, changes no rows"),
        };
        if s.is_vacuumcmd {
            self.outside_transaction();
        }
        let ranges: Vec<&RangeVar> = s
            .rels
            .iter()
            .filter_map(|node| match names::kind(node) {
                Some(NodeEnum::VacuumRelation(relation)) => relation.relation.as_ref(),
                _ => None,
            })
            .collect();
        if ranges.is_empty() {
            self.effect(
                if kind == EffectKind::Write {
                    EffectKind::Define
                } else {
                    kind
                },
                Verb::Other,
                None,
                why,
            );
        }
        for range in ranges {
            let target = self.walk.resolve(range);
            let mut effect = target.effect(kind, Verb::Other).because(why);
            if kind == EffectKind::Write {
                effect = effect.bounded(Bound::Rows(0));
                effect.reversible = true;
            }
            self.walk.found.effect(effect);
            if let Some(relation) = target.relation {
                // Index expressions run when statistics about them are gathered.
                self.walk.expressions(relation, |kind| {
                    kind == super::super::catalog::ExpressionKind::Written
                });
            }
        }
    }

    pub(super) fn cluster(&mut self, s: &ClusterStmt) {
        match &s.relation {
            Some(range) => self.on(
                range,
                EffectKind::Admin,
                Verb::Other,
                "rewrites the whole table and keeps everybody waiting",
            ),
            None => {
                self.outside_transaction();
                self.effect(
                    EffectKind::Admin,
                    Verb::Other,
                    None,
                    "rewrites every clustered table",
                );
            }
        }
    }

    pub(super) fn reindex(&mut self, s: &ReindexStmt) {
        let concurrently = names::option_is_on(&s.params, "concurrently");
        match ReindexObjectType::try_from(s.kind) {
            Ok(ReindexObjectType::ReindexObjectIndex | ReindexObjectType::ReindexObjectTable) => {
                if concurrently {
                    self.outside_transaction();
                }
                if let Some(range) = &s.relation {
                    self.on(range, EffectKind::Define, Verb::Alter, "rebuilds indexes");
                }
            }
            _ => {
                self.outside_transaction();
                self.effect(
                    EffectKind::Admin,
                    Verb::Other,
                    s.name.clone(),
                    "rebuilds every index of a schema or database",
                );
            }
        }
    }

    pub(super) fn refresh(&mut self, s: &RefreshMatViewStmt) {
        self.structure();
        let Some(range) = &s.relation else { return };
        let target = self.walk.resolve(range);
        let effect = target
            .effect(EffectKind::Write, Verb::Update)
            .bounded(Bound::Unbounded);
        let mut effect = effect.because("computes the materialised view anew");
        effect.reversible = true;
        self.walk.found.effect(effect);
        match target.relation {
            Some(relation) => {
                let body = self.walk.view_body(relation);
                self.walk.found.reach(&body, &target.object());
            }
            None => self.walk.found.incomplete(format!(
                "runs the query of {}, which the gate cannot see",
                target.object()
            )),
        }
    }

    /// An effect on a relation that a statement names.
    pub(super) fn on(&mut self, range: &RangeVar, kind: EffectKind, verb: Verb, why: &str) {
        self.walk.mark(range.location);
        let target = self.walk.resolve(range);
        let mut effect = target.effect(kind, verb).because(why);
        if target.is_temporary() && matches!(kind, EffectKind::Destroy | EffectKind::Admin) {
            // Nobody else can see it, and nobody else's data is in it.
            effect.kind = EffectKind::Define;
        }
        if target.is_system() && kind != EffectKind::Read {
            effect.kind = effect.kind.max(EffectKind::Admin);
        }
        self.walk.found.effect(effect);
    }
}
