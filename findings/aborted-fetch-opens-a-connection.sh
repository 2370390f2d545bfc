#!/usr/bin/env bash
# Node 20.20.2, whose fetch is undici 6.24.1.
#
# Guess: to abort a fetch whose body is being streamed closes its connection, and that is all.
# Behaviour: it opens another connection at once, by which nothing is asked; and the server's `closeIdleConnections` does not take that
# for idle, so that `close` waits until its client gives it up or its head is overdue.
# Output seen:
#   1 request, 2 connections
#   after closeIdleConnections 1 is open
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >try.mjs <<'EOF'
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers/promises';

let requests = 0;
let connections = 0;
const open = new Set();
const server = createServer((_, answer) => {
  requests += 1;
  answer.writeHead(200);
  answer.write('the beginning of a stream');
});
server.on('connection', (socket) => {
  connections += 1;
  open.add(socket);
  socket.on('close', () => open.delete(socket));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const leaving = new AbortController();
const { body } = await fetch(`http://127.0.0.1:${server.address().port}/`, { signal: leaving.signal });
const chunks = body[Symbol.asyncIterator]();
await chunks.next();
leaving.abort();
await chunks.next().catch(() => undefined);
await setTimeout(200);
console.log(`${requests} request, ${connections} connections`);
server.closeIdleConnections();
await setTimeout(200);
console.log(`after closeIdleConnections ${open.size} is open`);
process.exit();
EOF
seen=$(node try.mjs)
echo "$seen"
expected='1 request, 2 connections
after closeIdleConnections 1 is open'
[ "$seen" = "$expected" ]
