//! What a statement's meaning depends on besides its text and the catalogue: the state of the session it would
//! run in. The gate keeps it; nothing here asks a server.

use std::fmt;

use backstop_core::effect::Analysis;

/// The text behind a prepared name.
pub type PreparedText<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The state of a session.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// `search_path`, `"$user"` resolved, in order. `pg_temp` and `pg_catalog` may stand in it.
    pub search_path: &'a [String],
    /// The role that the statement would run as.
    pub role: &'a str,
    /// Roles whose objects count as the lease's own: the lease's role.
    pub own_roles: &'a [String],
    /// What the session made and still has, as far as the catalogue cannot show it yet: its temporary relations,
    /// and what its open transaction made. Take away what a rollback, DROP or DISCARD takes.
    pub created: &'a [Created],
    /// The text of what stands behind an SQL-level prepared name (`PREPARE name AS ...`, or a protocol-level Parse).
    pub prepared: PreparedText<'a>,
    /// Type oids that the client declared for parameters; 0 or missing is undeclared.
    pub parameter_types: &'a [u32],
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("search_path", &self.search_path)
            .field("role", &self.role)
            .field("own_roles", &self.own_roles)
            .field("created", &self.created)
            .field("parameter_types", &self.parameter_types)
            .finish_non_exhaustive()
    }
}

/// A relation that a session made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its schema; none for a temporary relation.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// For a view: what reading it does.
    pub body: Option<Analysis>,
    /// Gone at the end of the transaction (`ON COMMIT DROP`).
    pub until_commit: bool,
}

impl Created {
    /// Whether `other` names the same relation.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.schema == other.schema && self.name == other.name
    }
}
