-- parent oid, child oid
select h.inhparent::pg_catalog.text, h.inhrelid::pg_catalog.text
  from pg_catalog.pg_inherits h
  join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) h.inhrelid
 where c.relkind operator(pg_catalog.<>) all (array['i', 'I']::pg_catalog."char"[])
 order by h.inhparent, h.inhrelid
