-- name, event, enabled
select t.evtname::pg_catalog.text, t.evtevent::pg_catalog.text, t.evtenabled::pg_catalog.text
  from pg_catalog.pg_event_trigger t
 where t.evtenabled operator(pg_catalog.<>) 'D'::pg_catalog."char"
 order by 1
