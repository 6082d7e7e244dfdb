//! What the analysis knows of a target: its relations, functions, operators and types, as plain data.
//! Nothing here asks a server or judges.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use super::super::walk::Findings;

/// A relation.
#[derive(Debug)]
pub struct Relation {
    /// Its oid.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its owner's name.
    pub owner: String,
    /// Whether row-level security is on.
    pub row_security: bool,
    /// The names of its columns; empty for the system's own.
    pub columns: Vec<String>,
    /// The columns whose type is not the system's own, and that type's oid.
    pub typed: Vec<(String, u32)>,
    /// Its unique keys that can bound an action: sets of columns.
    pub keys: Vec<Vec<String>>,
    /// Foreign keys of others that point here.
    pub referenced_by: Vec<ForeignKey>,
    /// Its partitions and inheriting tables.
    pub children: Vec<u32>,
    /// Its user triggers.
    pub triggers: Vec<Trigger>,
    /// Its rules, without the one that makes a view a view.
    pub rules: Vec<Rule>,
    /// Expressions that reading or writing it evaluates.
    pub expressions: Vec<Expression>,
    /// A view's definition.
    pub definition: Option<String>,
    /// Views that read it.
    pub read_by: Vec<u32>,
    /// What reading the view does, found out once.
    pub(crate) body: OnceLock<Arc<Findings>>,
    /// What its expressions do, found out once.
    pub(crate) code: OnceLock<Arc<Vec<(ExpressionKind, Findings)>>>,
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A view.
    View,
    /// A materialised view.
    Materialised,
    /// A foreign table.
    Foreign,
    /// A sequence.
    Sequence,
    /// An index, partitioned or not.
    Index,
    /// A composite type.
    Composite,
}

/// A foreign key, seen from the table it points at.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// The table that refers.
    pub from: u32,
    /// The constraint's name.
    pub name: String,
    /// What happens to the referring rows on DELETE.
    pub on_delete: ReferentialAction,
    /// What happens to the referring rows when a referred column is updated.
    pub on_update: ReferentialAction,
    /// The referred columns.
    pub columns: Vec<String>,
    /// The columns that refer to them, in the same order.
    pub from_columns: Vec<String>,
}

/// What a foreign key does to the referring rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferentialAction {
    /// Refuses (NO ACTION, RESTRICT).
    Refuse,
    /// CASCADE.
    Cascade,
    /// SET NULL, SET DEFAULT.
    Set,
}

/// A user trigger.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// Its function.
    pub function: u32,
    /// `pg_trigger.tgtype`.
    pub bits: u16,
    /// Whether it fires in an ordinary session.
    pub enabled: bool,
    /// Whether it can wait for COMMIT.
    pub deferrable: bool,
}

impl Trigger {
    const INSERT: u16 = 4;
    const DELETE: u16 = 8;
    const UPDATE: u16 = 16;
    const TRUNCATE: u16 = 32;

    /// Whether it fires for `event` in an ordinary session.
    #[must_use]
    pub const fn fires(&self, event: Event) -> bool {
        let bit = match event {
            Event::Insert => Self::INSERT,
            Event::Delete => Self::DELETE,
            Event::Update => Self::UPDATE,
            Event::Truncate => Self::TRUNCATE,
        };
        self.enabled && self.bits & bit != 0
    }
}

/// What happens to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Rows come.
    Insert,
    /// Rows change.
    Update,
    /// Rows go.
    Delete,
    /// All rows go at once.
    Truncate,
}

/// A rewrite rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// The event: `1` SELECT, `2` UPDATE, `3` INSERT, `4` DELETE.
    pub event: char,
    /// Whether it fires in an ordinary session.
    pub enabled: bool,
    /// The statement that makes it, as the server prints it.
    pub definition: String,
}

/// An expression that PostgreSQL evaluates when a relation is read or written.
#[derive(Debug, Clone)]
pub struct Expression {
    /// When.
    pub kind: ExpressionKind,
    /// Of what: the column, constraint, index or policy.
    pub of: String,
    /// Its text, as `pg_get_expr` prints it under an empty `search_path`.
    pub text: String,
}

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionKind {
    /// On INSERT, for a column that is not given.
    Default,
    /// On every write.
    Written,
    /// On read and write: a policy of row-level security.
    Policy,
    /// On read: a virtual generated column; on write: a stored one.
    Generated,
}

