import assert from 'node:assert/strict';
import { openManager } from 'rx-instances';
import { firstValueFrom, lastValueFrom, timer } from 'rxjs';
import type { Bench, Contender, Session } from '../harness/bench.js';
import { idleDriver } from '../harness/idleDriver.js';

const rows = [0, 10_000];
const seconds = 1;

/** A sample is the time that the processor spent for this process while it had nothing to do, for every second. */
async function spent(): Promise<number> {
  const before = process.cpuUsage();
  await lastValueFrom(timer(seconds * 1_000));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / seconds;
}

const ours: Contender = {
  name: 'ours',
  open: async (row): Promise<Session> => {
    const manager = await openManager({ drivers: [idleDriver] });
    for (let index = 0; index < Number(row); index += 1) {
      await firstValueFrom(manager.create({ name: `idle-${String(index)}`, image: 'any' }));
    }
    return {
      check: async () => {
        const running = await firstValueFrom(manager.list({ state: 'Running' }));
        assert.equal(running.length, row, 'all of them run');
        // What is collected and compiled after the start is not idleness.
        globalThis.gc?.();
        await spent();
      },
      sample: spent,
      close: () => manager.close(),
    };
  },
};

const node: Contender = {
  name: 'Node alone',
  open: () => ({
    check: async () => {
      await spent();
    },
    sample: spent,
  }),
};

/** What a manager does when there is nothing to do. */
export const idleProcessor: Bench = {
  name: 'idle-cpu',
  title: 'Processor time of idle instances',
  unit: 'ms of CPU per second',
  rowsAre: 'instances',
  rows,
  rounds: 3,
  contenders: [ours, node],
  goals: [{ what: '10,000 idle instances: nothing', of: { contender: ours.name, row: 10_000 }, atMost: 1 }],
  about:
    'Processor time that was spent in a second in which nothing happens, all threads together; less than 1 ms is what Node itself needs to tell the time.',
};
