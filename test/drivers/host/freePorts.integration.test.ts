import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createFreePorts, type FreePorts } from '../../../src/drivers/host/freePorts.js';

const servers: Server[] = [];

/** Holds as many ports side by side as it is asked for, and lets go of them. */
async function stretch(length: number): Promise<number> {
  for (;;) {
    const first = await listening();
    const rest = Array.from({ length: length - 1 }, (_, index) => first + index + 1);
    try {
      for (const port of rest) await listening(port);
      return first;
    } catch {
      // Another program is in the way: elsewhere it may not be.
    } finally {
      await letGo();
    }
  }
}

async function listening(port = 0, host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await once(server.listen({ port, host, exclusive: true }), 'listening');
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

async function letGo(): Promise<void> {
  await Promise.all(servers.splice(0).map((server) => once(server.close(), 'close')));
}

let first: number;
let freePorts: FreePorts;

beforeEach(async () => {
  first = await stretch(3);
  freePorts = createFreePorts({ from: first, to: first + 2 });
});
afterEach(letGo);

const sorted = (ports: readonly number[]): readonly number[] => ports.toSorted((one, other) => one - other);

it('picks every port of its range once', async () => {
  const picked = await Promise.all([freePorts.pick(1), freePorts.pick(2)]);
  expect(sorted(picked.flat())).toEqual([first, first + 1, first + 2]);
});

it.each(['127.0.0.1', '0.0.0.0'])('passes over a port at which somebody listens on %s', async (host) => {
  await listening(first + 1, host);
  await expect(freePorts.pick(2).then(sorted)).resolves.toEqual([first, first + 2]);
});

it('passes over a port that is held, until it is released', async () => {
  freePorts.hold([first]);
  await expect(freePorts.pick(2).then(sorted)).resolves.toEqual([first + 1, first + 2]);
  freePorts.release([first]);
  await expect(freePorts.pick(1)).resolves.toEqual([first]);
});

it('picks a port that was released as the last one', async () => {
  const [released = 0] = await freePorts.pick(1);
  freePorts.release([released]);
  const rest = await freePorts.pick(2);
  expect(rest).not.toContain(released);
  await expect(freePorts.pick(1)).resolves.toEqual([released]);
});

it('fails where none is left, and keeps nothing of what it could not give whole', async () => {
  await expect(freePorts.pick(4)).rejects.toMatchObject({
    _tag: 'LaunchFailed',
    message: `no port from ${String(first)} to ${String(first + 2)} is free for what the instance is to listen on`,
  });
  await expect(freePorts.pick(3).then(sorted)).resolves.toEqual([first, first + 1, first + 2]);
});

it('picks none where none are asked for', async () => {
  await expect(freePorts.pick(0)).resolves.toEqual([]);
});
