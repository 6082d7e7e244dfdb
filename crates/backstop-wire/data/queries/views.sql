-- oid of a view that is not the system's own, its definition
select c.oid::pg_catalog.text,
       pg_catalog.pg_get_viewdef(c.oid)
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
 where c.relkind operator(pg_catalog.=) any (array['v', 'm']::pg_catalog."char"[])
   and n.nspname operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema']::pg_catalog.name[])
   and c.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
 order by c.oid
