-- relation oid, name, function oid, type bits, enabled, deferrable
select t.tgrelid::pg_catalog.text,
       t.tgname::pg_catalog.text,
       t.tgfoid::pg_catalog.text,
       t.tgtype::pg_catalog.text,
       t.tgenabled::pg_catalog.text,
       t.tgdeferrable::pg_catalog.text
  from pg_catalog.pg_trigger t
 where not t.tgisinternal
 order by t.tgrelid, t.tgname
