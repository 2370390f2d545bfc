import assert from 'node:assert/strict';
import { type Driver, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, lastValueFrom, timer } from 'rxjs';
import type { Bench, Contender, Session } from '../harness/bench.js';
import { idleDriver } from '../harness/idleDriver.js';
import { port, portAndPolicies } from '../harness/idlePolicies.js';

const rows = [0, 10_000];
/** More of them by `--idle-seconds`. */
const seconds = Number(process.env['BENCH_IDLE_SECONDS'] ?? 1);

/** A sample is the time that the processor spent for this process while it had nothing to do, for every second. */
async function spent(): Promise<number> {
  const before = process.cpuUsage();
  await lastValueFrom(timer(seconds * 1_000));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / seconds;
}

const managed = (name: string, driver: Driver, fields: object = {}): Contender => ({
  name,
  open: async (row): Promise<Session> => {
    const manager = await openManager({ drivers: [driver] });
    for (let index = 0; index < Number(row); index += 1) {
      await firstValueFrom(manager.create({ name: `idle-${String(index)}`, image: 'any', ...fields }));
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
});

const ours = managed('ours', idleDriver);
const published = managed('a port', createMemoryDriver(), port);
const watched = managed('a port and policies', createMemoryDriver(), portAndPolicies);

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
  contenders: [ours, published, watched, node],
  goals: [
    { what: '10,000 idle instances: nothing', of: { contender: ours.name, row: 10_000 }, atMost: 1 },
    {
      what: 'their policies: 0.2 % of a core',
      of: { contender: watched.name, row: 10_000 },
      beyond: { contender: published.name, row: 10_000 },
      atMost: 2,
    },
  ],
  about:
    'Processor time that was spent for every second of a time in which nothing happens (one second, or as many as `--idle-seconds` says), all threads together; less than 1 ms is what Node itself needs to tell the time. Beside it instances of the driver `memory` with a port for which the front door listens, and with auto-standby, a restart policy and a `ttl` besides.',
};
