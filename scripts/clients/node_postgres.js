// node-postgres, as applications use it. Run by `run`; the contract is in README.md.
'use strict';

const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');
const pg = require('pg');
const Cursor = require('pg-cursor');
const copy = require('pg-copy-streams');
const { settings } = require('./dsn');
const { step, show, expect } = require('./transcript');

const KEYS = Array.from({ length: 10 }, (_, n) => 1600 + n);

async function clean(client) {
  for (const key of KEYS) await client.query('DELETE FROM notes WHERE id = $1', [key]);
}

async function queries(client) {
  step('simple and parameterised queries');
  const simple = await client.query("SELECT 1 AS one, 'two' AS two");
  show('simple', simple.rows, simple.command, simple.rowCount);
  show('fields', simple.fields.map((field) => [field.name, field.dataTypeID]));
  const several = await client.query('SELECT 1 AS a; SELECT 2 AS b; SET statement_timeout = 60000');
  show('several', several.map((result) => [result.command, result.rows]));
  const row = await client.query('SELECT id, name, phone, loyalty, born_on::text, created_at FROM customers WHERE id = $1', [9]);
  show('parameterised', row.rows);
  const array = await client.query({ text: 'SELECT code, daily_rate FROM vehicle_classes ORDER BY code', rowMode: 'array' });
  show('as arrays', array.rows);
  const binary = await client.query({ text: 'SELECT 42::int4 AS n, 1.5::float8 AS f', binary: true });
  show('binary', binary.rows);
  show('empty', (await client.query('')).rows);
}

async function types(client) {
  step('types, there and back');
  const cases = [
    ['int8', '4611686018427387904'], ['numeric', '12345678901234567890.123'], ['float8', 0.1], ['text', 'naïve – ☃ 𝄞'],
    ['bytea', Buffer.from([0, 1, 254, 255])], ['bool', true], ['timestamptz', new Date(Date.UTC(2026, 3, 25, 12, 0, 0, 123))],
    ['int4[]', [1, null, 3]], ['text[]', [['a', 'b"'], ['c', 'd,']]], ['jsonb', { k: [1, null, { x: 'y' }] }], ['text', null],
    ['uuid', '550e8400-e29b-41d4-a716-446655440000'], ['interval', '1 mon 2 days 03:04:05'], ['point', '(1,2)'],
  ];
  for (const [type, value] of cases) {
    show(type, (await client.query(`SELECT $1::${type} AS value`, [value])).rows[0].value);
  }
  show('enum, json and array', (await client.query('SELECT status, features, tags FROM vehicles ORDER BY id LIMIT 3')).rows);
}

async function prepared(client) {
  step('named statements');
  for (const key of [1, 2, 3]) {
    const result = await client.query({ name: 'plate', text: 'SELECT plate FROM vehicles WHERE id = $1', values: [key] });
    show('named', result.rows);
  }
  await expect(() => client.query({ name: 'plate', text: 'SELECT 1' }), (error) => error.message);
  const divide = { name: 'divide', text: 'SELECT 10 / $1::int AS n' };
  await expect(() => client.query({ ...divide, values: [0] }));
  show('and on', (await client.query({ ...divide, values: [5] })).rows);
}

async function writes(client) {
  step('writing notes');
  const inserted = await client.query("INSERT INTO notes VALUES ($1, $2, $3) RETURNING *", [1600, 'one', 1]);
  show('inserted', inserted.rows, inserted.rowCount);
  await expect(() => client.query("INSERT INTO notes VALUES (1600, 'again', 1)"), (error) => `${error.code} ${error.message} ${error.detail} ${error.constraint}`);
  show('updated', (await client.query('UPDATE notes SET n = n + 1 WHERE id = $1', [1600])).rowCount);
  show('queued', (await Promise.all([1601, 1602].map((key) => client.query('INSERT INTO notes (id) VALUES ($1)', [key])))).map((result) => result.rowCount));
  show('deleted', (await client.query('DELETE FROM notes WHERE id = $1 RETURNING id', [1602])).rows);
}

async function transactions(client) {
  step('transactions');
  await client.query('BEGIN');
  await client.query("UPDATE notes SET body = 'kept' WHERE id = 1600");
  await client.query('SAVEPOINT before');
  await expect(() => client.query('SELECT 1 / 0'));
  await expect(() => client.query('SELECT 1'));
  await client.query('ROLLBACK TO SAVEPOINT before');
  show('commit', (await client.query('COMMIT')).command);
  await client.query('BEGIN; DELETE FROM notes WHERE id = 1600');
  await expect(() => client.query('SELECT * FROM nowhere'));
  show('commit of a failed one', (await client.query('COMMIT')).command);
  show('kept', (await client.query('SELECT body, n FROM notes WHERE id = 1600')).rows);
}

async function cursors(client) {
  step('cursors');
  const cursor = client.query(new Cursor('SELECT id FROM vehicles WHERE class_code = $1 ORDER BY id', ['estate']));
  show('three', (await cursor.read(3)).map((row) => row.id));
  show('two', (await cursor.read(2)).map((row) => row.id));
  await cursor.close();
  show('and on', (await client.query("SELECT 'fine' AS state")).rows);
}

async function copies(client) {
  step('COPY both ways');
  const into = client.query(copy.from('COPY notes FROM STDIN WITH (FORMAT csv)'));
  await pipeline(Readable.from(['1603,"a, b",3\n', '1604,,\n']), into);
  show('in', into.rowCount);
  const chunks = [];
  const sink = new Writable({ write(chunk, _, done) { chunks.push(chunk); done(); } });
  await pipeline(client.query(copy.to('COPY (SELECT * FROM notes WHERE id IN (1603, 1604) ORDER BY id) TO STDOUT')), sink);
  show('out', Buffer.concat(chunks).toString());
  await expect(() => pipeline(Readable.from(['1605,too,many,columns\n']), client.query(copy.from('COPY notes FROM STDIN WITH (FORMAT csv)'))));
  show('and on', (await client.query("SELECT 'fine' AS state")).rows);
}

async function pools() {
  step('a pool');
  const pool = new pg.Pool({ ...settings(), max: 3 });
  const results = await Promise.all(KEYS.map((key) => pool.query('SELECT $1::int * 2 AS n', [key])));
  show('together', results.map((result) => result.rows[0].n));
  await pool.end();
}

async function main() {
  const client = new pg.Client(settings());
  client.on('notice', (notice) => show('notice', notice.message));
  await client.connect();
  await clean(client);
  for (const part of [queries, types, prepared, writes, transactions, cursors, copies]) await part(client);
  await clean(client);
  await client.end();
  await pools();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
