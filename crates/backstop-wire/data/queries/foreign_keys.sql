-- referencing oid, referenced oid, name, on delete, on update, referenced columns as JSON, referencing ones likewise
select k.conrelid::pg_catalog.text,
       k.confrelid::pg_catalog.text,
       k.conname::pg_catalog.text,
       k.confdeltype::pg_catalog.text,
       k.confupdtype::pg_catalog.text,
       (select pg_catalog.json_agg(a.attname order by u.n)::pg_catalog.text
          from rows from (pg_catalog.unnest(k.confkey)) with ordinality u(number, n)
          join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) k.confrelid
           and a.attnum operator(pg_catalog.=) u.number),
       (select pg_catalog.json_agg(a.attname order by u.n)::pg_catalog.text
          from rows from (pg_catalog.unnest(k.conkey)) with ordinality u(number, n)
          join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) k.conrelid
           and a.attnum operator(pg_catalog.=) u.number)
  from pg_catalog.pg_constraint k
 where k.contype operator(pg_catalog.=) 'f'::pg_catalog."char"
 order by k.conrelid, k.oid
