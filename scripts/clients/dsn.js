// The connection string of the environment, as node-postgres wants it.
'use strict';

const fs = require('fs');

// Keywords and values as libpq reads them: key=value, or key='it\'s'.
function keywords(text) {
  const found = {};
  const pair = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s\\]|\\.)*))/gy;
  for (let match; (match = pair.exec(text)) !== null; ) {
    found[match[1]] = (match[2] ?? match[3]).replace(/\\(.)/g, '$1');
  }
  return found;
}

function settings() {
  const given = keywords(process.env.DSN);
  const verify = given.sslmode === 'verify-full';
  return {
    host: given.host,
    port: Number(given.port),
    user: given.user,
    password: given.password,
    database: given.dbname,
    ssl: verify ? { ca: fs.readFileSync(given.sslrootcert, 'utf8'), rejectUnauthorized: true } : false,
  };
}

module.exports = { settings };
