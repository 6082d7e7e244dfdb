-- source type oid, target type oid, function oid, context, extension: the casts that are not the system's own
select k.castsource::pg_catalog.text,
       k.casttarget::pg_catalog.text,
       k.castfunc::pg_catalog.text,
       k.castcontext::pg_catalog.text,
       e.extname::pg_catalog.text
  from pg_catalog.pg_cast k
  left join pg_catalog.pg_depend d
    on d.classid operator(pg_catalog.=) 2605::pg_catalog.oid
   and d.objid operator(pg_catalog.=) k.oid
   and d.deptype operator(pg_catalog.=) 'e'::pg_catalog."char"
   and d.refclassid operator(pg_catalog.=) 3079::pg_catalog.oid
  left join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
 where k.oid operator(pg_catalog.>=) 16384::pg_catalog.oid
 order by k.oid
