-- schema, name, function oid, extension: each overload once
select n.nspname::pg_catalog.text,
       o.oprname::pg_catalog.text,
       o.oprcode::pg_catalog.oid::pg_catalog.text,
       e.extname::pg_catalog.text
  from pg_catalog.pg_operator o
  join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) o.oprnamespace
  left join pg_catalog.pg_depend d
    on d.classid operator(pg_catalog.=) 2617::pg_catalog.oid
   and d.objid operator(pg_catalog.=) o.oid
   and d.deptype operator(pg_catalog.=) 'e'::pg_catalog."char"
   and d.refclassid operator(pg_catalog.=) 3079::pg_catalog.oid
  left join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
 where not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
 order by 1, 2, o.oid
