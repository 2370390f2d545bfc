import assert from 'node:assert/strict';
import { type Driver, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom } from 'rxjs';
import { instance } from '../events.js';
import type { Bench, Contender, Session } from '../harness/bench.js';
import { heap } from '../harness/heap.js';
import { idleDriver } from '../harness/idleDriver.js';
import { port, portAndPolicies } from '../harness/idlePolicies.js';

const row = 10_000;

/** A sample is what the heap grew by for each of so many things that were filled in. */
const stage = (fill: (count: number) => Promise<() => Promise<number>>): Session => {
  const grow = async (count: number): Promise<number> => {
    const before = await heap();
    const end = await fill(count);
    const bytes = (await heap()) - before;
    assert.equal(await end(), count, 'all of them are there');
    return bytes / count;
  };
  return {
    check: async () => {
      await grow(100);
    },
    sample: () => grow(row),
  };
};

const managed = (name: string, createDriver: () => Driver, fields: object = {}): Contender => ({
  name,
  open: () =>
    stage(async (count) => {
      const manager = await openManager({ drivers: [createDriver()] });
      for (let index = 0; index < count; index += 1) {
        await firstValueFrom(manager.create({ name: `idle-${String(index)}`, image: 'any', ...fields }));
      }
      return async () => {
        const instances = await firstValueFrom(manager.list({ state: 'Running' }));
        await manager.close();
        return instances.length;
      };
    }),
});

const ours = managed('ours', () => idleDriver);
const published = managed('a port', () => createMemoryDriver(), port);
const watched = managed('a port and policies', () => createMemoryDriver(), portAndPolicies);

const records: Contender = {
  name: 'the records alone',
  open: () =>
    stage((count) => {
      const table = new Map<string, object>();
      for (let index = 0; index < count; index += 1) {
        const id = `idle-${String(index)}`;
        table.set(id, instance(id, 'Running'));
      }
      return Promise.resolve(() => Promise.resolve(table.size));
    }),
};

/** What an instance that does nothing holds in memory. */
export const idleMemory: Bench = {
  name: 'idle-memory',
  title: 'Memory of an idle instance',
  unit: 'bytes',
  rowsAre: 'instances',
  rows: [row],
  rounds: 3,
  contenders: [ours, published, watched, managed('ours, driver memory', () => createMemoryDriver()), records],
  goals: [
    { what: 'an idle instance', of: { contender: ours.name, row }, atMost: 2_000 },
    {
      what: 'its policies',
      of: { contender: watched.name, row },
      beyond: { contender: published.name, row },
      atMost: 1_000,
    },
  ],
  about:
    'What the heap grew by for each of 10,000 Running instances, over a driver that holds nothing itself. Beside it over the driver `memory`, whose machines count too: with nothing, with a port for which the front door listens, and with auto-standby, a restart policy and a `ttl` besides; and a `Map` of frozen records.',
};
