-- referencing oid, referenced oid, name, on delete, on update, referenced columns as JSON
select k.conrelid::pg_catalog.text,
       k.confrelid::pg_catalog.text,
       k.conname::pg_catalog.text,
       k.confdeltype::pg_catalog.text,
       k.confupdtype::pg_catalog.text,
       (select pg_catalog.json_agg(a.attname order by a.attnum)::pg_catalog.text
          from pg_catalog.pg_attribute a
         where a.attrelid operator(pg_catalog.=) k.confrelid
           and a.attnum operator(pg_catalog.=) any (k.confkey))
  from pg_catalog.pg_constraint k
 where k.contype operator(pg_catalog.=) 'f'::pg_catalog."char"
 order by k.conrelid, k.oid
