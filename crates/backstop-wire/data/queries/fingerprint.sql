-- one text that changes whenever anything that the analysis reads has changed; a temporary relation changes nothing
with rows(catalogue, oid, version) as (
    select 1, n.oid, n.xmin from pg_catalog.pg_namespace n
     where not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
       and not pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast')
    union all select 2, c.oid, c.xmin from pg_catalog.pg_class c
     where c.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
    union all select 3, p.oid, p.xmin from pg_catalog.pg_proc p
    union all select 4, o.oid, o.xmin from pg_catalog.pg_operator o
    union all select 5, k.oid, k.xmin from pg_catalog.pg_cast k
    union all select 6, t.oid, t.xmin from pg_catalog.pg_type t
      left join pg_catalog.pg_class tc on tc.oid operator(pg_catalog.=) t.typrelid
     where t.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
       and t.typtype operator(pg_catalog.=) any (array['b', 'd', 'e', 'r', 'm']::pg_catalog."char"[])
       and t.typelem operator(pg_catalog.=) 0::pg_catalog.oid
    union all select 7, r.oid, r.xmin from pg_catalog.pg_rewrite r
      join pg_catalog.pg_class rc on rc.oid operator(pg_catalog.=) r.ev_class
       and rc.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
    union all select 8, g.oid, g.xmin from pg_catalog.pg_trigger g
    union all select 9, q.oid, q.xmin from pg_catalog.pg_constraint q
    union all select 10, y.oid, y.xmin from pg_catalog.pg_policy y
    union all select 11, e.oid, e.xmin from pg_catalog.pg_event_trigger e
    union all select 12, x.oid, x.xmin from pg_catalog.pg_extension x
    union all select 13, i.indexrelid, i.xmin from pg_catalog.pg_index i
     where i.indexrelid operator(pg_catalog.>=) 16384::pg_catalog.oid
    union all select 14, f.oid, f.xmin from pg_catalog.pg_attrdef f
    union all select 15, h.inhrelid, h.xmin from pg_catalog.pg_inherits h
    union all select 16, a.attrelid, a.xmin from pg_catalog.pg_attribute a
      join pg_catalog.pg_class ac on ac.oid operator(pg_catalog.=) a.attrelid
       and ac.relpersistence operator(pg_catalog.<>) 't'::pg_catalog."char"
     where a.attrelid operator(pg_catalog.>=) 16384::pg_catalog.oid
       and a.attnum operator(pg_catalog.>) 0::pg_catalog.int2
)
select pg_catalog.count(*)::pg_catalog.text operator(pg_catalog.||) ':'
       operator(pg_catalog.||) pg_catalog.sum(
           pg_catalog.hashtextextended(
               rows.catalogue::pg_catalog.text operator(pg_catalog.||) ':' operator(pg_catalog.||) rows.oid::pg_catalog.text
               operator(pg_catalog.||) ':' operator(pg_catalog.||) rows.version::pg_catalog.text, 0::pg_catalog.int8))::pg_catalog.text
  from rows
