//! SELECT, VALUES and TABLE, with everything that can stand in them.

use backstop_core::effect::{Bound, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{LockingClause, Node, SelectStmt, WithClause};

use super::super::{limits, names};
use super::Walk;

impl Walk<'_> {
    pub(crate) fn select(&mut self, select: &SelectStmt) {
        let sight = self.sight();
        self.with(select.with_clause.as_ref());
        // Both arms of a set operation, without a recursion for every UNION in a long chain.
        if select.larg.is_some() {
            self.set_operation(select);
        } else {
            self.sources(&select.from_clause);
            self.exprs(&select.target_list);
            self.maybe(select.where_clause.as_deref());
            self.exprs(&select.distinct_clause);
            self.exprs(&select.group_clause);
            self.maybe(select.having_clause.as_deref());
            self.exprs(&select.window_clause);
            self.exprs(&select.values_lists);
        }
        if !select.from_clause.is_empty() || !select.group_clause.is_empty() || self.set_met {
            self.advances_without_bound();
        }
        self.exprs(&select.sort_clause);
        self.maybe(select.limit_offset.as_deref());
        self.maybe(select.limit_count.as_deref());
        self.locks(select);
        if let Some(into) = select.into_clause.as_deref() {
            self.creates(into);
        }
        self.back_to(sight);
    }

    fn set_operation(&mut self, select: &SelectStmt) {
        let mut left = select.larg.as_deref();
        let mut right = select.rarg.as_deref();
        loop {
            if let Some(arm) = right {
                self.descend(|walk| walk.select(arm));
            }
            let Some(next) = left else { break };
            let plain = next.with_clause.is_none()
                && next.sort_clause.is_empty()
                && next.limit_count.is_none()
                && next.limit_offset.is_none()
                && next.locking_clause.is_empty()
                && next.into_clause.is_none();
            if next.larg.is_some() && plain {
                left = next.larg.as_deref();
                right = next.rarg.as_deref();
            } else {
                self.descend(|walk| walk.select(next));
                break;
            }
        }
    }

    /// The common table expressions come into sight; the caller takes them out again.
    pub(crate) fn with(&mut self, with: Option<&WithClause>) {
        let Some(with) = with else { return };
        let expressions = || {
            with.ctes.iter().filter_map(|node| match names::kind(node) {
                Some(NodeEnum::CommonTableExpr(cte)) => Some(cte),
                _ => None,
            })
        };
        if self.ctes.len() + with.ctes.len() > limits::MAX_FOUND {
            self.found
                .incomplete("has more common table expressions than are followed");
            return;
        }
        if with.recursive {
            self.ctes
                .extend(expressions().map(|cte| cte.ctename.clone()));
        }
        for cte in expressions() {
            self.query_node(cte.ctequery.as_deref());
            if let Some(cycle) = &cte.cycle_clause {
                self.maybe(cycle.cycle_mark_value.as_deref());
                self.maybe(cycle.cycle_mark_default.as_deref());
            }
            if !with.recursive {
                self.ctes.push(cte.ctename.clone());
            }
        }
    }

    /// SELECT FOR UPDATE and its kin: rows are locked, none is changed, and a transaction that may write is needed.
    fn locks(&mut self, select: &SelectStmt) {
        for clause in select
            .locking_clause
            .iter()
            .filter_map(|node| match names::kind(node) {
                Some(NodeEnum::LockingClause(clause)) => Some(clause),
                _ => None,
            })
        {
            self.lock_clause(clause, &select.from_clause);
        }
    }

    fn lock_clause(&mut self, clause: &LockingClause, from: &[Node]) {
        let wanted: Vec<&str> = clause
            .locked_rels
            .iter()
            .filter_map(|node| match names::kind(node) {
                Some(NodeEnum::RangeVar(range)) => Some(range.relname.as_str()),
                _ => None,
            })
            .collect();
        if self.planned_only {
            return;
        }
        let mut locked = 0;
        let mut waiting: Vec<&Node> = from.iter().collect();
        while let Some(node) = waiting.pop() {
            match names::kind(node) {
                Some(NodeEnum::RangeVar(range)) => {
                    let named = wanted.is_empty() || wanted.contains(&names::alias_or_name(range));
                    let cte = range.schemaname.is_empty() && self.ctes.contains(&range.relname);
                    if named && !cte {
                        let target = self.resolve(range);
                        self.found.effect(
                            target
                                .effect(EffectKind::Write, Verb::Update)
                                .bounded(Bound::Rows(0))
                                .because("locks rows, changes none"),
                        );
                        locked += 1;
                    }
                }
                Some(NodeEnum::JoinExpr(join)) => {
                    waiting.extend(join.larg.as_deref());
                    waiting.extend(join.rarg.as_deref());
                }
                Some(NodeEnum::RangeTableSample(sample)) => {
                    waiting.extend(sample.relation.as_deref())
                }
                _ => {}
            }
        }
        if locked == 0 {
            // Rows of a subquery or a common table expression: which ones is not worked out here.
            let mut effect =
                backstop_core::effect::Effect::new(EffectKind::Write, Verb::Update, None)
                    .bounded(Bound::Rows(0));
            effect.because = Some("locks rows, changes none".into());
            self.found.effect(effect);
        }
        for effect in &mut self.found.effects {
            if effect.because.as_deref() == Some("locks rows, changes none") {
                effect.reversible = true;
            }
        }
    }

    /// SELECT INTO: a new table.
    fn creates(&mut self, into: &pg_query::protobuf::IntoClause) {
        let Some(range) = &into.rel else { return };
        let (schema, _) = self.place(range);
        self.created_effect(&schema, &range.relname);
    }

    /// Where a new relation would go, and whether that is the session's temporary schema.
    pub(crate) fn place(&mut self, range: &pg_query::protobuf::RangeVar) -> (String, bool) {
        let named = names::schema(range);
        if range.relpersistence == "t"
            || named.is_some_and(|s| s == "pg_temp" || s.starts_with("pg_temp_"))
        {
            return ("pg_temp".to_owned(), true);
        }
        if named.is_none() {
            self.needs_path();
            if self
                .scope
                .path
                .as_ref()
                .and_then(|path| path.first())
                .is_some_and(|first| first == "pg_temp")
            {
                return ("pg_temp".to_owned(), true);
            }
        }
        (
            named.map_or_else(|| self.creation_schema(), str::to_owned),
            false,
        )
    }

    /// A relation comes to be. It is the lease's own.
    pub(crate) fn created_effect(&mut self, schema: &str, name: &str) {
        let mut effect = backstop_core::effect::Effect::new(
            EffectKind::Define,
            Verb::Create,
            super::super::quote::qualified(schema, name),
        );
        effect.own = true;
        effect.system = schema == "pg_catalog" || schema == "information_schema";
        if effect.system {
            effect.kind = EffectKind::Admin;
        }
        self.found.effect(effect);
    }
}
