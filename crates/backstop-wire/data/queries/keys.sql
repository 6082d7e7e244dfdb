-- relation oid, columns of a unique key as JSON: immediate, valid, not partial, on plain columns in their own collation
select i.indrelid::pg_catalog.text,
       (select pg_catalog.json_agg(a.attname order by a.attnum)::pg_catalog.text
          from pg_catalog.generate_series(0, i.indnkeyatts::pg_catalog.int4 operator(pg_catalog.-) 1) k(n)
          join pg_catalog.pg_attribute a
            on a.attrelid operator(pg_catalog.=) i.indrelid
           and a.attnum operator(pg_catalog.=) i.indkey[k.n])
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid operator(pg_catalog.=) i.indexrelid
 where i.indisunique and i.indimmediate and i.indisvalid
   and i.indpred is null and i.indexprs is null
   and x.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
   and i.indrelid operator(pg_catalog.>=) 16384::pg_catalog.oid
   and not exists (
       select 1
         from pg_catalog.generate_series(0, i.indnkeyatts::pg_catalog.int4 operator(pg_catalog.-) 1) k(n)
         join pg_catalog.pg_attribute a
           on a.attrelid operator(pg_catalog.=) i.indrelid
          and a.attnum operator(pg_catalog.=) i.indkey[k.n]
        where a.attcollation operator(pg_catalog.<>) i.indcollation[k.n])
 order by i.indrelid, i.indexrelid
