-- relation oid, what it is (default, check, index, policy), name, command (policies), expression text
select d.adrelid::pg_catalog.text,
       case when a.attgenerated operator(pg_catalog.<>) ''::pg_catalog."char" then 'generated' else 'default' end,
       a.attname::pg_catalog.text, null::pg_catalog.text,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid)
  from pg_catalog.pg_attrdef d
  join pg_catalog.pg_attribute a
    on a.attrelid operator(pg_catalog.=) d.adrelid and a.attnum operator(pg_catalog.=) d.adnum
union all
select k.conrelid::pg_catalog.text, 'check', k.conname::pg_catalog.text, null,
       pg_catalog.pg_get_expr(k.conbin, k.conrelid)
  from pg_catalog.pg_constraint k
 where k.contype operator(pg_catalog.=) 'c'::pg_catalog."char"
   and k.conrelid operator(pg_catalog.>=) 16384::pg_catalog.oid
union all
select i.indrelid::pg_catalog.text, 'index', x.relname::pg_catalog.text, null,
       pg_catalog.pg_get_expr(e.expr, i.indrelid)
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid operator(pg_catalog.=) i.indexrelid
  cross join lateral (values (i.indexprs), (i.indpred)) e(expr)
 where e.expr is not null and i.indrelid operator(pg_catalog.>=) 16384::pg_catalog.oid
union all
select p.polrelid::pg_catalog.text, 'policy', p.polname::pg_catalog.text, p.polcmd::pg_catalog.text,
       pg_catalog.pg_get_expr(e.expr, p.polrelid)
  from pg_catalog.pg_policy p
  cross join lateral (values (p.polqual), (p.polwithcheck)) e(expr)
 where e.expr is not null
 order by 1, 2, 3, 4
