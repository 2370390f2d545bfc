import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Row } from '../harness/bench.js';
import { machineContenders } from '../harness/machineSession.js';
import type { VirtualMachines } from '../harness/virtualMachines.js';

/** What a file takes on disk. */
const bytesOf = (path: string): number => statSync(path).blocks * 512;

/** What a process takes of the host's memory: what is shared counts in parts. */
function memoryOf(pid: number): number {
  const rollup = readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1_024;
}

/** Looks at some forks that run, each in turn. */
async function meanOfForks(
  machines: VirtualMachines,
  forks: number,
  look: (name: string) => number,
): Promise<number> {
  const names = Array.from({ length: forks }, (_, index) => `fork-${String(index)}`);
  for (const name of names) await machines.forkSnapshot(name);
  const sum = names.reduce((total, name) => total + look(name), 0);
  for (const name of names) await machines.delete(name);
  return sum / forks;
}

/** Looks at the files of a machine on standby. */
async function ofStandby(machines: VirtualMachines, file: string): Promise<number> {
  await machines.standby('subject');
  const bytes = bytesOf(join(machines.homeOf('subject'), 'vm', file));
  await machines.restore('subject');
  return bytes;
}

const memoryOfForks =
  (forks: number) =>
  (machines: VirtualMachines): Promise<number> =>
    meanOfForks(machines, forks, (name) => memoryOf(machines.pidOf(name)));

const sizes: Readonly<Record<string, (machines: VirtualMachines) => Promise<number>>> = {
  'state on disk': (machines) => ofStandby(machines, 'state'),
  'memory on disk': (machines) => ofStandby(machines, 'ram'),
  'disk of a fork': (machines) =>
    meanOfForks(machines, 1, (name) => bytesOf(join(machines.homeOf(name), 'vm/disk-1.qcow2'))),
  'memory of 1 fork': memoryOfForks(1),
  'each of 10 forks': memoryOfForks(10),
  'each of 20 forks': memoryOfForks(20),
};

const sizeOf = (row: Row): ((machines: VirtualMachines) => Promise<number>) =>
  sizes[row] as (machines: VirtualMachines) => Promise<number>;
const rows = Object.keys(sizes);
const contenders = machineContenders('state on disk', (machines, row) => sizeOf(row)(machines));
const [ours = '', bare = ''] = contenders.map(({ name }) => name);

/** What virtual machines take. */
export const machineBytes: Bench = {
  name: 'machine-bytes',
  title: 'Disk and memory of virtual machines',
  unit: 'bytes',
  rowsAre: 'what',
  rows,
  rounds: 1,
  contenders,
  goals: rows.map((row) => ({
    what: `${row}, beside bare QEMU`,
    of: { contender: ours, row },
    by: { contender: bare, row },
    atMost: 1.1,
  })),
  about:
    'Of the same machines: on standby the state of processors and devices, and the file of 128 MiB that is the memory, of which the guest has touched a part; of forks that run the layer of the disk, and the memory of the host that their QEMU takes, where what several share counts in parts (PSS).',
};
