import { once } from 'node:events';
import fastify from 'fastify';
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
