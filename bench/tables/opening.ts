import assert from 'node:assert/strict';
import { type Instance, type InstanceManager, openManager, type State } from 'rx-instances';
import { firstValueFrom, forkJoin, type Observable } from 'rxjs';
import { jsonOf, openBare } from '../harness/bareDatabase.js';
import type { Bench, Contender, Row, Session } from '../harness/bench.js';
import { idleDriver } from '../harness/idleDriver.js';
import { filledFolder } from '../harness/scratch.js';

const rows = [100, 10_000];

const openIt = (dataDir: string): Promise<InstanceManager> => openManager({ dataDir, drivers: [idleDriver] });

/** Does it to all at once: they share the flushes of the disk. */
const all = (work: readonly Observable<Instance>[]): Promise<readonly Instance[]> =>
  firstValueFrom(forkJoin(work));

/** A data directory with so many instances. */
const filled = (count: number, state: State): Promise<string> =>
  filledFolder(`instances-${state}-${String(count)}`, async (dataDir) => {
    const manager = await openIt(dataDir);
    const names = Array.from({ length: count }, (_, index) => `instance-${String(index)}`);
    await all(names.map((name) => manager.create({ name, image: 'any' })));
    if (state === 'Stopped') await all(names.map((name) => manager.stop(name)));
    await manager.close();
  });

/** A sample is how long it takes until it is open. */
const stage = (
  row: Row,
  open: () => Promise<{ count(): Promise<number>; close(): Promise<void> }>,
): Session => ({
  check: async () => {
    const { count, close } = await open();
    assert.equal(await count(), row, 'all of them are there');
    await close();
  },
  sample: async () => {
    const startedAt = performance.now();
    const { close } = await open();
    const ms = performance.now() - startedAt;
    await close();
    return ms * 1e6;
  },
});

const managed = (name: string, state: State): Contender => ({
  name,
  open: async (row) => {
    const dataDir = await filled(Number(row), state);
    return stage(row, async () => {
      const manager = await openIt(dataDir);
      return {
        count: async () => (await firstValueFrom(manager.list({ state }))).length,
        close: () => manager.close(),
      };
    });
  },
});

const ours = managed('ours', 'Stopped');
const running = managed('ours, Running', 'Running');

const records: Contender = {
  name: 'lmdb and JSON.parse',
  open: async (row) => {
    const dataDir = await filled(Number(row), 'Stopped');
    return stage(row, () => {
      const database = openBare(dataDir);
      const table = new Map<string, object>();
      const range = { start: Buffer.from('Instance/'), end: Buffer.from('Instance0') };
      for (const { value } of database.getRange(range)) {
        const instance = JSON.parse(jsonOf(value)) as Instance;
        table.set(instance.id, instance);
      }
      return Promise.resolve({
        count: () => Promise.resolve(table.size),
        close: () => database.close(),
      });
    });
  },
};

/** What it takes until a manager has found everything again. */
export const opening: Bench = {
  name: 'opening',
  title: 'Open a data directory with many instances',
  unit: 'ns',
  rowsAre: 'instances',
  rows,
  rounds: 5,
  contenders: [ours, running, records],
  goals: [
    { what: '10,000 Stopped ones', of: { contender: ours.name, row: 10_000 }, atMost: 5e8 },
    { what: '10,000 Running ones', of: { contender: running.name, row: 10_000 }, atMost: 1e9 },
  ],
  about:
    'From `openManager` until it has resolved: the file is checked, every record decoded, what was left is brought in order. The instances are Stopped, or Running on a driver whose machines cost nothing, which are taken over one by one. Beside it lmdb is opened, and every record of an instance is read and parsed.',
};
