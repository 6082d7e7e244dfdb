//! Names to relations, and what reading a relation does: whose rows, and whose code.
//! It must take the worse meaning wherever a name could mean two things.

use std::sync::Arc;

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use pg_query::protobuf::RangeVar;

use super::super::catalog::{ExpressionKind, Relation, RelationKind};
use super::super::script::ResolvedRelation;
use super::super::{limits, names, parse, quote};
use super::{Findings, Guarded, Scope, Walk};

/// What a name turned out to be.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// None for what is only assumed, or was made in this session.
    pub(crate) relation: Option<&'a Relation>,
    /// Made by the lease.
    pub(crate) own: bool,
    /// What reading it does, where it is a view of the session's own.
    pub(crate) body: Option<backstop_core::effect::Analysis>,
}

impl Target<'_> {
    pub(crate) fn object(&self) -> String {
        quote::qualified(&self.schema, &self.name)
    }

    /// A temporary relation of this session.
    pub(crate) fn is_temporary(&self) -> bool {
        self.own && self.relation.is_none() && self.schema.starts_with("pg_temp")
    }

    pub(crate) fn is_system(&self) -> bool {
        matches!(
            self.schema.as_str(),
            "pg_catalog" | "information_schema" | "pg_toast"
        )
    }

    pub(crate) fn effect(&self, kind: EffectKind, verb: Verb) -> Effect {
        let mut effect = Effect::new(kind, verb, self.object());
        effect.own = self.own;
        effect.system = self.is_system();
        effect
    }
}

/// Relations that hand out credentials, whatever is selected from them.
const CREDENTIALS: &[&str] = &[
    "pg_authid",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_shadow",
];

/// Relations of which one column does.
const CREDENTIAL_COLUMNS: &[(&str, &str)] = &[
    ("pg_subscription", "subconninfo"),
    ("pg_user_mapping", "umoptions"),
    ("pg_user_mappings", "umoptions"),
];

/// Views of `information_schema` that do.
const CREDENTIAL_VIEWS: &[&str] = &["user_mapping_options", "_pg_user_mappings"];

impl<'a> Walk<'a> {
    /// The schemas in which an unqualified name is looked up, without the temporary one.
    pub(crate) fn path(&self) -> Vec<&str> {
        let listed = self.scope.path.as_deref().unwrap_or_default();
        let mut path = Vec::with_capacity(listed.len() + 1);
        if !listed.iter().any(|schema| schema == "pg_catalog") {
            path.push("pg_catalog");
        }
        path.extend(
            listed
                .iter()
                .map(String::as_str)
                .filter(|schema| *schema != "pg_temp"),
        );
        path
    }

    /// The schema that an unqualified CREATE would use.
    pub(crate) fn creation_schema(&self) -> String {
        let listed = self.scope.path.as_deref().unwrap_or_default();
        let first = listed.iter().find(|schema| {
            self.catalog.assume_tables || self.catalog.schemas.contains_key(*schema)
        });
        first.cloned().unwrap_or_else(|| "public".to_owned())
    }

    /// Says so where the `search_path` is not known.
    pub(crate) fn needs_path(&mut self) {
        if self.scope.path.is_none() {
            self.found
                .incomplete("names something without its schema while search_path is not known");
        }
    }

