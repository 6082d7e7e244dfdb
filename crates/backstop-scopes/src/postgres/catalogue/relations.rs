//! Schemas, relations, and what leads from one to another.

use super::roles::acl;
use super::{Catalogue, Key, Owned, Policy, Relation, Schema, privilege};
use crate::postgres::ask::Asking;
use crate::postgres::error::Error;

const SCHEMAS: &str = "\
select n.oid, n.nspname, n.nspowner, \
  (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a) \
from pg_catalog.pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'";

const RELATIONS: &str = "\
select c.oid, c.relnamespace, c.relname, c.relkind, c.relowner, c.relrowsecurity, c.relforcerowsecurity, \
  (select string_agg(a.grantee || ':' || a.privilege_type, ' ') from aclexplode(c.relacl) a), \
  case when c.reltuples >= 0 then c.reltuples::bigint else nullif(pg_stat_get_live_tuples(c.oid), 0) end, \
  e.refobjid, \
  coalesce((select bool_or(option_value::bool) from pg_options_to_table(c.reloptions) where option_name = 'security_invoker'), false), \
  case when c.relkind in ('v', 'f') then pg_relation_is_updatable(c.oid, false) else 28 end, t.ftserver, \
  coalesce((select o.option_value from pg_options_to_table(t.ftoptions) o where o.option_name = 'truncatable'), \
    (select o.option_value from pg_catalog.pg_foreign_server s, pg_options_to_table(s.srvoptions) o \
      where s.oid = t.ftserver and o.option_name = 'truncatable'), 'true') ~* '^(f|n|of|0)' \
from pg_catalog.pg_class c \
join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
left join pg_catalog.pg_depend e on e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.objsubid = 0 \
  and e.refclassid = 'pg_catalog.pg_extension'::regclass and e.deptype = 'e' \
left join pg_catalog.pg_foreign_table t on t.ftrelid = c.oid \
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'";

/// With indexes and TOAST, as the files are. A table that somebody has locked makes it wait, and then fail.
const SIZES: &str = "\
select c.oid, pg_total_relation_size(c.oid) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'";

/// The same as the last VACUUM or ANALYZE counted it, which waits for nobody.
const SIZES_COUNTED: &str = "\
select x.oid, sum(x.pages) * current_setting('block_size')::bigint from ( \
  select c.oid, c.relpages::bigint + coalesce(t.relpages, 0) + coalesce( \
    (select sum(i.relpages) from pg_catalog.pg_index k join pg_catalog.pg_class i on i.oid = k.indexrelid where k.indrelid = c.oid), 0) pages \
  from pg_catalog.pg_class c left join pg_catalog.pg_class t on t.oid = c.reltoastrelid \
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
  where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema') x group by 1";

const COLUMNS: &str = "\
select a.attrelid, x.grantee, a.attnum, x.privilege_type = 'INSERT' from pg_catalog.pg_attribute a, aclexplode(a.attacl) x \
where a.attacl is not null and a.attrelid >= 16384 and x.privilege_type in ('UPDATE', 'INSERT')";

const INHERITS: &str = "select inhparent, inhrelid from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid \
where c.relkind in ('r', 'p', 'f')";

/// Keys whose actions are switched on: a key that is not enforced, or whose triggers are off, does nothing.
const KEYS: &str = "\
select c.conrelid, c.confrelid, c.conname, c.confdeltype, c.confupdtype, array_to_string(c.confkey, ' '), array_to_string(c.conkey, ' ') \
from pg_catalog.pg_constraint c where c.contype = 'f' \
and exists (select from pg_catalog.pg_trigger t where t.tgconstraint = c.oid and t.tgrelid = c.confrelid and t.tgenabled in ('O', 'A'))";

const VIEWS: &str = "\
select distinct r.ev_class, d.refobjid from pg_catalog.pg_rewrite r join pg_catalog.pg_class v on v.oid = r.ev_class \
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid \
  and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class \
where r.ev_type = '1' and v.relkind in ('v', 'm') and v.oid >= 16384";

const POLICIES: &str = "\
select p.polrelid, p.polname, p.polpermissive, p.polcmd, array_to_string(p.polroles, ' '), \
  coalesce(pg_get_expr(p.polqual, p.polrelid) = 'true', false) \
from pg_catalog.pg_policy p";

