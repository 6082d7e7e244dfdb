-- oid, schema, name, kind, volatility, arguments, defaults, variadic, security definer, returns a set, language, owner, extension,
-- and the code, where it is SQL or PL/pgSQL and nobody else's extension
select p.oid::pg_catalog.text,
       n.nspname::pg_catalog.text,
       p.proname::pg_catalog.text,
       p.prokind::pg_catalog.text,
       p.provolatile::pg_catalog.text,
       p.pronargs::pg_catalog.text,
       p.pronargdefaults::pg_catalog.text,
       (p.provariadic operator(pg_catalog.<>) 0::pg_catalog.oid)::pg_catalog.text,
       p.prosecdef::pg_catalog.text,
       p.proretset::pg_catalog.text,
       l.lanname::pg_catalog.text,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text,
       e.extname::pg_catalog.text,
       case when e.extname is null
             and l.lanname operator(pg_catalog.=) any (array['sql', 'plpgsql']::pg_catalog.name[])
             and n.nspname operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema']::pg_catalog.name[])
            then coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) end
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
  join pg_catalog.pg_language l on l.oid operator(pg_catalog.=) p.prolang
  left join pg_catalog.pg_depend d
    on d.classid operator(pg_catalog.=) 1255::pg_catalog.oid
   and d.objid operator(pg_catalog.=) p.oid
   and d.deptype operator(pg_catalog.=) 'e'::pg_catalog."char"
   and d.refclassid operator(pg_catalog.=) 3079::pg_catalog.oid
  left join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
 where not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
 order by 2, 3, p.oid
