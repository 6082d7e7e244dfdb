// Node's fetch at an HTTP API: see README.md, `HTTP programs`.
//
// It is undici's, which is Node's own; the one within Node asks a proxy of the environment only from version 24 on.

'use strict';

const { createHash } = require('node:crypto');
const { EnvHttpProxyAgent, fetch, setGlobalDispatcher } = require('undici');

const { ITEMS_URL: ITEMS, FILES_URL: FILES, ITEMS_TOKEN, FILES_TOKEN, STRAY } = process.env;
const asItems = { Authorization: `Bearer ${ITEMS_TOKEN}` };
const asFiles = { Authorization: `Bearer ${FILES_TOKEN}` };

setGlobalDispatcher(new EnvHttpProxyAgent());

// What a client sees of a refusal: it is no answer of the service.
async function problem(answer) {
  if (answer.ok) {
    console.log(answer.status, (await answer.text()).trim());
    return;
  }
  const { type } = await answer.json();
  console.log(answer.status, answer.headers.get('content-type'), type);
}

async function* pieces() {
  for (let i = 0; i < 48; i += 1) yield Buffer.alloc(65536, 'x');
}

async function ordinary() {
  for (const name of ['items', 'moved']) {
    const answer = await fetch(`${ITEMS}/${name}`, { headers: asItems });
    console.log(name, answer.status, (await answer.json()).items.length);
  }
  const missing = await fetch(`${ITEMS}/missing`, { headers: asItems });
  await missing.text();
  console.log('missing', missing.status);
  const digest = createHash('sha256');
  let length = 0;
  const big = await fetch(`${ITEMS}/big`, { headers: asItems });
  for await (const piece of big.body) {
    digest.update(piece);
    length += piece.length;
  }
  console.log('download', length, digest.digest('hex'));
  // A stream has no length: it goes in chunks, as it comes.
  const stored = await fetch(`${FILES}/storage/v1/object/bucket/file`, {
    method: 'POST',
    headers: { ...asFiles, 'Content-Type': 'application/octet-stream' },
    body: pieces(),
    duplex: 'half',
  });
  const { bytes, sha256 } = await stored.json();
  console.log('upload', bytes, sha256);
}

async function main(mode) {
  switch (mode) {
    case 'ordinary':
      return ordinary();
    case 'destroys':
      return problem(await fetch(`${ITEMS}/items/1`, { method: 'DELETE', headers: asItems }));
    case 'redirected':
      await problem(await fetch(`${ITEMS}/away`, { headers: asItems }));
      return problem(await fetch(`${ITEMS}/outside`, { headers: asItems }));
    case 'stray':
      return problem(await fetch(`${ITEMS}/items`, { headers: { Authorization: `Bearer ${STRAY}` } }));
    default:
      throw new Error(`there is no mode ${mode}`);
  }
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
