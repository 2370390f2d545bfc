import { once } from 'node:events';
import fastify from 'fastify';
import { OpenStreams } from '../../src/http/openStreams.js';
import { openSse } from '../../src/http/sseAnswer.js';
import { dial, head } from './rawClient.js';

it('a stream is ended by the server together with all others, with a word', async () => {
  const streams = new OpenStreams(1);
  const app = fastify();
  let ends = 0;
  app.get('/', (_, reply) => {
    openSse(reply, streams, { drained: () => undefined, over: () => (ends += 1) });
  });
  const socket = dial(await app.listen({ host: '127.0.0.1', port: 0 }));
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.write(`${head('GET', '/', 'connection: close')}\r\n\r\n`);
  await once(socket, 'data');
  streams.endAll('stop\nping');
  await once(socket, 'close');
  await app.close();
  expect(Buffer.concat(pieces).toString()).toMatch(/: stop ping\n\n[^]*0\r\n\r\n$/);
  expect([streams.size, ends]).toEqual([0, 1]);
});