/// A function, procedure, aggregate or window function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its oid.
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `f`, `p`, `a` or `w`.
    pub kind: char,
    /// Its volatility.
    pub volatility: Volatility,
    /// The least number of arguments it takes.
    pub least: u16,
    /// The most, none for a variadic one.
    pub most: Option<u16>,
    /// SECURITY DEFINER.
    pub security_definer: bool,
    /// Whether one call can give many rows.
    pub returns_set: bool,
    /// Its language.
    pub language: Arc<str>,
    /// Its owner.
    pub owner: Arc<str>,
    /// The extension it came with.
    pub extension: Option<Arc<str>>,
    /// Its code, where it is SQL or PL/pgSQL of the target's own.
    pub body: Option<Arc<str>>,
}

impl Function {
    /// Whether a call with so many arguments can mean it.
    #[must_use]
    pub fn takes(&self, arguments: usize) -> bool {
        arguments >= usize::from(self.least)
            && self.most.is_none_or(|most| arguments <= usize::from(most))
    }

    /// Whether it is PostgreSQL's own.
    #[must_use]
    pub fn is_system(&self) -> bool {
        &*self.schema == "pg_catalog" || &*self.schema == "information_schema"
    }
}

/// What a function promises about its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Depends on its arguments only.
    Immutable,
    /// Changes nothing.
    Stable,
    /// May do anything.
    Volatile,
}

/// An operator overload that is not the system's own, or a system one whose function is volatile.
#[derive(Debug, Clone)]
pub struct Operator {
    /// Its schema.
    pub schema: Arc<str>,
    /// The function behind it.
    pub function: u32,
    /// The extension it came with.
    pub extension: Option<Arc<str>>,
}

/// A type that is not a table's row type or an array.
#[derive(Debug, Clone)]
pub struct Type {
    /// Its oid.
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `b` base, `d` domain, `e` enum, `r` range, `m` multirange, `c` composite, `p` pseudo.
    pub kind: char,
    /// A domain's base type.
    pub base: u32,
    /// The extension it came with.
    pub extension: Option<Arc<str>>,
    /// The texts of a domain's checks.
    pub checks: Vec<String>,
}

/// A cast that is not the system's own.
#[derive(Debug, Clone)]
pub struct Cast {
    /// From this type.
    pub source: u32,
    /// To this type.
    pub target: u32,
    /// By this function; 0 for none.
    pub function: u32,
    /// `e` explicit, `a` assignment, `i` implicit.
    pub context: char,
}

/// What a target is made of, as far as it decides what a statement does.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The server's major version; 0 where it is every supported one at once.
    pub major: u16,
    /// Whether a name that is not here counts as an existing plain table without triggers, or as an unknown function.
    pub assume_tables: bool,
    /// Schemas and their owners.
    pub schemas: HashMap<String, String>,
    pub(super) relations: HashMap<u32, Relation>,
    pub(super) relation_names: HashMap<String, Vec<u32>>,
    pub(super) functions: HashMap<Arc<str>, Vec<Function>>,
    pub(super) function_oids: HashMap<u32, (Arc<str>, usize)>,
    pub(super) operators: HashMap<String, Vec<Operator>>,
    pub(super) types: HashMap<Arc<str>, Vec<Type>>,
    pub(super) type_oids: HashMap<u32, (Arc<str>, usize)>,
    pub(super) casts: Vec<Cast>,
    pub(super) column_names: HashSet<String>,
    /// Enabled event triggers: name and event.
    pub event_triggers: Vec<(String, String)>,
    /// Whether a policy of row-level security reads a setting.
    pub policies_read_settings: bool,
    /// What was found out about the reach of code, by the oid of the function or relation that it begins at.
    pub(crate) reach: Mutex<HashMap<u32, Option<Arc<str>>>>,
}
