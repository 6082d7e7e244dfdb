//! The walk through a parse tree: what each query and expression in it reads, writes and calls.
//! It must end for every tree, and must say `incomplete` wherever it does not know what PostgreSQL would do.

mod bounds;
mod call;
mod dml;
mod expr;
mod findings;
mod from;
mod relation;
mod select;
mod sight;
mod types;
mod write;

use pg_query::NodeEnum;
use pg_query::protobuf::Node;

pub(crate) use self::findings::Findings;
pub(crate) use self::relation::Target;
pub(crate) use self::types::TRUSTED_EXTENSIONS;
pub(crate) use self::write::Write;

use super::catalog::Catalog;
use super::limits;
use super::session::{Created, PreparedText};

/// What names mean where a text stands: the session's state, or, for a view's body, nobody's.
#[derive(Clone)]
pub(crate) struct Scope<'a> {
    /// The schemas of `search_path`; none if it is not known.
    pub(crate) path: Option<Vec<String>>,
    pub(crate) own_roles: &'a [String],
    pub(crate) created: &'a [Created],
    pub(crate) prepared: PreparedText<'a>,
    pub(crate) parameter_types: Vec<u32>,
}

/// Nothing is prepared where PostgreSQL's own texts stand.
fn nothing_prepared(_: &str) -> Option<String> {
    None
}

impl Scope<'_> {
    /// The scope of texts that PostgreSQL printed under an empty `search_path`.
    pub(crate) fn nobody() -> Self {
        Self {
            path: Some(Vec::new()),
            own_roles: &[],
            created: &[],
            prepared: &nothing_prepared,
            parameter_types: Vec::new(),
        }
    }
}

/// One walk.
pub(crate) struct Walk<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) scope: Scope<'a>,
    pub(crate) found: Findings,
    /// Names of common table expressions in sight.
    ctes: Vec<String>,
    /// Relations whose columns hold credentials, by the names they go by in sight.
    guarded: Vec<Guarded>,
    /// What stands in FROM, by the names it goes by.
    seen: Vec<sight::Seen<'a>>,
    /// How many columns have been met.
    columns_met: usize,
    /// The relations that the columns met belong to, while a condition is looked at; none for a bare column.
    owners_met: Option<Vec<Option<String>>>,
    /// Whether a call met may give many rows.
    set_met: bool,
    /// The statement is planned, not run (EXPLAIN): only what the planner itself evaluates counts.
    pub(crate) planned_only: bool,
    /// Where in the text something worse than a read stands.
    pub(crate) marks: Vec<i32>,
    depth: usize,
    expansion: usize,
}

/// A relation of which one column holds credentials.
struct Guarded {
    alias: String,
    relation: String,
    column: &'static str,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(catalog: &'a Catalog, scope: Scope<'a>) -> Self {
        Self::at(catalog, scope, 0)
    }

    pub(crate) fn at(catalog: &'a Catalog, scope: Scope<'a>, expansion: usize) -> Self {
        Self {
            catalog,
            scope,
            found: Findings::default(),
            ctes: Vec::new(),
            guarded: Vec::new(),
            seen: Vec::new(),
            columns_met: 0,
            owners_met: None,
            set_met: false,
            planned_only: false,
            marks: Vec::new(),
            depth: 0,
            expansion,
        }
    }

    /// Goes one level down, or gives up.
    fn descend(&mut self, work: impl FnOnce(&mut Self)) {
        if self.depth >= limits::MAX_WALK_DEPTH {
            self.found.incomplete("is nested too deeply to follow");
            return;
        }
        self.depth += 1;
        work(self);
        self.depth -= 1;
    }

    /// A statement that stands where a query can: SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE.
    pub(crate) fn query(&mut self, node: &NodeEnum) {
        self.descend(|walk| match node {
            NodeEnum::SelectStmt(select) => walk.select(select),
            NodeEnum::InsertStmt(insert) => walk.insert(insert),
            NodeEnum::UpdateStmt(update) => walk.update(update),
            NodeEnum::DeleteStmt(delete) => walk.delete(delete),
            NodeEnum::MergeStmt(merge) => walk.merge(merge),
            _ => walk
                .found
                .incomplete("holds a statement where a query is expected"),
        });
    }

    /// Remembers where something worse than a read stands, if it stands in the text itself.
    pub(crate) fn mark(&mut self, location: i32) {
        if self.expansion == 0 && !self.planned_only && self.marks.len() < limits::MAX_MARKS {
            self.marks.push(location);
        }
    }

    /// A query behind an optional node.
    pub(crate) fn query_node(&mut self, node: Option<&Node>) {
        match node.and_then(|n| n.node.as_ref()) {
            Some(query) => self.query(query),
            None => self.found.incomplete("holds an empty query"),
        }
    }

    /// A text of SQL that runs inside the statement (`query_to_xml('...')`).
    pub(crate) fn text(&mut self, sql: &str, through: &str) {
        self.found.runs_text = true;
        if self.expansion >= limits::MAX_EXPANSION {
            self.found
                .incomplete("runs a query in a query too deeply to follow");
            return;
        }
        let Ok(statements) = super::parse::parse(sql) else {
            self.found.incomplete(format!(
                "runs a text that cannot be read, through {through}"
            ));
            return;
        };
        for statement in statements {
            let mut inner = Walk::at(self.catalog, self.scope.clone(), self.expansion + 1);
            inner.depth = self.depth;
            match statement.stmt.and_then(|stmt| stmt.node) {
                Some(
                    query @ (NodeEnum::SelectStmt(_)
                    | NodeEnum::InsertStmt(_)
                    | NodeEnum::UpdateStmt(_)
                    | NodeEnum::DeleteStmt(_)
                    | NodeEnum::MergeStmt(_)),
                ) => inner.query(&query),
                _ => inner
                    .found
                    .incomplete(format!("runs another statement through {through}")),
            }
            self.found.merge(inner.found);
        }
    }
}
