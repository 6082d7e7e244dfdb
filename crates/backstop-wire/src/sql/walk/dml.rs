//! INSERT, UPDATE, DELETE and MERGE: how many rows of which table.
//! It must read a condition that holds for every row as none at all.

use backstop_core::effect::{Bound, EffectKind};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, DeleteStmt, InsertStmt, MergeMatchKind, MergeStmt, MergeWhenClause, Node,
    OnConflictAction, RangeVar, ReturningClause, SelectStmt, UpdateStmt,
};

use super::super::catalog::Event;
use super::super::names;
use super::bounds::{self, Pinning};
use super::types::TRUSTED_EXTENSIONS;
use super::write::Write;
use super::{Target, Walk};

impl<'a> Walk<'a> {
    pub(crate) fn insert(&mut self, insert: &InsertStmt) {
        let sight = self.sight();
        self.with(insert.with_clause.as_ref());
        let Some(range) = &insert.relation else {
            self.found.incomplete("inserts into nothing");
            return;
        };
        let target = self.resolve(range);
        self.see_relation(&target, range);
        self.mark(range.location);
        self.exprs(&insert.cols);
        let rows = self.inserted_rows(insert.select_stmt.as_deref());
        let write = Write {
            event: Event::Insert,
            kind: EffectKind::Write,
            bound: rows,
            columns: &[],
            with_children: true,
        };
        self.write(&target, &write);
        if let Some(conflict) = &insert.on_conflict_clause {
            if let Some(infer) = &conflict.infer {
                self.exprs(&infer.index_elems);
                self.maybe(infer.where_clause.as_deref());
            }
            self.exprs(&conflict.target_list);
            self.maybe(conflict.where_clause.as_deref());
            if conflict.action == OnConflictAction::OnconflictUpdate as i32 {
                let columns = set_columns(&conflict.target_list);
                self.write(
                    &target,
                    &Write {
                        event: Event::Update,
                        columns: &columns,
                        ..write
                    },
                );
            }
        }
        self.returning(insert.returning_clause.as_ref());
        self.back_to(sight);
    }

    /// Walks the source of an INSERT and says at most how many rows it gives.
    fn inserted_rows(&mut self, source: Option<&Node>) -> Bound {
        let Some(source) = source else {
            return Bound::Rows(1);
        };
        let sets = std::mem::replace(&mut self.set_met, false);
        self.query_node(Some(source));
        let set_met = std::mem::replace(&mut self.set_met, sets);
        match names::kind(source) {
            Some(NodeEnum::SelectStmt(select)) => rows_of(select, set_met),
            _ => Bound::Unbounded,
        }
    }

    pub(crate) fn update(&mut self, update: &UpdateStmt) {
        let sight = self.sight();
        self.with(update.with_clause.as_ref());
        let Some(range) = &update.relation else {
            self.found.incomplete("updates nothing");
            return;
        };
        let target = self.resolve(range);
        self.see_relation(&target, range);
        self.mark(range.location);
        self.sources(&update.from_clause);
        self.exprs(&update.target_list);
        let (kind, bound) = self.reach_of(
            &target,
            range,
            update.where_clause.as_deref(),
            !update.from_clause.is_empty(),
        );
        let columns = set_columns(&update.target_list);
        self.write(
            &target,
            &Write {
                event: Event::Update,
                kind,
                bound,
                columns: &columns,
                with_children: range.inh,
            },
        );
        self.returning(update.returning_clause.as_ref());
        self.back_to(sight);
    }

    pub(crate) fn delete(&mut self, delete: &DeleteStmt) {
        let sight = self.sight();
        self.with(delete.with_clause.as_ref());
        let Some(range) = &delete.relation else {
            self.found.incomplete("deletes from nothing");
            return;
        };
        let target = self.resolve(range);
        self.see_relation(&target, range);
        self.mark(range.location);
        self.sources(&delete.using_clause);
        let (kind, bound) = self.reach_of(
            &target,
            range,
            delete.where_clause.as_deref(),
            !delete.using_clause.is_empty(),
        );
        self.write(
            &target,
            &Write {
                event: Event::Delete,
                kind,
                bound,
                columns: &[],
                with_children: range.inh,
            },
        );
        self.returning(delete.returning_clause.as_ref());
        self.back_to(sight);
    }

