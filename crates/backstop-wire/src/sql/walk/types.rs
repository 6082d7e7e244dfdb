//! Type names: whose code runs when a value becomes one of that type.
//! It must not guess what an expression's type is; it only knows the types that a text names or a column has.

use pg_query::protobuf::TypeName;

use super::super::catalog::{Cast, Relation, Type};
use super::super::{names, quote};
use super::Walk;

/// Extensions whose code is reviewed: their immutable and stable functions, operators and types only look.
pub(crate) const TRUSTED_EXTENSIONS: &[&str] = &[
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgis",
    "seg",
    "sslinfo",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
];

impl<'a> Walk<'a> {
    /// A value becomes one of the type that is named.
    pub(crate) fn type_name(&mut self, name: &TypeName) {
        for modifier in &name.typmods {
            self.expr(modifier);
        }
        let Some((schema, base)) = names::schema_and_name(&name.names) else {
            return;
        };
        if name.pct_type {
            return;
        }
        self.type_called(schema, base);
    }

    pub(crate) fn type_called(&mut self, schema: Option<&str>, name: &str) {
        if schema == Some("pg_catalog") {
            self.casts_to_system(name);
            return;
        }
        let candidates = self.types_meant(schema, name);
        if candidates.is_empty() {
            // The row type of a table has the code of its columns' types; an unknown type the server refuses.
            self.row_type(schema, name);
            return;
        }
        for found in candidates {
            self.type_code(found, 0);
        }
    }

    fn row_type(&mut self, schema: Option<&str>, name: &str) {
        let catalog = self.catalog;
        let name = match name.strip_prefix('_') {
            Some(element) if catalog.relations_named(name).next().is_none() => element,
            _ => name,
        };
        let in_sight: Vec<&'a Relation> = {
            let path = self.path();
            let meant = |relation: &&Relation| match schema {
                Some(schema) => relation.schema == schema,
                None => path.contains(&relation.schema.as_str()),
            };
            catalog.relations_named(name).filter(meant).collect()
        };
        for relation in in_sight {
            self.columns_with_code(relation);
        }
    }

    /// A parameter that was declared to be of this type.
    pub(crate) fn parameter(&mut self, number: i32) {
        let at = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let declared = at.and_then(|at| self.scope.parameter_types.get(at).copied());
        let catalog = self.catalog;
        if let Some(found) = declared.and_then(|oid| catalog.type_by_oid(oid)) {
            self.type_code(found, 0);
        }
    }

    /// Casts that run unasked wherever values of the system's own types meet: only a superuser can have made them.
    pub(crate) fn unasked_casts(&mut self, assigned: bool) {
        let catalog = self.catalog;
        let system = |oid: u32| {
            catalog
                .type_by_oid(oid)
                .is_none_or(|t| &*t.schema == "pg_catalog")
        };
        for cast in catalog.casts().iter().filter(|cast| cast.function != 0) {
            let unasked = cast.context == 'i' || (assigned && cast.context == 'a');
            if unasked
                && system(cast.source)
                && system(cast.target)
                && let Some(function) = catalog.function(cast.function)
                && !self.harmless_behind(function)
            {
                self.found.incomplete(format!(
                    "values may be converted by the cast function {}",
                    quote::qualified(&function.schema, &function.name)
                ));
            }
        }
    }

    fn types_meant(&self, schema: Option<&str>, name: &str) -> Vec<&'a Type> {
        let catalog = self.catalog;
        let mut all = catalog.types_named(name);
        if all.is_empty()
            && let Some(element) = name.strip_prefix('_')
        {
            all = catalog.types_named(element);
        }
        match schema {
            Some(schema) => all
                .iter()
                .filter(|found| &*found.schema == schema)
                .collect(),
            None => {
                let path = self.path();
                all.iter()
                    .filter(|found| path.contains(&&*found.schema))
                    .collect()
            }
        }
    }

    fn type_code(&mut self, found: &'a Type, depth: usize) {
        if &*found.schema == "pg_catalog" {
            self.casts_to_system(&found.name);
            return;
        }
        if &*found.schema == "information_schema" {
            return;
        }
        let printed = quote::qualified(&found.schema, &found.name);
        let trusted = found
            .extension
            .as_deref()
            .is_some_and(|e| TRUSTED_EXTENSIONS.contains(&e));
        match found.kind {
            'd' => {
                for check in &found.checks {
                    let code = self.expression_text(check);
                    self.found
                        .reach(&code, &format!("a check of the domain {printed}"));
                }
                if depth < 16
                    && let Some(base) = self.catalog.type_by_oid(found.base)
                {
                    self.type_code(base, depth + 1);
                }
            }
            'c' => self.composite_code(found, depth),
            'e' => {}
            _ if trusted => {}
            _ => self.found.incomplete(format!(
                "uses the type {printed}, whose code the gate cannot see"
            )),
        }
        self.casts_touching(found.oid, &printed);
    }

    fn composite_code(&mut self, found: &'a Type, depth: usize) {
        if depth >= 16 {
            self.found
                .incomplete("uses types within types too deeply to follow");
            return;
        }
        let Some(relation) = self.catalog.relation(&found.schema, &found.name) else {
            return;
        };
        for (_, oid) in &relation.typed {
            if let Some(column) = self.catalog.type_by_oid(*oid) {
                self.type_code(column, depth + 1);
            }
        }
    }

    /// A user's cast to a type that is named runs when it is; one from it only if it is implicit.
    fn casts_touching(&mut self, oid: u32, printed: &str) {
        let catalog = self.catalog;
        let touches = |cast: &&Cast| {
            cast.function != 0
                && (cast.target == oid || (cast.source == oid && cast.context != 'e'))
        };
        for cast in catalog.casts().iter().filter(touches) {
            if let Some(function) = catalog.function(cast.function)
                && !self.harmless_behind(function)
            {
                self.found.incomplete(format!(
                    "uses the type {printed}, which the cast function {} converts",
                    quote::qualified(&function.schema, &function.name)
                ));
            }
        }
    }

    fn casts_to_system(&mut self, name: &str) {
        let catalog = self.catalog;
        if catalog.casts().is_empty() {
            return;
        }
        for cast in catalog.casts().iter().filter(|cast| cast.function != 0) {
            let hit = catalog
                .type_by_oid(cast.target)
                .is_some_and(|target| &*target.name == name);
            if hit
                && let Some(function) = catalog.function(cast.function)
                && !self.harmless_behind(function)
            {
                self.found.incomplete(format!(
                    "casts to {name}, which the cast function {} may do",
                    quote::qualified(&function.schema, &function.name)
                ));
            }
        }
    }

    /// The columns of a relation whose types carry code of others.
    pub(crate) fn columns_with_code(&mut self, relation: &'a Relation) {
        for (_, oid) in &relation.typed {
            if let Some(found) = self.catalog.type_by_oid(*oid) {
                self.type_code(found, 0);
            }
        }
    }
}
