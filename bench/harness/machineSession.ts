import assert from 'node:assert/strict';
import type { Contender, Row, Session } from './bench.js';
import { openBareMachines } from '../peers/bareQemu.js';
import { openManagedMachines } from './managedMachines.js';
import { type MachineTemplate, machineTemplate } from './machineTemplate.js';
import { counted, type VirtualMachines } from './virtualMachines.js';

const drivers: Readonly<
  Record<string, (template: MachineTemplate) => VirtualMachines | Promise<VirtualMachines>>
> = { ours: openManagedMachines, 'bare QEMU': openBareMachines };

/** Ours and bare QEMU, each with a machine `subject` that runs; `take` takes a sample of a row. */
export const machineContenders = (
  firstRow: Row,
  take: (machines: VirtualMachines, row: Row) => Promise<number>,
): readonly Contender[] =>
  Object.entries(drivers).map(([name, open]) => ({
    name,
    open: async (row): Promise<Session> => {
      const template = await machineTemplate();
      const machines = await open(template);
      await machines.forkWithOwnMemory('subject');
      return {
        // All rows do the same things.
        check: () => (row === firstRow ? checkVerbs(machines, template.count) : undefined),
        sample: () => take(machines, row),
        close: () => machines.close(),
      };
    },
  }));

/** Every machine goes on with the very next number after what it was made of, and so does one that was copied. */
async function checkVerbs(machines: VirtualMachines, count: number): Promise<void> {
  await machines.forkSnapshot('copy');
  await checkCounts(machines.homeOf('copy'), count);
  await machines.delete('copy');
  for (let cycle = 0; cycle < 2; cycle += 1) {
    await machines.standby('subject');
    await machines.restore('subject');
  }
  const last = await checkCounts(machines.homeOf('subject'), count);
  const stoodMs = await machines.forkRunning('subject', 'copy');
  assert.ok(stoodMs > 0, 'the source stood still for a while');
  const home = machines.homeOf('copy');
  await untilCounted(home, 1);
  const [first = NaN] = counted(home);
  assert.ok(first > last, 'the copy goes on where its source was');
  await checkCounts(home, first - 1);
  await untilCounted(machines.homeOf('subject'), first - count);
  await checkCounts(machines.homeOf('subject'), count);
  await machines.delete('copy');
}

/** Resolves with the last number. */
async function checkCounts(home: string, count: number): Promise<number> {
  await untilCounted(home, 3);
  const counts = counted(home);
  assert.deepEqual(
    counts,
    counts.map((_, index) => count + 1 + index),
    'it goes on with the next number, and leaves none out',
  );
  return counts.at(-1) ?? NaN;
}

async function untilCounted(home: string, howMany: number): Promise<void> {
  while (counted(home).length < howMany) await new Promise((turn) => setTimeout(turn, 10));
}
