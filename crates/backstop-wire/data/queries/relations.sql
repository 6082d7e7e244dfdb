-- oid, schema, name, kind, persistence, owner, row security, columns as JSON (null for the system's own)
select c.oid::pg_catalog.text,
       n.nspname::pg_catalog.text,
       c.relname::pg_catalog.text,
       c.relkind::pg_catalog.text,
       c.relpersistence::pg_catalog.text,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text,
       c.relrowsecurity::pg_catalog.text,
       case when n.nspname operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema']::pg_catalog.name[])
             and c.relkind operator(pg_catalog.<>) all (array['i', 'I', 'S']::pg_catalog."char"[])
            then (select pg_catalog.json_agg(a.attname order by a.attnum)::pg_catalog.text
                    from pg_catalog.pg_attribute a
                   where a.attrelid operator(pg_catalog.=) c.oid
                     and a.attnum operator(pg_catalog.>) 0::pg_catalog.int2
                     and not a.attisdropped)
       end
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
 where c.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
   and c.relkind operator(pg_catalog.<>) 't'::pg_catalog."char"
   and not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast')
   and (n.nspname operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema']::pg_catalog.name[])
        or c.relkind operator(pg_catalog.<>) all (array['i', 'I', 'S']::pg_catalog."char"[]))
 order by 2, 3