    /// Walks a condition and says what it leaves of the target: a bounded or unbounded part, or all of it.
    fn reach_of(
        &mut self,
        target: &Target<'a>,
        range: &RangeVar,
        condition: Option<&Node>,
        joined: bool,
    ) -> (EffectKind, Bound) {
        let Some(condition) = condition else {
            return (EffectKind::Destroy, Bound::Unbounded);
        };
        let cursor = matches!(names::kind(condition), Some(NodeEnum::CurrentOfExpr(_)));
        let outer = self.owners_met.replace(Vec::new());
        self.expr(condition);
        let owners = std::mem::replace(&mut self.owners_met, outer).unwrap_or_default();
        // A condition that looks at no column of the target holds for all of its rows or for none.
        let name = names::alias_or_name(range);
        let looks = owners
            .iter()
            .any(|owner| owner.as_deref().is_none_or(|owner| owner == name));
        let blind = !looks && !cursor;
        if blind || bounds::always_true(condition) {
            return (EffectKind::Destroy, Bound::Unbounded);
        }
        if cursor {
            return (EffectKind::Write, Bound::Rows(1));
        }
        if self.equality_is_captured() {
            return (EffectKind::Write, Bound::Unbounded);
        }
        let parameter_types = self.pinning_types();
        let pinning = Pinning {
            name: names::alias_or_name(range),
            joined,
            parameter_types: &parameter_types,
            with_children: range.inh,
            assumed: self.catalog.assume_tables,
        };
        (
            EffectKind::Write,
            bounds::bound(target.relation, Some(condition), &pinning),
        )
    }

    /// Whether `=` could mean somebody's own operator. Whatever is behind it, a key is not unique under it.
    fn equality_is_captured(&self) -> bool {
        let path = self.path();
        self.catalog.operators_named("=").iter().any(|operator| {
            let trusted = operator
                .extension
                .as_deref()
                .is_some_and(|e| TRUSTED_EXTENSIONS.contains(&e));
            &*operator.schema != "pg_catalog" && !trusted && path.contains(&&*operator.schema)
        })
    }

    /// The declared types of parameters; an enum's values are compared as what they are.
    fn pinning_types(&self) -> Vec<u32> {
        let is_enum = |oid: u32| self.catalog.type_by_oid(oid).is_some_and(|t| t.kind == 'e');
        let types = self.scope.parameter_types.iter();
        types
            .map(|oid| if is_enum(*oid) { 0 } else { *oid })
            .collect()
    }

    pub(crate) fn merge(&mut self, merge: &MergeStmt) {
        let sight = self.sight();
        self.with(merge.with_clause.as_ref());
        let Some(range) = &merge.relation else {
            self.found.incomplete("merges into nothing");
            return;
        };
        let target = self.resolve(range);
        self.see_relation(&target, range);
        self.mark(range.location);
        if let Some(source) = merge.source_relation.as_deref() {
            self.sources(std::slice::from_ref(source));
        }
        let reach = self.reach_of(&target, range, merge.join_condition.as_deref(), true);
        let incoming = merge
            .source_relation
            .as_deref()
            .map_or(Bound::Unbounded, source_rows);
        for node in &merge.merge_when_clauses {
            if let Some(NodeEnum::MergeWhenClause(when)) = names::kind(node) {
                self.merge_arm(&target, range, when, reach, incoming);
            }
        }
        self.returning(merge.returning_clause.as_ref());
        self.back_to(sight);
    }

    fn merge_arm(
        &mut self,
        target: &Target<'a>,
        range: &RangeVar,
        when: &MergeWhenClause,
        reach: (EffectKind, Bound),
        incoming: Bound,
    ) {
        let before = self.columns_met;
        self.maybe(when.condition.as_deref());
        let conditioned = when
            .condition
            .as_deref()
            .is_some_and(|c| !bounds::always_true(c))
            && self.columns_met > before;
        self.exprs(&when.target_list);
        self.exprs(&when.values);
        let by_source = when.match_kind == MergeMatchKind::MergeWhenNotMatchedBySource as i32;
        let (kind, bound) = match (by_source, conditioned, reach) {
            // Every row that the source does not name.
            (true, false, _) => (EffectKind::Destroy, Bound::Unbounded),
            (true, true, _) | (false, true, (EffectKind::Destroy, _)) => {
                (EffectKind::Write, Bound::Unbounded)
            }
            (false, _, reach) => reach,
        };
        let columns = set_columns(&when.target_list);
        let write = |event, kind, bound| Write {
            event,
            kind,
            bound,
            columns: &columns,
            with_children: range.inh,
        };
        match CmdType::try_from(when.command_type) {
            Ok(CmdType::CmdInsert) => {
                self.write(target, &write(Event::Insert, EffectKind::Write, incoming))
            }
            Ok(CmdType::CmdUpdate) => self.write(target, &write(Event::Update, kind, bound)),
            Ok(CmdType::CmdDelete) => self.write(target, &write(Event::Delete, kind, bound)),
            Ok(CmdType::CmdNothing) => {}
            _ => self.found.incomplete("merges in a way that is not known"),
        }
    }

    fn returning(&mut self, clause: Option<&ReturningClause>) {
        if let Some(clause) = clause {
            self.exprs(&clause.exprs);
        }
    }
}

