-- What people do in psql. Run by psql.sh.

DELETE FROM notes WHERE id = 1101;
DELETE FROM notes WHERE id = 1102;
DELETE FROM notes WHERE id = 1103;
DELETE FROM notes WHERE id = 1110;
DELETE FROM notes WHERE id = 1111;

\echo '== looking around'
\d
\dt
\dt+ vehicle_classes
\dv
\dm
\di
\dn
\df
\dT
\dD
\dP
\d customers
\d+ reservations
\d payments
\d+ payments_2026_01
\d monthly_revenue
\d+ open_reservations
\d notes
\d no_such_table
\sf paid_for
\dd
\dy
\dx
\encoding
\df+ paid_for
\do pg_catalog.||
\dC pg_catalog.text

\echo '== simple queries'
SELECT id, name, email, phone, city, loyalty, born_on FROM customers WHERE id <= 5 ORDER BY id;
SELECT status, count(*), sum(total) FROM reservations GROUP BY status ORDER BY status;
SELECT * FROM monthly_revenue ORDER BY month, method LIMIT 4;
TABLE vehicle_classes;
VALUES (1, 'a'), (2, NULL);
SELECT NULL AS nothing, '' AS empty, ARRAY[1, NULL, 3] AS list, '{"a": [1, 2]}'::jsonb AS document;
WITH busiest AS (SELECT vehicle_id, count(*) AS times FROM reservations GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3)
SELECT v.plate, b.times FROM busiest b JOIN vehicles v ON v.id = b.vehicle_id ORDER BY 2 DESC, 1;
SELECT customer_id, rank() OVER (ORDER BY sum(total) DESC, customer_id) FROM reservations GROUP BY 1 ORDER BY 2 LIMIT 3;
\x on
SELECT * FROM vehicles WHERE id = 7;
\x off
EXPLAIN (COSTS OFF) SELECT 1;
SHOW server_encoding;
SHOW standard_conforming_strings;

\echo '== \\gdesc, \\gset, \\gexec, \\crosstabview and, where psql has it, \\bind'
SELECT id, plate, status, features, tags, bought_on FROM vehicles \gdesc
SELECT count(*) AS how_many FROM vehicle_classes \gset
\echo :how_many
SELECT format('SELECT %s AS n', n) FROM generate_series(1, 2) AS n \gexec
SELECT 1 AS a \; SELECT 2 AS b;
SELECT 'crossed' AS word, 1 AS col, 2 AS val \crosstabview
SELECT :VERSION_NUM >= 160000 AS has_bind \gset
\if :has_bind
\ir psql_bind.sql
\endif

\echo '== settings'
SET statement_timeout = '30s';
SHOW statement_timeout;
SET application_name = 'conformance';
SHOW application_name;
SET TimeZone = 'Europe/Lisbon';
SELECT timestamptz '2026-06-01 12:00:00+00';
RESET TimeZone;
RESET ALL;

\echo '== writing notes'
INSERT INTO notes (id, body, n) VALUES (1101, 'one', 1), (1102, 'two', 2);
INSERT INTO notes (id, body, n) VALUES (1103, 'three', 3) RETURNING id, body, n;
UPDATE notes SET n = n + 10 WHERE id = 1101 RETURNING n;
INSERT INTO notes VALUES (1101, 'again', 0) ON CONFLICT (id) DO UPDATE SET body = excluded.body RETURNING *;
DELETE FROM notes WHERE id = 1103;
SELECT * FROM notes WHERE id IN (1101, 1102, 1103) ORDER BY id;

\echo '== errors, and on'
SELECT 1 / 0;
SELECT * FROM nowhere;
SELEKT 1;
INSERT INTO notes VALUES (1101, 'duplicate', 1);
SELECT 'abc'::int;
\errverbose
SELECT 'on we go' AS state;

\echo '== transactions and savepoints'
BEGIN;
INSERT INTO notes VALUES (1103, 'kept', 1);
SAVEPOINT a;
UPDATE notes SET body = 'lost' WHERE id = 1103;
ROLLBACK TO SAVEPOINT a;
SAVEPOINT b;
SELECT 1 / 0;
SELECT 'refused: the transaction is aborted';
ROLLBACK TO SAVEPOINT b;
RELEASE SAVEPOINT b;
SELECT body FROM notes WHERE id = 1103;
COMMIT;
SELECT body FROM notes WHERE id = 1103;
BEGIN;
DELETE FROM notes WHERE id = 1103;
SELECT 1 / 0;
COMMIT;
SELECT count(*) FROM notes WHERE id = 1103;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SHOW transaction_isolation;
SHOW transaction_read_only;
ROLLBACK;
COMMIT;

\echo '== cursors'
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, plate FROM vehicles ORDER BY id;
FETCH 2 FROM c;
FETCH FORWARD 1 FROM c;
MOVE 5 IN c;
FETCH PRIOR FROM c;
CLOSE c;
FETCH 1 FROM c;
ROLLBACK;
\set FETCH_COUNT 3
SELECT id, title FROM vehicle_classes JOIN generate_series(1, 6) AS id ON code = (ARRAY['mini', 'compact', 'estate', 'van', 'truck', 'electric'])[id] ORDER BY id;
\unset FETCH_COUNT

\echo '== prepared statements'
PREPARE by_id (int) AS SELECT body FROM notes WHERE id = $1;
EXECUTE by_id(1101);
EXECUTE by_id(1);
SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements WHERE from_sql ORDER BY name;
DEALLOCATE by_id;
EXECUTE by_id(1);

\echo '== \\copy in'
\set copy '\\copy notes from ' :in
:copy
\set QUIET off
SELECT * FROM notes WHERE id IN (1110, 1111) ORDER BY id;
DELETE FROM notes WHERE id = 1110;
DELETE FROM notes WHERE id = 1111;

\echo '== an empty query and a comment'
;
-- nothing
/* nothing /* nested */ either */ SELECT 'x' AS after_comment;
SELECT $tag$it's 'quoted'$tag$ AS dollar, E'\t|' AS escaped, U&'\0041' AS unicode;

DELETE FROM notes WHERE id = 1101;
DELETE FROM notes WHERE id = 1102;
DELETE FROM notes WHERE id = 1103;
