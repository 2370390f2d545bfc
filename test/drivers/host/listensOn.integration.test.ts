import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { listensOn } from '../../../src/drivers/host/listensOn.js';

const us = (): Promise<readonly number[]> => Promise.resolve([process.pid]);
const others = (): Promise<readonly number[]> => Promise.resolve([process.ppid]);

it.each<[string, string | undefined, boolean]>([
  ['of every address', undefined, true],
  ['of every address of IPv4', '0.0.0.0', true],
  ['of 127.0.0.1', '127.0.0.1', true],
  ['of 127.0.0.1 in terms of IPv6', '::ffff:127.0.0.1', true],
  ['of another address', '127.0.0.2', false],
])('a port %s is listened on by who has it open, and by nobody else', async (_, host, isSo) => {
  const server = createServer();
  await once(server.listen({ port: 0, ...(host !== undefined && { host }) }), 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(listensOn(port, us)).resolves.toBe(isSo);
  await expect(listensOn(port, others)).resolves.toBe(false);
  await once(server.close(), 'close');
  await expect(listensOn(port, us)).resolves.toBe(false);
});

it('a connection to itself is no listener', async () => {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  const socket = connect({ port, localPort: port, host: '127.0.0.1' });
  await once(socket, 'connect');
  await expect(listensOn(port, us)).resolves.toBe(false);
  socket.destroy();
  await once(socket, 'close');
});

it('a process that has ended listens to nothing', async () => {
  await expect(listensOn(1, () => Promise.resolve([2 ** 30]))).resolves.toBe(false);
});
