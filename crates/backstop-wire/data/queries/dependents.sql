-- relation oid, oid of a view or materialised view that reads it
select distinct d.refobjid::pg_catalog.text, r.ev_class::pg_catalog.text
  from pg_catalog.pg_depend d
  join pg_catalog.pg_rewrite r on r.oid operator(pg_catalog.=) d.objid
 where d.classid operator(pg_catalog.=) 2618::pg_catalog.oid
   and d.refclassid operator(pg_catalog.=) 1259::pg_catalog.oid
   and d.refobjid operator(pg_catalog.<>) r.ev_class
   and d.refobjid operator(pg_catalog.>=) 16384::pg_catalog.oid
 order by 1, 2
