//! Code that runs with others' rights, and what leads out of the database.

use super::roles::acl;
use super::{Catalogue, Function, Rule, Server, Trigger, privilege};
use crate::postgres::ask::Asking;
use crate::postgres::error::Error;
use crate::postgres::libraries::{self, Library};

/// What runs as its owner, what is not SQL, and the built-ins of files that somebody was granted.
const FUNCTIONS: &str = "\
select p.oid, p.pronamespace, p.proname, pg_get_function_identity_arguments(p.oid), p.proowner, p.prosecdef, l.lanname, \
  coalesce(p.probin, ''), l.lanpltrusted, coalesce(h.probin, ''), coalesce(h.prosrc, ''), \
  case when p.prosqlbody is null then p.prosrc else pg_get_function_sqlbody(p.oid) end, \
  (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a), \
  p.prorettype <> all (array['trigger', 'event_trigger', 'fdw_handler', 'language_handler', 'index_am_handler', \
    'table_am_handler', 'tsm_handler', 'internal']::regtype[]) and not 'internal'::regtype = any (p.proargtypes) \
from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang \
left join pg_catalog.pg_proc h on h.oid = l.lanplcallfoid \
where p.prokind in ('f', 'p', 'w') and (p.oid >= 16384 and (p.prosecdef or p.prolang = 13 \
    or l.lanname not in ('sql', 'plpgsql', 'internal') \
    or p.prorettype = 'trigger'::regtype) \
  or p.oid < 16384 and p.proacl is not null and p.pronamespace = 'pg_catalog'::regnamespace \
    and (p.proname ~ '^pg_read_(binary_)?file$' or p.proname ~ '^lo_(import|export)$' or p.proname = 'pg_ls_dir'))";

const NAMES: &str = "\
select distinct proname from pg_catalog.pg_proc where oid >= 16384 and not exists ( \
  select from pg_catalog.pg_depend e where e.classid = 'pg_catalog.pg_proc'::regclass and e.objid = pg_proc.oid and e.deptype = 'e')";

/// Bits of `tgtype`: 2 BEFORE, 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
const TRIGGERS: &str = "\
select t.tgrelid, t.tgname, t.tgfoid, t.tgtype from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid \
where not t.tgisinternal and t.tgenabled in ('O', 'A')";

const EVENT_TRIGGERS: &str = "\
select t.evtname, t.evtfoid from pg_catalog.pg_event_trigger t join pg_catalog.pg_proc p on p.oid = t.evtfoid \
where t.evtenabled in ('O', 'A') and p.prosecdef";

const RULES: &str = "\
select r.ev_class, r.rulename, r.ev_type, pg_get_ruledef(r.oid) from pg_catalog.pg_rewrite r \
where r.ev_type in ('2', '3', '4') and r.ev_enabled in ('O', 'A') and r.oid >= 16384";

const SERVERS: &str = "\
select s.oid, s.srvname, s.srvowner, w.fdwname, \
  (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(s.srvacl) a), \
  (select string_agg(m.umuser::text, ' ') from pg_catalog.pg_user_mappings m where m.srvid = s.oid) \
from pg_catalog.pg_foreign_server s join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw";

const WRAPPERS: &str = "\
select w.fdwname, w.fdwowner, (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(w.fdwacl) a) \
from pg_catalog.pg_foreign_data_wrapper w where w.fdwhandler <> 0";

const LANGUAGES: &str = "\
select l.lanname, l.lanowner, coalesce(h.probin, ''), coalesce(h.prosrc, ''), \
  (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a) \
from pg_catalog.pg_language l left join pg_catalog.pg_proc h on h.oid = l.lanplcallfoid \
where l.lanpltrusted and l.oid not in (12, 13, 14)";

pub(super) async fn load(asking: &Asking<'_>, to: &mut Catalogue) -> Result<(), Error> {
    for row in asking.rows("functions", FUNCTIONS).await? {
        let handled = libraries::is_trusted_handler(&row.text(9)?, &row.text(10)?);
        let language = row.text(6)?;
        let function = Function {
            schema: row.value(1)?,
            name: row.text(2)?,
            arguments: row.text(3)?,
            owner: row.value(4)?,
            definer: row.flag(5),
            library: row.text(7)?,
            trusted: language == "sql" || language == "internal" || (row.flag(8) && handled),
            language,
            body: row.maybe(11).unwrap_or_default().to_owned(),
            acl: acl(&row, 12).unwrap_or_default(),
            callable: row.flag(13),
        };
        to.functions.insert(row.value(0)?, function);
    }
    for row in asking.rows("names of functions", NAMES).await? {
        to.function_names.insert(row.text(0)?);
    }
    // Of extensions only those count that are not known to do nothing else than they seem.
    let leads = to.functions.values().filter(|f| {
        !f.trusted && (f.language != "c" || libraries::library(&f.library) != Library::Plain)
    });
    let leads: Vec<String> = leads.map(|f| f.name.clone()).collect();
    to.function_names.extend(leads);
    for row in asking.rows("triggers", TRIGGERS).await? {
        let kinds: u16 = row.value(3)?;
        let events = [
            (4, privilege::INSERT),
            (8, privilege::DELETE),
            (16, privilege::UPDATE),
            (32, privilege::TRUNCATE),
        ];
        to.triggers.push(Trigger {
            relation: row.value(0)?,
            name: row.text(1)?,
            function: row.value(2)?,
            before: kinds & 2 != 0,
            events: events
                .iter()
                .filter(|(kind, _)| kinds & kind != 0)
                .fold(0, |all, (_, bit)| all | bit),
        });
    }
    for row in asking.rows("event triggers", EVENT_TRIGGERS).await? {
        to.event_triggers.push((row.text(0)?, row.value(1)?));
    }
    for row in asking.rows("rules", RULES).await? {
        let whole = row.text(3)?;
        let action = whole.split_once(" DO ").map_or("", |(_, after)| after);
        to.rules.push(Rule {
            relation: row.value(0)?,
            name: row.text(1)?,
            event: match row.value::<char>(2)? {
                '2' => privilege::UPDATE,
                '3' => privilege::INSERT,
                _ => privilege::DELETE,
            },
            action: action.to_owned(),
        });
    }
    outside(asking, to).await
}

async fn outside(asking: &Asking<'_>, to: &mut Catalogue) -> Result<(), Error> {
    for row in asking.rows("foreign servers", SERVERS).await? {
        let server = Server {
            name: row.text(1)?,
            owner: row.value(2)?,
            wrapper: row.text(3)?,
            acl: acl(&row, 4).unwrap_or_default(),
            mapped: row.values(5),
        };
        to.servers.insert(row.value(0)?, server);
    }
    for row in asking.rows("foreign-data wrappers", WRAPPERS).await? {
        let grants = acl(&row, 2).unwrap_or_default();
        to.wrappers.push((row.text(0)?, row.value(1)?, grants));
    }
    for row in asking.rows("languages", LANGUAGES).await? {
        if !libraries::is_trusted_handler(&row.text(2)?, &row.text(3)?) {
            let grants = acl(&row, 4).unwrap_or_default();
            to.wild_languages
                .push((row.text(0)?, row.value(1)?, grants));
        }
    }
    Ok(())
}
