// undici's WebSocket, which Node's own is made of: see README.md, `Sockets and calls`.

'use strict';

const { EnvHttpProxyAgent, WebSocket, setGlobalDispatcher } = require('undici');

const { LIVE_URL: URL, LIVE_TOKEN: TOKEN, STRAY } = process.env;

setGlobalDispatcher(new EnvHttpProxyAgent());

function open(path) {
  const socket = new WebSocket(`${URL}${path}`, {
    protocols: ['chat'],
    headers: { Authorization: `Bearer ${TOKEN}` },
  });
  socket.binaryType = 'arraybuffer';
  return socket;
}

function next(socket, kind) {
  return new Promise((resolve) => {
    socket.addEventListener(kind, resolve, { once: true });
  });
}

async function ordinary() {
  const socket = open('/harmless/echo');
  await next(socket, 'open');
  console.log('opened', socket.protocol, JSON.stringify(socket.extensions));
  for (const said of ['hello', 'x'.repeat(200000)]) {
    socket.send(said);
    const { data } = await next(socket, 'message');
    console.log('text', data.length, data === said);
  }
  const bytes = Buffer.alloc(5120, 7);
  socket.send(bytes);
  const { data } = await next(socket, 'message');
  console.log('bytes', data.byteLength, bytes.equals(Buffer.from(data)));
  socket.close(1000, 'bye');
  const closed = await next(socket, 'close');
  console.log('closed', closed.code, closed.wasClean);
}

// It does not tell the status that it met.
async function refused() {
  await next(open('/things'), 'error');
  console.log('not opened');
}

async function stray() {
  const socket = open('/harmless/echo');
  await next(socket, 'open');
  socket.send(JSON.stringify({ token: STRAY }));
  const closed = await next(socket, 'close');
  console.log(closed.code, closed.reason);
}

async function main(mode) {
  switch (mode) {
    case 'ordinary':
      return ordinary();
    case 'refused':
      return refused();
    case 'stray':
      return stray();
    default:
      throw new Error(`there is no mode ${mode}`);
  }
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
