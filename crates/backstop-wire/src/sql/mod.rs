//! SQL to effects: what the statements of a text do, found out from PostgreSQL's own parse tree and the target's
//! catalogue.
//!
//! It agrees with PostgreSQL or says `incomplete` (invariant 1): it must not guess what code does that it cannot
//! see, must not trust a name that something else could capture, and must not ask a server anything.

mod builtins;
pub mod catalog;
mod condition;
mod error;
mod limits;
mod names;
mod parse;
mod quote;
mod reach;
pub mod redact;
mod script;
mod session;
pub mod settings;
mod statement;
mod walk;

pub use catalog::Catalog;
pub use condition::{Condition, conditions};
pub use error::SqlError;
pub use limits::MAX_TEXT;
pub use quote::{ident, qualified};
pub use script::{
    Copy, CopyEnd, Discard, Isolation, ResolvedRelation, Script, Setting, Statement, StatementKind,
    TransactionModes,
};
pub use session::{Created, PreparedText, Session};

/// Finds out what every statement of `sql` is and does, in a session in that state.
///
/// Later statements are judged in the state that earlier ones leave: a `search_path` that was set, a temporary
/// table that was made, a statement that was prepared.
///
/// # Errors
///
/// If the text cannot be read the way the server would read it. Nothing of it may then be sent.
pub fn analyse(sql: &str, catalog: &Catalog, session: &Session<'_>) -> Result<Script, SqlError> {
    limits::check(sql)?;
    parse::with_stack(sql, || statement::script(sql, catalog, session))?
}

/// Why a measurement would not show all that writing a relation sets off; `None`: it would, or the catalogue does not
/// know the relation.
#[must_use]
pub fn unseen_behind(catalog: &Catalog, relation: u32) -> Option<std::sync::Arc<str>> {
    reach::of_relation(catalog, catalog.relation_by_oid(relation)?)
}

/// Whether reading a text may take long enough that others should not have to wait for it: it is long, or may nest
/// so deeply that it needs a stack of its own.
#[must_use]
pub fn is_costly(sql: &str) -> bool {
    sql.len() > limits::QUICK_TEXT || limits::may_nest_deeply(sql)
}