/// The columns that a SET list changes: all that it names, but for those that it sets to themselves.
fn set_columns(targets: &[Node]) -> Vec<String> {
    targets
        .iter()
        .filter_map(|node| match names::kind(node) {
            Some(NodeEnum::ResTarget(target)) => Some(&**target),
            _ => None,
        })
        .filter(|target| match names::inner(target.val.as_deref()) {
            Some(NodeEnum::ColumnRef(value)) if target.indirection.is_empty() => {
                value.fields.len() != 1 || names::parts(&value.fields) != [&target.name]
            }
            _ => true,
        })
        .map(|target| target.name.clone())
        .collect()
}

/// At most how many rows a query gives, by its form alone.
fn rows_of(select: &SelectStmt, set_met: bool) -> Bound {
    let own = if select.group_clause.iter().any(is_grouping_set) {
        // Even without FROM each empty set is a row, and sets are multiplied with each other.
        Bound::Unbounded
    } else if !select.values_lists.is_empty() {
        // A single row of VALUES is a select list, in which functions may give many rows.
        if set_met {
            Bound::Unbounded
        } else {
            Bound::Rows(select.values_lists.len() as u64)
        }
    } else if select.op > 1 {
        match (select.larg.as_deref(), select.rarg.as_deref()) {
            (Some(left), Some(right)) if select.larg.as_deref().is_none_or(|l| l.op <= 1) => {
                super::findings::sum(rows_of(left, set_met), rows_of(right, set_met))
            }
            _ => Bound::Unbounded,
        }
    } else if select.from_clause.is_empty() && !set_met {
        Bound::Rows(1)
    } else {
        unnested_rows(select).map_or(Bound::Unbounded, Bound::Rows)
    };
    let ties = select.limit_option == pg_query::protobuf::LimitOption::WithTies as i32;
    let limit = select
        .limit_count
        .as_deref()
        .filter(|_| !ties)
        .and_then(names::count_constant);
    match (own, limit) {
        (Bound::Rows(rows), Some(limit)) => Bound::Rows(rows.min(limit)),
        (_, Some(limit)) => Bound::Rows(limit),
        (own, None) => own,
    }
}

fn is_grouping_set(node: &Node) -> bool {
    matches!(names::kind(node), Some(NodeEnum::GroupingSet(_)))
}

/// `SELECT columns FROM unnest(arrays written out)`, as ORMs insert many rows: as many as the longest array has.
fn unnested_rows(select: &SelectStmt) -> Option<u64> {
    // `u.name` could call a function that gives many rows; a bare name cannot.
    let plain = select.target_list.iter().all(|target| {
        matches!(names::kind(target), Some(NodeEnum::ResTarget(t))
            if matches!(names::inner(t.val.as_deref()), Some(NodeEnum::ColumnRef(c)) if c.fields.len() == 1))
    });
    let [from] = select.from_clause.as_slice() else {
        return None;
    };
    let Some(NodeEnum::RangeFunction(range)) = names::kind(from) else {
        return None;
    };
    let ([function], true) = (range.functions.as_slice(), plain) else {
        return None;
    };
    let Some(NodeEnum::List(parts)) = names::kind(function) else {
        return None;
    };
    let Some(NodeEnum::FuncCall(call)) = parts.items.first().and_then(names::kind) else {
        return None;
    };
    let (schema, name) = names::schema_and_name(&call.funcname)?;
    if name != "unnest" || schema.is_some_and(|s| s != "pg_catalog") {
        return None;
    }
    call.args
        .iter()
        .map(constant_elements)
        .try_fold(0, |most, n| Some(n?.max(most)))
}

/// At most how many elements a constant array has when it is unnested: every comma may part two of them.
/// What is no array may have more (`tsvector`, `int2vector`), and is not counted.
fn constant_elements(node: &Node) -> Option<u64> {
    match names::kind(node)? {
        NodeEnum::AConst(constant) => match constant.val.as_ref() {
            Some(pg_query::protobuf::a_const::Val::Sval(text)) => {
                Some(text.sval.matches(',').count() as u64 + 1)
            }
            _ => Some(1),
        },
        NodeEnum::TypeCast(cast) if bounds::is_array(cast) => {
            constant_elements(cast.arg.as_deref()?)
        }
        NodeEnum::AArrayExpr(array) => array.elements.iter().try_fold(0, |sum: u64, element| {
            let of_one = match names::kind(element) {
                Some(NodeEnum::TypeCast(cast)) if !bounds::is_array(cast) => 1,
                _ => constant_elements(element)?,
            };
            Some(sum.saturating_add(of_one))
        }),
        _ => None,
    }
}

/// At most how many rows the source of a MERGE gives.
fn source_rows(source: &Node) -> Bound {
    match names::kind(source) {
        Some(NodeEnum::RangeSubselect(sub)) => match names::inner(sub.subquery.as_deref()) {
            Some(NodeEnum::SelectStmt(select)) => rows_of(select, true),
            _ => Bound::Unbounded,
        },
        _ => Bound::Unbounded,
    }
}
