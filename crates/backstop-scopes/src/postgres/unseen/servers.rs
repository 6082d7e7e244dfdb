//! Foreign servers, by who may go through them and with whose credentials.

use backstop_wire::sql::ident;

use super::{NOT_SEEN, Unseen, UnseenKind, some};
use crate::postgres::ask::Asking;
use crate::postgres::error::Error;

/// A server's rights, mappings, and the foreign tables that somebody here may use.
const SERVERS: &str = "\
select s.srvname, w.fdwname, has_server_privilege('public', s.oid, 'usage'), has_server_privilege(s.oid, 'usage'), \
  exists (select from pg_catalog.pg_user_mappings m where m.srvid = s.oid and m.umuser = 0), \
  exists (select from pg_catalog.pg_user_mappings m join pg_catalog.pg_roles r on r.oid = m.umuser \
    where m.srvid = s.oid and r.rolname = current_user), current_user, \
  (select string_agg(quote_ident(n.nspname) || '.' || quote_ident(c.relname), chr(10) order by 1) \
    from pg_catalog.pg_foreign_table t join pg_catalog.pg_class c on c.oid = t.ftrelid \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace where t.ftserver = s.oid \
    and has_table_privilege('public', c.oid, 'select, insert, update, delete')), \
  (select string_agg(quote_ident(n.nspname) || '.' || quote_ident(c.relname), chr(10) order by 1) \
    from pg_catalog.pg_foreign_table t join pg_catalog.pg_class c on c.oid = t.ftrelid \
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace where t.ftserver = s.oid \
    and has_table_privilege(c.oid, 'select, insert, update, delete')) \
from pg_catalog.pg_foreign_server s join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw order by 1";

const WRAPPERS: &str = "\
select w.fdwname, has_foreign_data_wrapper_privilege('public', w.oid, 'usage'), \
  has_foreign_data_wrapper_privilege(w.oid, 'usage') \
from pg_catalog.pg_foreign_data_wrapper w where w.fdwhandler <> 0 order by 1";

pub(super) async fn servers(asking: &Asking<'_>) -> Result<Vec<Unseen>, Error> {
    let mut all = vec![];
    for row in asking.rows("foreign servers", SERVERS).await? {
        let (server, wrapper) = (row.text(0)?, row.text(1)?);
        let (public, gate) = (row.flag(2), row.flag(3));
        let (for_all, own) = (row.flag(4), row.flag(5));
        let lines = |n: usize| -> Vec<String> {
            let text = row.maybe(n).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let (tables_of_all, tables_of_gate) = (lines(7), lines(8));
        let mut why = vec![];
        let mut fix = vec![];
        if public {
            why.push("everybody may use it".to_owned());
            fix.push(format!(
                "REVOKE USAGE ON FOREIGN SERVER {} FROM PUBLIC",
                ident(&server)
            ));
        } else if gate {
            why.push("the gate's role may use it".to_owned());
        }
        if for_all {
            why.push("it has credentials for everybody".to_owned());
            fix.push(format!(
                "DROP USER MAPPING FOR PUBLIC SERVER {}",
                ident(&server)
            ));
        } else if own {
            why.push("it has credentials for the gate's role".to_owned());
            let user = row.text(6)?;
            fix.push(format!(
                "DROP USER MAPPING FOR {} SERVER {}",
                ident(&user),
                ident(&server)
            ));
        }
        if !tables_of_all.is_empty() {
            let tables = some(&tables_of_all, "tables");
            why.push(format!("everybody may use its {tables}"));
            fix.push(format!(
                "REVOKE ALL ON {} FROM PUBLIC",
                tables_of_all.join(", ")
            ));
        } else if !tables_of_gate.is_empty() {
            let tables = some(&tables_of_gate, "tables");
            why.push(format!("the gate's role may use its {tables}"));
        }
        if why.is_empty() {
            continue;
        }
        if fix.is_empty() {
            fix.push(format!(
                "revoke USAGE on foreign server {} from the gate's role, if it needs it not",
                ident(&server)
            ));
        }
        all.push(Unseen {
            kind: UnseenKind::Server,
            what: format!(
                "foreign server `{server}` (`{wrapper}`) leads out of the database, {NOT_SEEN}: {}",
                why.join(", ")
            ),
            fix: fix.join("; "),
        });
    }
    Ok(all)
}

pub(super) async fn wrappers(asking: &Asking<'_>) -> Result<Vec<Unseen>, Error> {
    let mut all = vec![];
    for row in asking.rows("foreign-data wrappers", WRAPPERS).await? {
        let name = row.text(0)?;
        let (who, fix) = if row.flag(1) {
            (
                "everybody may",
                format!(
                    "REVOKE USAGE ON FOREIGN DATA WRAPPER {} FROM PUBLIC",
                    ident(&name)
                ),
            )
        } else if row.flag(2) {
            (
                "the gate's role, and so what is approved, may",
                format!(
                    "revoke USAGE on foreign-data wrapper {} from the gate's role",
                    ident(&name)
                ),
            )
        } else {
            continue;
        };
        all.push(Unseen {
            kind: UnseenKind::Server,
            what: format!(
                "{who} make foreign servers of `{name}`, which lead out of the database, {NOT_SEEN}"
            ),
            fix,
        });
    }
    Ok(all)
}
