import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { type Bench, type Contender, NotRun } from '../harness/bench.js';
import { newFolder } from '../harness/scratch.js';

const [single, crowd] = ['first byte, a frozen process', '1,000 clients at once'];
const clients = 1_000;

const program =
  "require('node:net').createServer((s) => s.pipe(s)).listen({ port: process.env.PORT, host: '127.0.0.1', backlog: 4096 })";

/** A server in an instance on Standby. */
async function sleeping(folder: string): Promise<{ readonly manager: InstanceManager; readonly id: string }> {
  const manager = await openManager({ dataDir: newFolder(folder), drivers: [createProcessDriver()] });
  const { id } = await firstValueFrom(
    manager.create({
      name: 'sleeping',
      image: 'scratch',
      entrypoint: [process.execPath, '-e', program],
      ports: [{ guest: 80 }],
      readiness: { kind: 'tcp', port: 80 },
    }),
  );
  await firstValueFrom(manager.waitForState(id, 'Running'));
  await firstValueFrom(manager.standby(id));
  return { manager, id };
}

/** Until a byte has come back. */
async function greet(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  const told = once(socket, 'data');
  socket.write('x');
  assert.equal(String((await told)[0]), 'x');
  socket.destroy();
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) * 1e6;
}

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const { manager, id } = await sleeping(`door-wake-ours-${String(row === single)}`);
    let restores = 0;
    const counting = manager.events('count').subscribe(({ action }) => {
      if (action === 'restore') restores += 1;
    });
    const { port: address } = await firstValueFrom(manager.endpoint(id, 80));
    const wake = async (): Promise<number> => {
      restores = 0;
      const count = row === single ? 1 : clients;
      const figure = await timeOf(() => Promise.all(Array.from({ length: count }, () => greet(address))));
      assert.equal(restores, 1, 'one restore for all');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await firstValueFrom(manager.standby(id));
      return figure;
    };
    return {
      check: async () => {
        for (let round = 0; round < 3; round += 1) await wake();
      },
      sample: wake,
      close: async () => {
        counting.unsubscribe();
        await manager.close({ stopInstances: true });
      },
    };
  },
};

const alone: Contender = {
  name: 'the restore alone',
  open: async (row) => {
    if (row === crowd) throw new NotRun('a restore is not of clients');
    const { manager, id } = await sleeping('door-wake-alone');
    const wake = async (): Promise<number> => {
      const figure = await timeOf(() => firstValueFrom(manager.restore(id)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      await firstValueFrom(manager.standby(id));
      return figure;
    };
    return {
      check: async () => {
        for (let round = 0; round < 3; round += 1) await wake();
      },
      sample: wake,
      close: () => manager.close({ stopInstances: true }),
    };
  },
};

/** What a client waits longer than the restore takes. */
export const doorWake: Bench = {
  name: 'door-wake',
  title: 'Woken by a connection',
  unit: 'ns',
  rowsAre: 'what',
  rows: [single, crowd],
  rounds: 15,
  contenders: [ours, alone],
  goals: [
    {
      what: 'first byte, beyond the restore',
      of: { contender: ours.name, row: single },
      beyond: { contender: alone.name, row: single },
      atMost: 5e6,
    },
  ],
  about:
    'A Node server that sends back what it gets, as a process on Standby in a manager with a data directory; from `connect` until the first byte has come back through the front door, of one client, and of the last of a thousand, for whom the instance is restored once. Beside it `restore` until it has emitted.',
};
