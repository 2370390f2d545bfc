import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type ListenOptions } from 'node:net';
import { listensOn } from '../../../src/drivers/host/listensOn.js';
import { asAnybody } from '../../support/asAnybody.js';

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

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue;
    const isOver = once(child, 'exit');
    child.kill('SIGKILL');
    await isOver;
  }
});

/** Another process that listens, and at which port. */
async function another(options: ListenOptions): Promise<{ readonly pid: number; readonly port: number }> {
  const program = `const server = require('net').createServer();
    server.listen(${JSON.stringify(options)}, () => console.log(server.address().port))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return { pid: child.pid as number, port: Number(port.toString()) };
}

/** Another process that listens to nothing; where that may be chosen, of a user of its own. */
async function idle(): Promise<number> {
  const isRoot = process.geteuid?.() === 0;
  const child = spawn('sleep', ['600'], { stdio: 'ignore', ...(isRoot && { uid: 12_345 }) });
  children.push(child);
  await once(child, 'spawn');
  return child.pid as number;
}

it.each<[string, ListenOptions]>([
  ['of IPv6 only', { host: '::', ipv6Only: true }],
  ['of IPv6 itself', { host: '::1' }],
  ['of another address', { host: '127.0.0.2' }],
])('a port %s is not what answers where somebody else listens on 127.0.0.1', async (_, options) => {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const { pid } = await another({ ...options, port });
  await expect(listensOn(port, () => Promise.resolve([pid]))).resolves.toBe(false);
  await expect(listensOn(port, us)).resolves.toBe(true);
  await once(server.close(), 'close');
});

describe('a process that may not be looked into', () => {
  it('is not believed where somebody else is seen to listen', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await expect(asAnybody(() => listensOn(port, others))).resolves.toBe(false);
    await once(server.close(), 'close');
  });

  it('is believed where the socket is of its user, and not where it is of another', async () => {
    const { pid, port } = await another({ port: 0, host: '127.0.0.1' });
    const other = await idle();
    await expect(asAnybody(() => listensOn(port, () => Promise.resolve([pid])))).resolves.toBe(true);
    await expect(asAnybody(() => listensOn(port, () => Promise.resolve([other])))).resolves.toBe(false);
  });
});
