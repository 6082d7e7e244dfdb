-- oid, schema, name, kind, base type oid, input function oid, extension, has checks; row types of tables are left out
select t.oid::pg_catalog.text,
       n.nspname::pg_catalog.text,
       t.typname::pg_catalog.text,
       t.typtype::pg_catalog.text,
       t.typbasetype::pg_catalog.text,
       t.typinput::pg_catalog.oid::pg_catalog.text,
       e.extname::pg_catalog.text,
       (select pg_catalog.json_agg(pg_catalog.pg_get_expr(k.conbin, 0::pg_catalog.oid) order by k.conname)::pg_catalog.text
          from pg_catalog.pg_constraint k
         where k.contypid operator(pg_catalog.=) t.oid
           and k.contype operator(pg_catalog.=) 'c'::pg_catalog."char")
  from pg_catalog.pg_type t
  join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.typnamespace
  left join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) t.typrelid
  left join pg_catalog.pg_depend d
    on d.classid operator(pg_catalog.=) 1247::pg_catalog.oid
   and d.objid operator(pg_catalog.=) t.oid
   and d.deptype operator(pg_catalog.=) 'e'::pg_catalog."char"
   and d.refclassid operator(pg_catalog.=) 3079::pg_catalog.oid
  left join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
 where (c.relkind is null or c.relkind operator(pg_catalog.=) 'c'::pg_catalog."char")
   and not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
   and not (t.typelem operator(pg_catalog.<>) 0::pg_catalog.oid and t.typlen operator(pg_catalog.=) (-1)::pg_catalog.int2)
 order by 2, 3
