-- schema, owner
select n.nspname::pg_catalog.text,
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text
  from pg_catalog.pg_namespace n
 where not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
   and not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast')
 order by 1
