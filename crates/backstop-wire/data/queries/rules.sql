-- relation oid, name, event, enabled, definition; the rule that makes a view a view is not one of them
select r.ev_class::pg_catalog.text,
       r.rulename::pg_catalog.text,
       r.ev_type::pg_catalog.text,
       r.ev_enabled::pg_catalog.text,
       pg_catalog.pg_get_ruledef(r.oid)
  from pg_catalog.pg_rewrite r
 where r.rulename operator(pg_catalog.<>) '_RETURN'::pg_catalog.name
   and r.ev_class operator(pg_catalog.>=) 16384::pg_catalog.oid
 order by r.ev_class, r.rulename
