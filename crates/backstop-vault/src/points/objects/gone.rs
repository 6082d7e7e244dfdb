//! Which objects an action takes: PostgreSQL's own rules for DROP and TRUNCATE, asked of its catalogue.
//!
//! It may name more than goes, never less.

use serde::{Deserialize, Serialize};

/// An object, or a column of one, as `pg_depend` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The OID of the catalogue that it is a row of (`pg_class` is 1259).
    pub class: u32,
    /// Its OID in there.
    pub object: u32,
    /// The column's number; zero for the whole object.
    pub column: i32,
}

/// `pg_class`.
pub(super) const PG_CLASS: u32 = 1259;

impl Address {
    /// A table, view, sequence, index or foreign table.
    #[must_use]
    pub fn relation(oid: u32) -> Self {
        Self::column(oid, 0)
    }

    /// A column of a relation, by its number.
    #[must_use]
    pub fn column(oid: u32, column: i32) -> Self {
        Self {
            class: PG_CLASS,
            object: oid,
            column,
        }
    }
}

/// What is about to be done to the objects that an action names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// DROP of objects, or of columns.
    Drop {
        /// Whether what depends on them goes too.
        cascade: bool,
    },
    /// TRUNCATE.
    Truncate {
        /// Whether the tables that reference them are emptied too.
        cascade: bool,
        /// Whether their sequences begin anew.
        restart_identity: bool,
    },
    /// ALTER that changes stored values or may lose some: another type, a changed constraint.
    Rewrite,
}

/// An object that goes, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Where it stands in the catalogue.
    pub address: Address,
    /// As PostgreSQL describes it: `function public.f(integer)`.
    pub what: String,
}

/// Begins a query with `gone(classid, objid, objsubid)`, or `None` where there is nothing to ask about.
pub(super) fn with_gone(act: Act, roots: &[Address]) -> Option<String> {
    if roots.is_empty() {
        return None;
    }
    let rows = roots
        .iter()
        .map(|root| {
            format!(
                "({}::pg_catalog.oid, {}::pg_catalog.oid, {}::pg_catalog.int4)",
                root.class, root.object, root.column
            )
        })
        .collect::<Vec<_>>()
        .join(", ");
    Some(match act {
        Act::Drop { cascade } => dropped(&rows, cascade),
        Act::Truncate { cascade, .. } => emptied(&rows, cascade),
        Act::Rewrite => emptied(&rows, false),
    })
}

/// `findDependentObjects` in `src/backend/catalog/dependency.c`: what depends on a dropped object goes, and
/// so does what an internal part belongs to. Without CASCADE a normal dependency makes the DROP fail.
fn dropped(roots: &str, cascade: bool) -> String {
    let kinds = if cascade {
        "'n','a','i','P','S','x','e'"
    } else {
        "'a','i','P','S','x','e'"
    };
    format!(
        "WITH RECURSIVE gone(classid, objid, objsubid) AS (
            VALUES {roots}
          UNION
            SELECT e.classid, e.objid, e.objsubid
            FROM gone g CROSS JOIN LATERAL (
                SELECT d.classid, d.objid, d.objsubid
                FROM pg_catalog.pg_depend d
                WHERE d.refclassid = g.classid
                  AND d.refobjid = g.objid
                  AND (g.objsubid = 0
                       OR d.refobjsubid = g.objsubid)
                  AND d.deptype IN ({kinds})
              UNION ALL
                SELECT d.refclassid, d.refobjid, d.refobjsubid
                FROM pg_catalog.pg_depend d
                WHERE d.classid = g.classid
                  AND d.objid = g.objid
                  AND d.deptype = 'i'
                  AND (g.objsubid = 0
                       OR d.objsubid = g.objsubid)
            ) e
        )"
    )
}

/// TRUNCATE and ALTER reach partitions and children, TRUNCATE … CASCADE what references them.
fn emptied(roots: &str, cascade: bool) -> String {
    let referencing = if cascade {
        "UNION ALL
                SELECT k.conrelid FROM pg_catalog.pg_constraint k
                WHERE k.confrelid = g.objid
                  AND k.contype = 'f'"
    } else {
        ""
    };
    format!(
        "WITH RECURSIVE gone(classid, objid, objsubid) AS (
            VALUES {roots}
          UNION
            SELECT g.classid, e.oid, 0
            FROM gone g CROSS JOIN LATERAL (
                SELECT i.inhrelid FROM pg_catalog.pg_inherits i
                WHERE i.inhparent = g.objid
                {referencing}
            ) e(oid)
        )"
    )
}
