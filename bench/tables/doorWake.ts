import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { type Bench, type Contender, NotRun, type Row } from '../harness/bench.js';
import { machineRequest, machineTemplate, openMachines } from '../harness/machineTemplate.js';
import { newFolder } from '../harness/scratch.js';

const [single, machine, crowd] = [
  'first byte, a frozen process',
  'first byte, a virtual machine of 128 MB',
  '1,000 clients at once',
];
const rows: readonly Row[] = [single, machine, crowd];
const clients = 1_000;

const program =
  "require('node:net').createServer((s) => s.pipe(s)).listen({ port: process.env.PORT, host: '127.0.0.1', backlog: 4096 })";

const name = 'sleeping';
const processRequest = {
  name,
  image: 'scratch',
  entrypoint: [process.execPath, '-e', program],
  ports: [{ guest: 80 }],
  readiness: { kind: 'tcp', port: 80 },
} as const;

/** A server in an instance on Standby: a process that sends back what it gets, or a machine that serves a page. */
async function sleeping(row: Row, folder: string, frontDoor?: false): Promise<InstanceManager> {
  if (row === machine) await machineTemplate();
  const manager =
    row === machine
      ? await openMachines(newFolder(folder, 'short'), frontDoor)
      : await openManager({
          dataDir: newFolder(folder),
          drivers: [createProcessDriver()],
          ...(frontDoor === false && { frontDoor }),
        });
  await firstValueFrom(manager.create(row === machine ? { ...machineRequest, name } : processRequest));
  await firstValueFrom(manager.waitForState(name, 'Running'));
  await firstValueFrom(manager.standby(name));
  return manager;
}

/** Lets what was begun come to rest, and puts it to sleep again. */
async function fallAsleep(manager: InstanceManager): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  await firstValueFrom(manager.standby(name));
}

/** Until the first of the answer has come back. */
async function greet(port: number, row: Row): Promise<void> {
  const [said, expected] = row === machine ? ['GET / HTTP/1.0\r\n\r\n', 'H'] : ['x', 'x'];
  const socket = connect({ port, host: '127.0.0.1' });
  const told = once(socket, 'data');
  socket.write(said);
  assert.equal(String((await told)[0])[0], expected);
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
    const manager = await sleeping(row, `door-wake-ours-${String(rows.indexOf(row))}`);
    let restores = 0;
    const counting = manager.events('count').subscribe(({ action }) => {
      if (action === 'restore') restores += 1;
    });
    const { port } = await firstValueFrom(manager.endpoint(name, 80));
    const wake = async (): Promise<number> => {
      restores = 0;
      const count = row === crowd ? clients : 1;
      const figure = await timeOf(() => Promise.all(Array.from({ length: count }, () => greet(port, row))));
      assert.equal(restores, 1, 'one restore for all');
      await fallAsleep(manager);
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
    const manager = await sleeping(row, `door-wake-alone-${String(rows.indexOf(row))}`);
    const wake = async (): Promise<number> => {
      const figure = await timeOf(() => firstValueFrom(manager.restore(name)));
      await fallAsleep(manager);
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

/** What the machine itself needs until it answers is not the door's. */
const direct: Contender = {
  name: 'restore, then no door',
  open: async (row) => {
    if (row === crowd) throw new NotRun('they would not be held');
    const manager = await sleeping(row, `door-wake-direct-${String(rows.indexOf(row))}`, false);
    const wake = async (): Promise<number> => {
      const figure = await timeOf(async () => {
        await firstValueFrom(manager.restore(name));
        const { port } = await firstValueFrom(manager.endpoint(name, 80));
        await greet(port, row);
      });
      await fallAsleep(manager);
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
  rows,
  rounds: 15,
  contenders: [ours, alone, direct],
  goals: [single, machine].flatMap((row) =>
    [alone, direct].map((other) => ({
      what: `${row}, beyond ${other.name}`,
      of: { contender: ours.name, row },
      beyond: { contender: other.name, row },
      atMost: 5e6,
    })),
  ),
  about:
    'From `connect` until the first of the answer has come back through the front door, of a client of an instance on Standby in a manager with a data directory; of the last of a thousand, for whom it is restored once. The process is a Node server that sends back what it gets, the machine one of the small image under TCG that serves a page by HTTP. Beside it `restore` until it has emitted, and the same client at the machine itself once it has.',
};
