//! Files and programs of the server's machine, and built-ins that somebody opened.

use std::collections::BTreeMap;

use backstop_wire::sql::ident;

use super::{NOT_SEEN, Unseen, UnseenKind, some};
use crate::postgres::ask::Asking;
use crate::postgres::error::Error;

/// The predefined roles of the machine's files, the role's way into each, and the grants that the way ends with.
const ROLES: &str = "\
with recursive mine (oid) as ( \
  select oid from pg_catalog.pg_roles where rolname = current_user \
  union select m.roleid from mine join pg_catalog.pg_auth_members m on m.member = mine.oid) \
select p.rolname, h.rolname from pg_catalog.pg_roles p \
join pg_catalog.pg_auth_members m on m.roleid = p.oid join mine on mine.oid = m.member \
join pg_catalog.pg_roles h on h.oid = m.member \
where p.rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program') \
order by 1, 2";

/// Built-ins that are not everybody's as PostgreSQL comes, and are now, or are the role's by a grant.
const OPENED: &str = "\
select p.proname, pg_get_function_identity_arguments(p.oid), has_function_privilege('public', p.oid, 'execute') \
from pg_catalog.pg_proc p join pg_catalog.pg_init_privs i on i.objoid = p.oid \
  and i.classoid = 'pg_catalog.pg_proc'::regclass and i.privtype = 'i' \
where p.oid < 16384 and p.pronamespace = 'pg_catalog'::regnamespace \
  and not exists (select from aclexplode(i.initprivs) a where a.grantee = 0 and a.privilege_type = 'EXECUTE') \
  and (has_function_privilege('public', p.oid, 'execute') \
    or has_function_privilege(p.oid, 'execute') and (p.proname ~ '^pg_(read|stat)_' or p.proname ~ '^lo_(import|export)$' \
      or p.proname = 'pg_ls_dir') \
    and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)) \
order by 1, 2";

pub(super) async fn roles(asking: &Asking<'_>) -> Result<Vec<Unseen>, Error> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in asking.rows("memberships", ROLES).await? {
        found.entry(row.text(0)?).or_default().push(row.text(1)?);
    }
    let told = found.into_iter().map(|(role, holders)| {
        let does = match role.as_str() {
            "pg_read_server_files" => {
                "read any file of the server, its data directory and backups too"
            }
            "pg_write_server_files" => {
                "overwrite any file of the server, its data directory and backups too"
            }
            _ => "run programs on the server's machine",
        };
        let revokes: Vec<String> = holders
            .iter()
            .map(|holder| format!("REVOKE {role} FROM {}", ident(holder)))
            .collect();
        Unseen {
            kind: UnseenKind::Files,
            what: format!(
                "the gate's role, and so what is approved, may {does} (`{role}`), {NOT_SEEN}"
            ),
            fix: revokes.join("; "),
        }
    });
    Ok(told.collect())
}

pub(super) async fn opened(asking: &Asking<'_>) -> Result<Vec<Unseen>, Error> {
    let (mut public, mut gate) = (vec![], vec![]);
    for row in asking.rows("built-in functions", OPENED).await? {
        let name = (
            row.text(0)?,
            format!("pg_catalog.{}({})", ident(&row.text(0)?), row.text(1)?),
        );
        if row.flag(2) { &mut public } else { &mut gate }.push(name);
    }
    let mut all = vec![];
    for (who, whom, found) in [
        ("everybody may", "PUBLIC", public),
        (
            "the gate's role, and so what is approved, may",
            "the gate's role",
            gate,
        ),
    ] {
        let (mut names, full): (Vec<String>, Vec<String>) = found.into_iter().unzip();
        names.dedup();
        if !names.is_empty() {
            all.push(Unseen {
                kind: UnseenKind::Opened,
                what: format!(
                    "{who} run {}, which PostgreSQL keeps for superusers",
                    some(&names, "built-in functions")
                ),
                fix: format!("REVOKE EXECUTE ON FUNCTION {} FROM {whom}", full.join(", ")),
            });
        }
    }
    Ok(all)
}
