import type { Bench, Row } from '../harness/bench.js';
import { machineContenders } from '../harness/machineSession.js';
import type { VirtualMachines } from '../harness/virtualMachines.js';

const nsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) * 1e6;
};

/** The mean of some forks, one after another, all of which run in the end. */
async function meanFork(machines: VirtualMachines, forks: number): Promise<number> {
  const names = Array.from({ length: forks }, (_, index) => `fork-${String(index)}`);
  const ns = await nsOf(async () => {
    for (const name of names) await machines.forkSnapshot(name);
  });
  for (const name of names) await machines.delete(name);
  return ns / forks;
}

interface Verb {
  readonly rounds: number;
  /** In nanoseconds. */
  take(machines: VirtualMachines): Promise<number>;
}

const verbs: Readonly<Record<string, Verb>> = {
  standby: {
    rounds: 15,
    take: async (machines) => {
      const ns = await nsOf(() => machines.standby('subject'));
      await machines.restore('subject');
      return ns;
    },
  },
  restore: {
    rounds: 15,
    take: async (machines) => {
      await machines.standby('subject');
      return nsOf(() => machines.restore('subject'));
    },
  },
  'fork of a snapshot': { rounds: 15, take: (machines) => meanFork(machines, 1) },
  'each of 10 forks': { rounds: 3, take: (machines) => meanFork(machines, 10) },
  'each of 20 forks': { rounds: 3, take: (machines) => meanFork(machines, 20) },
  'fork of one that runs': {
    rounds: 9,
    take: async (machines) => {
      const ns = await nsOf(() => machines.forkRunning('subject', 'fork'));
      await machines.delete('fork');
      return ns;
    },
  },
  'its source halted': {
    rounds: 9,
    take: async (machines) => {
      const stoodMs = await machines.forkRunning('subject', 'fork');
      await machines.delete('fork');
      return stoodMs * 1e6;
    },
  },
  boot: {
    rounds: 3,
    take: async (machines) => {
      const ns = await nsOf(() => machines.boot('booted'));
      await machines.delete('booted');
      return ns;
    },
  },
};

/** The guest takes nearly all of it. */
const forInformation: readonly Row[] = ['boot'];

const verbOf = (row: Row): Verb => verbs[row] as Verb;
const rows = Object.keys(verbs);
const contenders = machineContenders('standby', (machines, row) => verbOf(row).take(machines));
const [ours = '', bare = ''] = contenders.map(({ name }) => name);

/** What the verbs of virtual machines take beyond QEMU. */
export const machines: Bench = {
  name: 'machines',
  title: 'Verbs of virtual machines',
  unit: 'ns',
  rowsAre: 'verb',
  rows,
  rounds: (row) => verbOf(row).rounds,
  contenders,
  goals: rows
    .filter((row) => !forInformation.includes(row))
    .map((row) => ({
      what: `${row}, beyond bare QEMU`,
      of: { contender: ours, row },
      beyond: { contender: bare, row },
      atMost: 20e6,
    })),
  about:
    'Machines of the small image with 128 MiB, run by TCG, through a manager with a data directory; beside it the same QEMU with the same command lines, driven by hand: nothing is checked, written down, flushed or found again. A fork is Running in the end; 10 and 20 are made one after another and stay. `boot` is from `create` until the first process says that it is ready. A goal is how much more ours is: what our part takes.',
};
