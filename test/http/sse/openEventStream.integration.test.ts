import { once } from 'node:events';
import fastify from 'fastify';
import { firstValueFrom, Subject } from 'rxjs';
import { OpenStreams } from '../../../src/http/openStreams.js';
import { closingComment, openEventStream } from '../../../src/http/sse/openEventStream.js';
import { dial, head } from '../rawClient.js';

it('a stream is ended by the server together with all others, with a word', async () => {
  const streams = new OpenStreams(1);
  const app = fastify();
  app.get('/', (_, reply) => {
    openEventStream(reply, streams, closingComment);
  });
  const socket = dial(await app.listen({ host: '127.0.0.1', port: 0 }));
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.write(`${head('GET', '/', 'connection: close')}\r\n\r\n`);
  await once(socket, 'data');
  expect(streams.size).toBe(1);
  streams.endAll('it stops');
  await once(socket, 'close');
  await app.close();
  expect(Buffer.concat(pieces).toString()).toMatch(/: it stops\n\n[^]*0\r\n\r\n$/);
  expect(streams.size).toBe(0);
});

/** What comes of a stream that is sent two pieces, and of what is asked for before it on the same connection. */
async function received(request: string): Promise<string> {
  const streams = new OpenStreams(1);
  const app = fastify();
  const isOpen = new Subject<void>();
  app.get('/first', async () => {
    await firstValueFrom(isOpen);
    return 'first';
  });
  app.get('/', (_, reply) => {
    const stream = openEventStream(reply, streams, closingComment);
    for (const piece of ['data: 1\n\n', 'data: 2\n\n']) stream.write(Buffer.from(piece));
    isOpen.next();
    stream.end('it stops');
  });
  const socket = dial(await app.listen({ host: '127.0.0.1', port: 0 }));
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.write(request);
  await once(socket, 'close');
  await app.close();
  return Buffer.concat(pieces).toString();
}

it('a stream goes on in chunks, each of what was written', async () => {
  const all = await received(`${head('GET', '/', 'connection: close')}\r\n\r\n`);
  expect(all).toMatch(/\r\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\nc\r\n: it stops\n\n\r\n0\r\n\r\n$/);
});

it('a stream whose answer waits behind another on its connection comes after that, whole', async () => {
  const first = head('GET', '/first', 'connection: keep-alive');
  const all = await received(`${first}\r\n\r\n${head('GET', '/', 'connection: close')}\r\n\r\n`);
  expect(all).toMatch(/first[^]*9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\nc\r\n: it stops\n\n\r\n0\r\n\r\n$/);
});

it('a client that knows no chunks is sent none', async () => {
  const all = await received('GET / HTTP/1.0\r\nhost: localhost\r\n\r\n');
  expect(all).toMatch(/\r\n\r\ndata: 1\n\ndata: 2\n\n: it stops\n\n$/);
});
