import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import { jsonOf, openBare } from '../harness/bareDatabase.js';
import type { Bench, Contender, Row } from '../harness/bench.js';
import { idleDriver } from '../harness/idleDriver.js';
import { newFolder } from '../harness/scratch.js';
import { timed } from '../harness/timed.js';

const rows = [1, 64];
const timesOf = (row: Row): number => (row === 1 ? 50 : 3_200);

/** Does something so many times, in so many lanes at once; each goes on when its last one is done. */
async function inLanes(lanes: Row, times: number, work: (lane: number) => Promise<unknown>): Promise<void> {
  const count = Number(lanes);
  const goOn = async (lane: number): Promise<void> => {
    for (let done = lane; done < times; done += count) await work(lane);
  };
  await Promise.all(Array.from({ length: count }, (_, lane) => goOn(lane)));
}

const openIt = (dataDir: string): Promise<InstanceManager> => openManager({ dataDir, drivers: [idleDriver] });

/** Creates an instance for every lane. */
async function created(manager: InstanceManager, lanes: Row): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let lane = 0; lane < Number(lanes); lane += 1) {
    const { id } = await firstValueFrom(manager.create({ name: `lane-${String(lane)}`, image: 'any' }));
    ids.push(id);
  }
  return ids;
}

let updates = 0;

const update = (manager: InstanceManager, id: string): Promise<unknown> =>
  firstValueFrom(manager.update(id, { tags: { count: String((updates += 1)).padStart(8, '0') } }));

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const dataDir = newFolder(`durable-ours-${String(row)}`);
    let manager = await openIt(dataDir);
    const ids = await created(manager, row);
    const run = (times: number): Promise<void> =>
      inLanes(row, times, (lane) => update(manager, ids[lane] ?? ''));
    return timed({
      check: async () => {
        const before = updates;
        await run(ids.length * 3);
        await manager.close();
        const database = openBare(dataDir);
        const records = ids.map((id) => jsonOf(database.get(Buffer.from(`Instance/${id}`)) as Buffer));
        await database.close();
        const tags = records.map((json) => /"count":"0*(\d+)"/.exec(json)?.[1]);
        const last = ids.map((_, lane) => String(before + ids.length * 2 + lane + 1));
        assert.deepEqual(tags.toSorted(), last.toSorted(), 'the last updates are on disk');
        manager = await openIt(dataDir);
      },
      run,
      close: () => manager.close(),
      times: timesOf(row),
    });
  },
};

interface Written {
  readonly dataDir: string;
  /** The two records that an update of each lane has written: that of the instance, and the event. */
  readonly lanes: readonly { readonly key: Buffer; readonly instance: Buffer; readonly event: Buffer }[];
}

/** What updates write, from a data directory in which there was one for every lane. */
async function written(row: Row, name: string): Promise<Written> {
  const dataDir = newFolder(`durable-${name}-${String(row)}`);
  const manager = await openIt(dataDir);
  const ids = await created(manager, row);
  for (const id of ids) await update(manager, id);
  await manager.close();
  const database = openBare(dataDir);
  const lanes = ids.map((id, lane) => {
    const key = Buffer.from(`Instance/${id}`);
    const event = database.get(eventKey(ids.length + lane + 1)) as Buffer;
    assert.match(jsonOf(event), new RegExp(`"update".+"${id}"`), 'it is the event of the update');
    return { key, instance: database.get(key) as Buffer, event };
  });
  await database.close();
  return { dataDir, lanes };
}

const eventKey = (sequence: number): Buffer => Buffer.from(`event/${String(sequence).padStart(16, '0')}`);

const lmdb: Contender = {
  name: 'lmdb alone',
  open: async (row) => {
    const { dataDir, lanes } = await written(row, 'lmdb');
    const database = openBare(dataDir);
    let sequence = lanes.length * 2;
    const commit = (lane: number): Promise<unknown> =>
      database.batch(() => {
        const { key, instance, event } = lanes[lane] as Written['lanes'][number];
        void database.put(key, instance);
        void database.put(eventKey((sequence += 1)), event);
      });
    const run = (times: number): Promise<void> => inLanes(row, times, commit);
    return timed({
      check: async () => {
        await run(lanes.length * 2);
        const kept = database.getKeysCount({ start: eventKey(1), end: eventKey(sequence + 1) });
        assert.equal(kept, lanes.length * 4, 'every commit is in the database');
      },
      run,
      close: () => database.close(),
      times: timesOf(row),
    });
  },
};

const flush: Contender = {
  name: 'write and fdatasync',
  open: async (row) => {
    const { dataDir, lanes } = await written(row, 'flush');
    const together = Buffer.concat(
      lanes.flatMap(({ key, instance, event }) => [key, instance, eventKey(1), event]),
    );
    const file = await open(join(dataDir, 'appended'), 'a');
    const run = async (times: number): Promise<void> => {
      for (let done = 0; done < times; done += lanes.length) {
        await file.write(together);
        await file.datasync();
      }
    };
    return timed({
      check: async () => {
        await run(lanes.length * 2);
        assert.equal((await file.stat()).size, together.length * 2, 'all bytes are in the file');
      },
      run,
      close: () => file.close(),
      times: timesOf(row),
    });
  },
};

/** What a verb costs that is on disk before it completes. */
export const durable: Bench = {
  name: 'durable',
  title: 'Update an instance until that is on disk',
  unit: 'ns',
  rowsAre: 'at a time',
  rows,
  rounds: 9,
  contenders: [ours, lmdb, flush],
  goals: rows.map((row) => ({
    what: `${String(row)} at a time, beside lmdb alone`,
    of: { contender: ours.name, row },
    by: { contender: lmdb.name, row },
    atMost: row === 1 ? 1.2 : 2,
  })),
  about:
    'One `update` in a data directory until it has completed, by so many who each begin the next one then. lmdb alone commits the same two records for each, as many at a time. Beside that a file to which as many bytes are appended and flushed, for 64 at once: nobody who keeps what he was told can be faster than the disk.',
};