/// Types of people's own that stand behind columns, domains and arrays, with what takes them along.
const TYPES: &str = "\
select t.oid, t.typnamespace, t.typname, t.typowner, e.refobjid from pg_catalog.pg_type t \
left join pg_catalog.pg_depend e on e.classid = 'pg_catalog.pg_type'::regclass and e.objid = t.oid \
  and e.refclassid = 'pg_catalog.pg_extension'::regclass and e.deptype = 'e' \
left join pg_catalog.pg_class c on c.oid = t.typrelid \
where t.oid >= 16384 and t.typcategory <> 'A' and (t.typrelid = 0 or c.relkind = 'c')";

const TYPED_COLUMNS: &str = "\
with recursive made (column_of, name, type) as ( \
  select a.attrelid, a.attname, case when t.typcategory = 'A' and t.typelem <> 0 then t.typelem else t.oid end \
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_type t on t.oid = a.atttypid \
  where c.relkind in ('r', 'p', 'f') and a.attnum > 0 and not a.attisdropped and a.attrelid >= 16384 and a.atttypid >= 16384 \
  union select m.column_of, m.name, case when b.typcategory = 'A' and b.typelem <> 0 then b.typelem else b.oid end \
  from made m join pg_catalog.pg_type d on d.oid = m.type and d.typtype = 'd' join pg_catalog.pg_type b on b.oid = d.typbasetype \
  where b.oid >= 16384) \
select column_of, name, type from made";

/// Generated columns go with the functions and operators that they call, and any column with its collation.
const DEPENDENT_COLUMNS: &str = "\
select distinct d.rel, a.attname, x.title, x.name, x.schema, x.owner, e.refobjid from ( \
  select objid rel, objsubid col, refclassid, refobjid from pg_catalog.pg_depend \
    where classid = 'pg_catalog.pg_class'::regclass and objsubid > 0 and deptype in ('n', 'a') and refobjid >= 16384 \
  union all select f.adrelid, f.adnum, g.refclassid, g.refobjid from pg_catalog.pg_depend g \
    join pg_catalog.pg_attrdef f on f.oid = g.objid join pg_catalog.pg_attribute b on b.attrelid = f.adrelid and b.attnum = f.adnum \
    where g.classid = 'pg_catalog.pg_attrdef'::regclass and g.refobjid >= 16384 and b.attgenerated <> '') d \
join pg_catalog.pg_attribute a on a.attrelid = d.rel and a.attnum = d.col and not a.attisdropped \
join pg_catalog.pg_class c on c.oid = d.rel and c.relkind in ('r', 'p', 'f') \
join (select 'pg_catalog.pg_proc'::regclass class, oid, 'function' title, proname name, pronamespace schema, proowner owner from pg_catalog.pg_proc \
  union all select 'pg_catalog.pg_operator'::regclass, oid, 'operator', oprname, oprnamespace, oprowner from pg_catalog.pg_operator \
  union all select 'pg_catalog.pg_collation'::regclass, oid, 'collation', collname, collnamespace, collowner from pg_catalog.pg_collation \
  ) x on x.class = d.refclassid and x.oid = d.refobjid \
left join pg_catalog.pg_depend e on e.classid = x.class and e.objid = x.oid \
  and e.refclassid = 'pg_catalog.pg_extension'::regclass and e.deptype = 'e'";

const TYPED_TABLES: &str = "select oid, reloftype from pg_catalog.pg_class where reloftype <> 0";

const EXTENSIONS: &str = "select oid, extname, extowner, extnamespace from pg_catalog.pg_extension";