    pub(crate) fn resolve(&mut self, range: &RangeVar) -> Target<'a> {
        self.resolve_name(names::schema(range), &range.relname)
    }

    /// What a name means. A permanent relation wins over one that the session made: the latter may be gone again,
    /// and then the permanent one is what the server would take.
    pub(crate) fn resolve_name(&mut self, schema: Option<&str>, name: &str) -> Target<'a> {
        let catalog = self.catalog;
        if schema.is_none() {
            self.needs_path();
        }
        let permanent = match schema {
            Some(schema) => catalog.relation(schema, name),
            None => self
                .path()
                .iter()
                .find_map(|schema| catalog.relation(schema, name)),
        };
        let target = match permanent {
            Some(relation) => self.known(relation),
            None => self.unknown(schema, name),
        };
        self.found.relation(ResolvedRelation {
            schema: target.schema.clone(),
            name: target.name.clone(),
            oid: target.relation.map_or(0, |relation| relation.oid),
        });
        target
    }

    pub(crate) fn known(&self, relation: &'a Relation) -> Target<'a> {
        Target {
            schema: relation.schema.clone(),
            name: relation.name.clone(),
            relation: Some(relation),
            own: self.scope.own_roles.contains(&relation.owner),
            body: None,
        }
    }

    fn unknown(&mut self, schema: Option<&str>, name: &str) -> Target<'a> {
        let temporary = |s: &str| s == "pg_temp" || s.starts_with("pg_temp_");
        let made = self.scope.created.iter().rev().find(|made| {
            made.name == name
                && match (schema, made.schema.as_deref()) {
                    (None, _) => true,
                    (Some(wanted), None) => temporary(wanted),
                    (Some(wanted), Some(has)) => wanted == has,
                }
        });
        if let Some(made) = made {
            return Target {
                schema: made.schema.clone().unwrap_or_else(|| "pg_temp".to_owned()),
                name: name.to_owned(),
                relation: None,
                own: true,
                body: made.body.clone(),
            };
        }
        let schema = schema.map_or_else(|| self.creation_schema(), str::to_owned);
        let own = temporary(&schema);
        if !self.catalog.assume_tables {
            self.found.unresolved(quote::qualified(&schema, name));
        } else if matches!(schema.as_str(), "pg_catalog" | "information_schema") {
            self.found.incomplete(format!(
                "names {}, which no supported server has",
                quote::qualified(&schema, name)
            ));
        }
        Target {
            schema,
            name: name.to_owned(),
            relation: None,
            own,
            body: None,
        }
    }

    /// Reading every row of a relation that a query names.
    pub(crate) fn read(&mut self, target: &Target<'a>, range: &RangeVar) {
        self.found
            .effect(target.effect(EffectKind::Read, Verb::Read));
        if let Some(body) = &target.body {
            let body = Findings {
                effects: body.effects.clone(),
                incomplete: body.incomplete.clone(),
                ..Findings::default()
            };
            self.found.reach(&body, &target.object());
        }
        self.guard(target, range);
        if let Some(relation) = target.relation {
            self.read_code(relation, range.inh);
        }
    }

    /// The code that reading `relation` runs.
    pub(crate) fn read_code(&mut self, relation: &'a Relation, with_children: bool) {
        let object = quote::qualified(&relation.schema, &relation.name);
        match relation.kind {
            RelationKind::View => self.read_view(relation, &object),
            RelationKind::Foreign => {
                self.found.incomplete(format!(
                    "reads the foreign table {object}, whose server the gate cannot see"
                ));
            }
            _ => {}
        }
        if relation
            .rules
            .iter()
            .any(|rule| rule.enabled && rule.event == '1')
        {
            self.found
                .incomplete(format!("a rule rewrites reads of {object}"));
        }
        self.expressions(relation, |kind| match kind {
            ExpressionKind::Policy => relation.row_security,
            ExpressionKind::Generated => true,
            ExpressionKind::Default | ExpressionKind::Written => false,
        });
        self.columns_with_code(relation);
        if with_children {
            self.children(relation, &mut |walk, child| {
                if child.kind == RelationKind::Foreign {
                    walk.found.incomplete(format!(
                        "reads the foreign table {}, whose server the gate cannot see",
                        quote::qualified(&child.schema, &child.name)
                    ));
                }
            });
        }
    }

    /// Every partition and inheriting table below `relation`.
    pub(crate) fn children(
        &mut self,
        relation: &'a Relation,
        visit: &mut dyn FnMut(&mut Self, &'a Relation),
    ) {
        let mut waiting: Vec<u32> = relation.children.clone();
        let mut seen = Vec::new();
        while let Some(oid) = waiting.pop() {
            if seen.contains(&oid) {
                continue;
            }
            seen.push(oid);
            if let Some(child) = self.catalog.relation_by_oid(oid) {
                visit(self, child);
                waiting.extend(&child.children);
            }
        }
    }

    fn read_view(&mut self, relation: &'a Relation, object: &str) {
        if relation.schema == "pg_catalog" || relation.schema == "information_schema" {
            return;
        }
        let body = self.view_body(relation);
        self.found.reach(&body, object);
    }

    /// What a view's body does; found out once, for every session alike.
    pub(crate) fn view_body(&self, relation: &'a Relation) -> Arc<Findings> {
        if let Some(known) = relation.body.get() {
            return Arc::clone(known);
        }
        let body = Arc::new(self.walk_view(relation));
        let _ = relation.body.set(Arc::clone(&body));
        body
    }

    fn walk_view(&self, relation: &'a Relation) -> Findings {
        let mut nothing = Findings::default();
        if self.expansion >= limits::MAX_EXPANSION {
            nothing.incomplete("reads views within views too deeply to follow");
            return nothing;
        }
        let Some(definition) = &relation.definition else {
            nothing.incomplete("reads a view whose definition is not known");
            return nothing;
        };
        let (catalog, expansion) = (self.catalog, self.expansion + 1);
        let walked = parse::with_stack(definition, || {
            let mut walk = Walk::at(catalog, Scope::nobody(), expansion);
            match parse::parse_one(definition) {
                Some(query) => walk.query(&query),
                None => walk
                    .found
                    .incomplete("reads a view whose definition cannot be read"),
            }
            walk.found
        });
        walked.unwrap_or_else(|_| {
            nothing.incomplete("reads a view whose definition cannot be read");
            nothing
        })
    }

    /// What the expressions of a relation do, of those kinds that are wanted.
    pub(crate) fn expressions(
        &mut self,
        relation: &'a Relation,
        wanted: impl Fn(ExpressionKind) -> bool,
    ) {
        if relation.expressions.is_empty() {
            return;
        }
        let code = match relation.code.get() {
            Some(known) => Arc::clone(known),
            None => {
                let code = Arc::new(self.walk_expressions(relation));
                let _ = relation.code.set(Arc::clone(&code));
                code
            }
        };
        let object = quote::qualified(&relation.schema, &relation.name);
        for (kind, found) in code.iter().filter(|(kind, _)| wanted(*kind)) {
            let what = match kind {
                ExpressionKind::Default => "a default of",
                ExpressionKind::Written => "a check or index of",
                ExpressionKind::Policy => "a policy on",
                ExpressionKind::Generated => "a generated column of",
            };
            self.found.reach(found, &format!("{what} {object}"));
        }
    }

    fn walk_expressions(&self, relation: &'a Relation) -> Vec<(ExpressionKind, Findings)> {
        relation
            .expressions
            .iter()
            .map(|expression| {
                let mut found = self.expression_text(&expression.text);
                // What a default does to its own sequence is what an INSERT is known to do.
                if expression.kind == ExpressionKind::Default {
                    found
                        .effects
                        .retain(|e| !(e.kind == EffectKind::Write && e.bound == Bound::Rows(1)));
                }
                (expression.kind, found)
            })
            .filter(|(_, found)| *found != Findings::default())
            .collect()
    }

    /// What an expression does that PostgreSQL printed under an empty `search_path`.
    pub(crate) fn expression_text(&self, text: &str) -> Findings {
        let mut unreadable = Findings::default();
        unreadable.incomplete("runs an expression that cannot be read");
        if self.expansion >= limits::MAX_EXPANSION {
            return unreadable;
        }
        let (catalog, expansion) = (self.catalog, self.expansion + 1);
        let query = format!("SELECT {text}");
        let walked = parse::with_stack(&query, || {
            let mut walk = Walk::at(catalog, Scope::nobody(), expansion);
            match parse::parse_one(&query) {
                Some(query) => walk.query(&query),
                None => walk
                    .found
                    .incomplete("runs an expression that cannot be read"),
            }
            walk.found.relations.clear();
            walk.found
        });
        walked.unwrap_or(unreadable)
    }

    /// Notes relations whose columns hold credentials.
    fn guard(&mut self, target: &Target<'a>, range: &RangeVar) {
        let reveals = match target.schema.as_str() {
            "pg_catalog" => CREDENTIALS.contains(&target.name.as_str()),
            "information_schema" => CREDENTIAL_VIEWS.contains(&target.name.as_str()),
            _ => false,
        };
        if reveals {
            self.reveal(target.object(), "holds credentials");
            return;
        }
        let guarded = CREDENTIAL_COLUMNS
            .iter()
            .find(|(name, _)| *name == target.name);
        let Some((_, column)) = guarded.filter(|_| target.schema == "pg_catalog") else {
            return;
        };
        if range
            .alias
            .as_ref()
            .is_some_and(|alias| !alias.colnames.is_empty())
        {
            // Its columns go by other names here.
            self.reveal(target.object(), "holds credentials");
        } else {
            self.guarded.push(Guarded {
                alias: names::alias_or_name(range).to_owned(),
                relation: target.object(),
                column,
            });
        }
    }

    pub(crate) fn reveal(&mut self, object: String, why: &str) {
        let mut effect = Effect::new(EffectKind::Reveal, Verb::Read, object).because(why);
        effect.system = true;
        self.found.effect(effect);
    }

    /// A field that is taken out of a row.
    pub(crate) fn guarded_field(&mut self, name: &str) {
        if let Some(guarded) = self.guarded.iter().find(|guarded| guarded.column == name) {
            let object = guarded.relation.clone();
            self.reveal(object, "holds credentials");
        }
    }

    /// A column that a query names: it may be a guarded one, or a whole row that has one.
    pub(crate) fn guarded_column(&mut self, fields: &[&str], star: bool) {
        let hit = self.guarded.iter().find(|guarded| {
            star || fields.last() == Some(&guarded.column)
                || fields
                    .first()
                    .is_some_and(|f| *f == guarded.alias && fields.len() == 1)
        });
        if let Some(guarded) = hit {
            let object = guarded.relation.clone();
            self.reveal(object, "holds credentials");
        }
    }
}
