//! Roles, databases and what the server says of itself.

use super::{Acl, Catalogue, Database, Membership, Role, privilege};
use crate::postgres::ask::{Answer, Asking};
use crate::postgres::error::Error;

const FACTS: &str = "\
select current_setting('server_version_num'), d.oid, r.oid, pg_is_in_recovery(), \
  current_setting('default_transaction_read_only') = 'on' \
  or exists (select from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c \
    where s.setdatabase in (0, d.oid) and s.setrole = 0 and c ~* '^default_transaction_read_only=(on|true|yes|1)'), \
  coalesce((select setting = 'on' from pg_catalog.pg_settings where name = 'lo_compat_privileges'), false), \
  (select bool_or(setting <> '' and setting <> '(disabled)') from pg_catalog.pg_settings \
    where name in ('archive_command', 'archive_library')) \
  and (select setting <> 'off' from pg_catalog.pg_settings where name = 'archive_mode') \
from pg_catalog.pg_database d, pg_catalog.pg_roles r where d.datname = current_database() and r.rolname = current_user";

const ROLES: &str = "\
select r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolreplication, r.rolbypassrls, r.rolcanlogin, \
  exists (select from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c where s.setrole = r.oid \
    and c ~* '^default_transaction_read_only=(on|true|yes|1)'), r.rolinherit \
from pg_catalog.pg_roles r";

/// Before 16 a member inherits or not by an attribute of its own, and SET ROLE always leads on.
const MEMBERS: &str = "\
select m.roleid, m.member, m.admin_option, \
  coalesce((to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit), \
  coalesce((to_jsonb(m) ->> 'set_option')::bool, true), m.grantor \
from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.member";

const DATABASES: &str = "\
select d.oid, d.datname, d.datdba, \
  (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a), \
  case when d.datname = current_database() then pg_database_size(d.oid) end \
from pg_catalog.pg_database d where d.datallowconn or not d.datistemplate order by 2";

/// The default path, and whatever roles and databases set.
const PATHS: &str = "\
select btrim(p, ' \"') from ( \
  select unnest(string_to_array(substr(c, 13), ',')) p from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c \
    where c like 'search\\_path=%' \
  union select unnest(string_to_array(boot_val, ',')) from pg_catalog.pg_settings where name = 'search_path' \
  union select unnest(string_to_array(reset_val, ',')) from pg_catalog.pg_settings where name = 'search_path') x \
where btrim(p, ' \"') not in ('$user', '')";

/// What kind of process it is is hidden from those without rights on it.
const SESSIONS: &str = "\
select usesysid, count(*) from pg_catalog.pg_stat_activity \
where pid <> pg_backend_pid() and usesysid is not null and coalesce(backend_type, 'client backend') in ('client backend', 'walsender') group by 1";

const SLOTS: &str = "select slot_name from pg_catalog.pg_replication_slots order by 1";

const LARGE_OBJECTS: &str = "\
select lomowner, (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(lomacl) a), count(*) \
from pg_catalog.pg_largeobject_metadata group by 1, 2";

/// Grants as the queries here print them: `grantee:PRIVILEGE`, separated by spaces.
pub(super) fn acl(row: &Answer, n: usize) -> Option<Acl> {
    let text = row.maybe(n)?;
    let mut bits: Vec<(u32, u16)> = vec![];
    for part in text.split_ascii_whitespace() {
        let Some((who, what)) = part.split_once(':') else {
            continue;
        };
        let (Ok(who), bit) = (who.parse(), privilege::bit(what)) else {
            continue;
        };
        match bits.iter_mut().find(|(other, _)| *other == who) {
            Some((_, bits)) => *bits |= bit,
            None => bits.push((who, bit)),
        }
    }
    Some(Acl(bits))
}

pub(super) async fn load(asking: &Asking<'_>, to: &mut Catalogue) -> Result<(), Error> {
    for row in asking.rows("the server", FACTS).await? {
        to.major = row.value::<u32>(0)? / 10_000;
        to.database = row.value(1)?;
        to.me = row.value(2)?;
        to.standby = row.flag(3);
        to.read_only = row.flag(4);
        to.lo_compat = row.flag(5);
        to.archives = row.maybe(6).map(|_| row.flag(6));
    }
    let identity = "select system_identifier from pg_catalog.pg_control_system()";
    let identity = asking.try_rows("the server's identity", identity).await?;
    to.system_identifier = identity
        .iter()
        .flatten()
        .next()
        .and_then(|row| row.maybe(0))
        .map(str::to_owned);
    for row in asking.rows("roles", ROLES).await? {
        let role = Role {
            name: row.text(1)?,
            superuser: row.flag(2),
            createrole: row.flag(3),
            replication: row.flag(4),
            bypass_rls: row.flag(5),
            login: row.flag(6),
            read_only: row.flag(7),
            inherit: row.flag(8),
        };
        to.roles.insert(row.value(0)?, role);
    }
    for row in asking.rows("memberships", MEMBERS).await? {
        to.memberships.push(Membership {
            role: row.value(0)?,
            member: row.value(1)?,
            admin: row.flag(2),
            inherit: row.flag(3),
            set: row.flag(4),
            grantor: row.value(5)?,
        });
    }
    for row in asking.rows("databases", DATABASES).await? {
        to.databases.push(Database {
            oid: row.value(0)?,
            name: row.text(1)?,
            owner: row.value(2)?,
            acl: acl(&row, 3).unwrap_or_default(),
            bytes: row.value(4).ok(),
        });
    }
    for row in asking.rows("search paths", PATHS).await? {
        to.paths.insert(row.text(0)?);
    }
    for row in asking.rows("sessions", SESSIONS).await? {
        to.sessions.push((row.value(0)?, row.value(1)?));
    }
    for row in asking.rows("replication slots", SLOTS).await? {
        to.slots.push(row.text(0)?);
    }
    for row in asking.rows("large objects", LARGE_OBJECTS).await? {
        let grants = acl(&row, 1).unwrap_or_default();
        to.large_objects
            .push((row.value(0)?, grants, row.value(2)?));
    }
    Ok(())
}