pub(super) async fn load(asking: &Asking<'_>, to: &mut Catalogue) -> Result<(), Error> {
    for row in asking.rows("schemas", SCHEMAS).await? {
        let schema = Schema {
            name: row.text(1)?,
            owner: row.value(2)?,
            acl: acl(&row, 3).unwrap_or_default(),
        };
        to.schemas.insert(row.value(0)?, schema);
    }
    for row in asking.rows("tables", RELATIONS).await? {
        let relation = Relation {
            schema: row.value(1)?,
            name: row.text(2)?,
            kind: row.value(3)?,
            owner: row.value(4)?,
            rls: row.flag(5),
            rls_forced: row.flag(6),
            acl: acl(&row, 7),
            rows: row.value(8).ok(),
            extension: row.value(9).ok(),
            invoker: row.flag(10),
            updatable: row.value(11)?,
            server: row.value(12).ok(),
            keeps_all: row.flag(13),
            ..Relation::default()
        };
        to.relations.insert(row.value(0)?, relation);
    }
    for row in sizes(asking).await? {
        if let Some(relation) = to.relations.get_mut(&row.value(0)?) {
            relation.bytes = row.value(1).ok();
        }
    }
    for row in asking.rows("column grants", COLUMNS).await? {
        if let Some(relation) = to.relations.get_mut(&row.value(0)?) {
            if row.flag(3) {
                relation.inserters.push(row.value(1)?);
            } else {
                relation.columns.push((row.value(1)?, row.value(2)?));
            }
        }
    }
    for row in asking.rows("inheritance", INHERITS).await? {
        let (parent, child) = (row.value(0)?, row.value(1)?);
        to.children.entry(parent).or_default().push(child);
    }
    for row in asking.rows("foreign keys", KEYS).await? {
        to.keys.push(Key {
            from: row.value(0)?,
            to: row.value(1)?,
            name: row.text(2)?,
            on_delete: row.value(3)?,
            on_update: row.value(4)?,
            to_columns: row.values(5),
            from_columns: row.values(6),
        });
    }
    for row in asking.rows("views", VIEWS).await? {
        let (view, read) = (row.value(0)?, row.value(1)?);
        to.view_reads.entry(view).or_default().push(read);
    }
    for row in asking.rows("policies", POLICIES).await? {
        let policy = Policy {
            name: row.text(1)?,
            permissive: row.flag(2),
            event: match row.value::<char>(3)? {
                'r' => privilege::SELECT,
                'a' => privilege::INSERT,
                'w' => privilege::UPDATE,
                'd' => privilege::DELETE,
                _ => 0,
            },
            roles: row.values(4),
            always: row.flag(5),
        };
        to.policies.entry(row.value(0)?).or_default().push(policy);
    }
    owned(asking, to).await
}

async fn owned(asking: &Asking<'_>, to: &mut Catalogue) -> Result<(), Error> {
    for row in asking.rows("types", TYPES).await? {
        let schema = row.value(1)?;
        let owned = Owned {
            schema: Some(schema),
            title: format!("type `{}`", to.qualified(schema, &row.text(2)?)),
            owner: row.value(3)?,
            extension: row.value(4).ok(),
        };
        to.types.insert(row.value(0)?, owned);
    }
    for row in asking.rows("columns", TYPED_COLUMNS).await? {
        to.typed_columns
            .push((row.value(0)?, row.text(1)?, row.value(2)?));
    }
    for row in asking.rows("columns of code", DEPENDENT_COLUMNS).await? {
        let schema = row.value(4)?;
        let owned = Owned {
            schema: Some(schema),
            title: format!("{} `{}`", row.text(2)?, to.qualified(schema, &row.text(3)?)),
            owner: row.value(5)?,
            extension: row.value(6).ok(),
        };
        to.dependent_columns
            .push((row.value(0)?, row.text(1)?, owned));
    }
    for row in asking.rows("tables of types", TYPED_TABLES).await? {
        to.typed_tables.push((row.value(0)?, row.value(1)?));
    }
    for row in asking.rows("extensions", EXTENSIONS).await? {
        let owned = Owned {
            schema: row.value(3).ok(),
            title: format!("extension `{}`", row.text(1)?),
            owner: row.value(2)?,
            extension: None,
        };
        to.extensions.insert(row.value(0)?, owned);
    }
    Ok(())
}

async fn sizes(asking: &Asking<'_>) -> Result<Vec<crate::postgres::ask::Answer>, Error> {
    match asking.try_rows("sizes", SIZES).await? {
        Some(rows) => Ok(rows),
        None => asking.rows("sizes", SIZES_COUNTED).await,
    }
}
