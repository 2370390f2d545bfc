import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { resetSocket } from '../../src/door/resetSocket.js';

/** Resets the server's end of a connection after something was done to it, and tells how the client's end ended. */
async function resetAfter(prepare: (socket: Socket) => void): Promise<string> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const [socket] = (await once(server, 'connection')) as [Socket];
  let end = 'fin';
  client.on('error', () => (end = 'rst')).resume();
  prepare(socket);
  const closed = Promise.all([once(socket, 'close'), new Promise((done) => client.once('close', done))]);
  resetSocket(socket);
  await closed;
  server.close();
  await once(server, 'close');
  return end;
}

it('resets a connection', async () => {
  await expect(resetAfter(() => undefined)).resolves.toBe('rst');
});

it('closes one that is being ended at that moment, which was told all', async () => {
  await expect(resetAfter((socket) => socket.end())).resolves.toBe('fin');
});

it('resets one that is to be ended once all is written', async () => {
  const much = Buffer.alloc(16 * 1024 * 1024);
  await expect(resetAfter((socket) => socket.end(much))).resolves.toBe('rst');
});
