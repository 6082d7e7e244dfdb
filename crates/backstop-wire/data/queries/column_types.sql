-- relation oid, column, type oid: columns whose type is not the system's own
select a.attrelid::pg_catalog.text, a.attname::pg_catalog.text,
       (case when t.typelem operator(pg_catalog.<>) 0::pg_catalog.oid and t.typlen operator(pg_catalog.=) (-1)::pg_catalog.int2
             then t.typelem else t.oid end)::pg_catalog.text
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) a.attrelid
  join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) a.atttypid
 where a.atttypid operator(pg_catalog.>=) 16384::pg_catalog.oid
   and a.attnum operator(pg_catalog.>) 0::pg_catalog.int2
   and not a.attisdropped
   and c.relkind operator(pg_catalog.=) any (array['r', 'p', 'f', 'v', 'm', 'c']::pg_catalog."char"[])
   and c.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
 order by a.attrelid, a.attnum
