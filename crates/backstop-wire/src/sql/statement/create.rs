//! CREATE of what holds data: tables, sequences, indexes, schemas, views; and COMMENT.
//! It must find code that a definition plants for others to run later.

use backstop_core::effect::{Effect, EffectKind, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CommentStmt, ConstrType, Constraint, CreateSchemaStmt, CreateSeqStmt, CreateStatsStmt,
    CreateStmt, CreateTableAsStmt, IndexStmt, IntoClause, Node, OnCommitAction, RangeVar,
    SelectStmt, ViewStmt,
};

use super::super::session::Created;
use super::super::walk::{Findings, Walk};
use super::super::{names, quote};
use super::Judge;

impl Judge<'_> {
    pub(super) fn create_table(&mut self, s: &CreateStmt) {
        self.structure();
        let Some(range) = &s.relation else { return };
        let object = self.created(
            range,
            s.if_not_exists,
            s.oncommit == OnCommitAction::OncommitDrop as i32,
            None,
        );
        for parent in &s.inh_relations {
            if let Some(NodeEnum::RangeVar(parent)) = names::kind(parent) {
                self.on(
                    parent,
                    EffectKind::Define,
                    Verb::Alter,
                    "gets a table below it",
                );
            }
        }
        if let Some(name) = &s.of_typename {
            self.walk.type_name(name);
        }
        for element in &s.table_elts {
            self.table_element(element, &object);
        }
        for constraint in &s.constraints {
            self.table_element(constraint, &object);
        }
        if let Some(partition) = &s.partspec {
            for part in &partition.part_params {
                self.planted(part, &object, "a partition key");
            }
        }
        if let Some(bound) = &s.partbound {
            self.walk.exprs(&bound.listdatums);
            self.walk.exprs(&bound.lowerdatums);
            self.walk.exprs(&bound.upperdatums);
        }
    }

    /// A relation comes to be. Gives its printed name.
    fn created(
        &mut self,
        range: &RangeVar,
        if_not_exists: bool,
        until_commit: bool,
        body: Option<&Findings>,
    ) -> String {
        let (schema, temporary) = self.walk.place(range);
        self.walk.created_effect(&schema, &range.relname);
        if temporary || !if_not_exists {
            self.creates.push(Created {
                schema: (!temporary).then(|| schema.clone()),
                name: range.relname.clone(),
                body: body.map(Findings::analysis),
                until_commit,
            });
        }
        quote::qualified(&schema, &range.relname)
    }

    fn table_element(&mut self, element: &Node, object: &str) {
        match names::kind(element) {
            Some(NodeEnum::ColumnDef(column)) => {
                if let Some(name) = &column.type_name {
                    self.walk.type_name(name);
                }
                for constraint in &column.constraints {
                    if let Some(NodeEnum::Constraint(constraint)) = names::kind(constraint) {
                        self.constraint(constraint, object);
                    }
                }
            }
            Some(NodeEnum::Constraint(constraint)) => self.constraint(constraint, object),
            Some(NodeEnum::TableLikeClause(like)) => {
                if let Some(range) = &like.relation {
                    let target = self.walk.resolve(range);
                    self.walk.found.effect(
                        target
                            .effect(EffectKind::Read, Verb::Read)
                            .because("copies its definition"),
                    );
                }
            }
            _ => self
                .walk
                .found
                .incomplete("defines a table with a part that is not known"),
        }
    }

    pub(super) fn constraint(&mut self, constraint: &Constraint, object: &str) {
        if let Some(expression) = constraint.raw_expr.as_deref() {
            self.planted(expression, object, "a default, check or generated column");
        }
        if let Some(expression) = constraint.where_clause.as_deref() {
            self.planted(expression, object, "a constraint's condition");
        }
        for exclusion in &constraint.exclusions {
            self.planted(exclusion, object, "an exclusion");
        }
        if constraint.contype == ConstrType::ConstrForeign as i32
            && let Some(range) = &constraint.pktable
        {
            let target = self.walk.resolve(range);
            if target.object() != object {
                self.walk.found.effect(
                    target
                        .effect(EffectKind::Define, Verb::Alter)
                        .because("a foreign key will guard its rows"),
                );
            }
        }
    }

    /// An expression that others will run: harmless if it only looks, `admin` if it calls what the gate cannot see.
    pub(super) fn planted(&mut self, expression: &Node, object: &str, what: &str) {
        let found = self.code_of(expression);
        let everyday = |effect: &Effect| {
            effect.kind == EffectKind::Read
                || (effect.kind == EffectKind::Write
                    && effect.bound == backstop_core::effect::Bound::Rows(1))
        };
        let harmless = found.incomplete.is_empty() && found.effects.iter().all(everyday);
        for name in found.unresolved {
            self.walk.found.unresolved(name);
        }
        if !harmless {
            let why = found
                .incomplete
                .first()
                .cloned()
                .unwrap_or_else(|| "does more than look".to_owned());
            self.walk.found.effect(
                Effect::new(EffectKind::Admin, Verb::Create, object.to_owned()).because(format!(
                    "plants code that others will run, in {what}: {why}"
                )),
            );
        }
    }

    fn code_of(&mut self, expression: &Node) -> Findings {
        let mut walk = Walk::at(self.walk.catalog, self.walk.scope.clone(), 1);
        walk.expr(expression);
        walk.found
    }

    pub(super) fn create_table_as(&mut self, s: &CreateTableAsStmt) {
        self.structure();
        match names::inner(s.query.as_deref()) {
            Some(NodeEnum::ExecuteStmt(execute)) => {
                self.walk.exprs(&execute.params);
                self.run_prepared(&execute.name);
            }
            Some(query) => self.walk.query(query),
            None => self.walk.found.incomplete("creates a table from nothing"),
        }
        if let Some(into) = s.into.as_deref() {
            self.into(into, s.if_not_exists);
        }
    }

    fn into(&mut self, into: &IntoClause, if_not_exists: bool) {
        if let Some(range) = &into.rel {
            let until_commit = into.on_commit == OnCommitAction::OncommitDrop as i32;
            self.created(range, if_not_exists, until_commit, None);
        }
    }

    /// SELECT INTO: the walk has found the new table; here it is remembered.
    pub(super) fn select_into(&mut self, select: &SelectStmt) {
        // In a set operation INTO belongs to the first arm.
        let mut first = select;
        while let Some(left) = first.larg.as_deref() {
            first = left;
        }
        if let Some(range) = first
            .into_clause
            .as_deref()
            .and_then(|into| into.rel.as_ref())
        {
            self.structure();
            let (schema, temporary) = self.walk.place(range);
            self.creates.push(Created {
                schema: (!temporary).then_some(schema),
                name: range.relname.clone(),
                body: None,
                until_commit: false,
            });
        }
    }

    pub(super) fn create_schema(&mut self, s: &CreateSchemaStmt) {
        self.structure();
        let name = if s.schemaname.is_empty() {
            super::admin::role_spec(s.authrole.as_ref())
        } else {
            quote::ident(&s.schemaname)
        };
        let mut effect = Effect::new(EffectKind::Define, Verb::Create, name.clone());
        effect.own = !s.if_not_exists;
        self.walk.found.effect(effect);
        if s.authrole.is_some() {
            self.effect(
                EffectKind::Admin,
                Verb::Create,
                name,
                "gives the new schema to a role",
            );
        }
        for element in &s.schema_elts {
            if let Some(kind) = names::kind(element) {
                // Unqualified names in it belong to the new schema.
                let path = self.walk.scope.path.clone();
                if let Some(path) = &mut self.walk.scope.path {
                    path.insert(0, s.schemaname.clone());
                }
                self.statement(kind);
                self.walk.scope.path = path;
            }
        }
    }

    pub(super) fn create_sequence(&mut self, s: &CreateSeqStmt) {
        self.structure();
        if let Some(range) = &s.sequence {
            self.created(range, s.if_not_exists, false, None);
        }
    }

    pub(super) fn create_index(&mut self, s: &IndexStmt) {
        self.structure();
        if s.concurrent {
            self.outside_transaction();
        }
        let Some(range) = &s.relation else { return };
        let target = self.walk.resolve(range);
        let mut effect = target
            .effect(EffectKind::Define, Verb::Create)
            .because("builds an index on it");
        if target.is_system() {
            effect.kind = EffectKind::Admin;
        }
        self.walk.found.effect(effect);
        let object = target.object();
        for element in s.index_params.iter().chain(&s.index_including_params) {
            if let Some(NodeEnum::IndexElem(index)) = names::kind(element)
                && let Some(expression) = index.expr.as_deref()
            {
                self.planted_and_run(expression, &object);
            }
        }
        if let Some(condition) = s.where_clause.as_deref() {
            self.planted_and_run(condition, &object);
        }
    }

    /// An expression that runs now over every row, and later for others.
    pub(super) fn planted_and_run(&mut self, expression: &Node, object: &str) {
        self.planted(expression, object, "an index, check or default");
        let found = self.code_of(expression);
        self.walk.found.merge(found);
    }

    pub(super) fn create_statistics(&mut self, s: &CreateStatsStmt) {
        self.structure();
        for relation in &s.relations {
            if let Some(NodeEnum::RangeVar(range)) = names::kind(relation) {
                self.on(
                    range,
                    EffectKind::Define,
                    Verb::Create,
                    "defines statistics on it",
                );
            }
        }
        for expression in &s.exprs {
            self.planted(expression, "statistics", "statistics");
        }
    }

    pub(super) fn create_view(&mut self, s: &ViewStmt) {
        self.structure();
        let Some(range) = &s.view else { return };
        let mut walk = Walk::at(self.walk.catalog, self.walk.scope.clone(), 1);
        walk.query_node(s.query.as_deref());
        let body = walk.found;
        if !body.settings.is_empty() || body.runs_text {
            // Whoever reads it would do so without a word of it in the text.
            self.walk
                .found
                .incomplete("makes a view that changes settings or runs a text when it is read");
        }
        for relation in &body.relations {
            self.walk.found.relation(relation.clone());
        }
        let (schema, temporary) = self.walk.place(range);
        let over_temporary = body
            .relations
            .iter()
            .any(|r| r.schema.starts_with("pg_temp"));
        if temporary || over_temporary {
            // Only this session can read it: what reading it does is judged when it is read.
            let mut as_temporary = range.clone();
            as_temporary.relpersistence = "t".to_owned();
            self.created(&as_temporary, false, false, Some(&body));
            return;
        }
        let verb = if s.replace { Verb::Alter } else { Verb::Create };
        let object = quote::qualified(&schema, &range.relname);
        self.effect(
            EffectKind::Admin,
            verb,
            object,
            "a view is code that others will run",
        );
        self.creates.push(Created {
            schema: Some(schema),
            name: range.relname.clone(),
            body: Some(body.analysis()),
            until_commit: false,
        });
    }

    pub(super) fn comment(&mut self, s: &CommentStmt) {
        self.structure();
        let object =
            s.object
                .as_deref()
                .and_then(names::dotted)
                .map(|(schema, name)| match schema {
                    Some(schema) => quote::qualified(schema, name),
                    None => quote::ident(name),
                });
        self.effect(
            EffectKind::Define,
            Verb::Alter,
            object,
            "changes a description",
        );
    }
}
