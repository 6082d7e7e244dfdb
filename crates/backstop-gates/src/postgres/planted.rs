//! Code that a lease made, or left behind: an approved action runs as the gate's own role and must not meet any of it
//! (invariant 12). It must not be told by what it does, which nobody can tell, only by whose it is.

use super::error::GateError;
use super::judge::Judged;
use super::question::literal;
use super::upstream::ServerConnection;

/// The functions and operators of leases: what each is and is called, and whether it is in reach without being named
/// in the action's own text: something depends on it, or its schema is in the action's `search_path`.
fn question(path: &[String]) -> String {
    let path: Vec<String> = path.iter().map(|schema| literal(schema)).collect();
    format!(
        "select k.what, k.name, exists (select 1 from pg_catalog.pg_depend d \
           where d.refobjid operator(pg_catalog.=) k.oid and d.refclassid operator(pg_catalog.=) k.class) \
           or exists (select 1 from pg_catalog.pg_namespace n where n.oid operator(pg_catalog.=) k.schema \
           and n.nspname operator(pg_catalog.=) any (array[{}]::pg_catalog.name[])) \
         from (select 'function', p.proname, p.oid, p.pronamespace, p.proowner, \
                 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid from pg_catalog.pg_proc p \
               union all \
               select 'operator', o.oprname, o.oid, o.oprnamespace, o.oprowner, \
                 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid from pg_catalog.pg_operator o \
              ) k(what, name, oid, schema, owner, class) \
         join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) k.owner \
         where r.rolname operator(pg_catalog.~) '^(lease_[0-9a-z]{{16}}|backstop_leftovers)$'",
        path.join(", ")
    )
}

/// What code with this `search_path` could meet without naming it, such as a trigger that runs while rows come back.
pub(crate) async fn unnamed(
    server: &mut ServerConnection,
    path: &[String],
) -> Result<Option<String>, GateError> {
    for row in server.ask(&question(path)).await? {
        let [Some(what), Some(name), in_reach] = row.as_slice() else {
            return Err(GateError::Protocol(
                "no answer to a question about what leases made".into(),
            ));
        };
        if in_reach.as_deref() != Some("f") {
            return Ok(Some(format!("{what} `{name}`")));
        }
    }
    Ok(None)
}

/// What an action with this `search_path` could meet, if there is anything.
pub(crate) async fn within_reach(
    server: &mut ServerConnection,
    path: &[String],
    judged: &Judged,
) -> Result<Option<String>, GateError> {
    // A name can be spelt in ways that only the analysis has read.
    let mut text = judged.text.to_lowercase();
    text.push_str(&judged.analysis.incomplete.join(" ").to_lowercase());
    for row in server.ask(&question(path)).await? {
        let [Some(what), Some(name), in_reach] = row.as_slice() else {
            return Err(GateError::Protocol(
                "no answer to a question about what leases made".into(),
            ));
        };
        if in_reach.as_deref() != Some("f") || text.contains(&name.to_lowercase()) {
            return Ok(Some(format!("{what} `{name}`")));
        }
    }
    Ok(None)
}
