import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { type Database, openDatabase, type Row } from '../../src/store/database.js';
import { createDurableStore } from '../../src/store/durableStore.js';
import type { Store } from '../../src/store/store.js';
import * as tables from '../../src/store/tables.js';
import { aSnapshot, created, defaults, deleted, done, idOf, updated, wholeLog } from './changes.js';
import { createDataDirs } from './dataDir.js';
import { fileOf, filledDir, seen, whole } from './filledDir.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();

/** Changes the records of a closed store behind its back. */
async function rewrite(
  dataDir: string,
  key: string,
  change: (bytes: Buffer) => Buffer | undefined,
): Promise<void> {
  const database = await openDatabase(fileOf(dataDir));
  await database.write(new Map([[key, change(database.get(key) as Buffer)]]));
  await database.close();
}

/** Flips the last bit of the middle byte. */
const flipped = (bytes: Buffer): Buffer => {
  const middle = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
  return bytes;
};

/** As a newer program would write it. */
const newer = ({ key, bytes }: Row): Buffer => {
  const json = bytes.subarray(5);
  return tables.sealed(key, 9, json.toString()).bytes;
};

/** Key of a record. */
const ofB = `Instance/${idOf('b')}`;

describe('a record that was changed from outside', () => {
  test.each([
    [`Instance/${idOf('b')}`, { instances: ['a', 'c'] }],
    [`Snapshot/${idOf('s')}`, { snapshots: [] }],
    ['Cursor/mine', { cursor: undefined }],
    [`Runtime/${idOf('a')}`, { runtime: [] }],
    ['Record/hooks/x', { records: [] }],
  ])('%s is named and set aside, and all else is as it was', async (key, lost) => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, key, flipped);
    const store = await dataDirs.open(dataDir);
    const { epoch } = store;
    expect(await seen(store)).toStrictEqual({ ...whole, ...lost, damaged: [key] });
    const { damaged } = await firstValueFrom(store.load());
    expect(damaged).toStrictEqual([
      {
        key,
        faults: [
          {
            path: '',
            found: expect.stringMatching(/^checksum [0-9a-f]{8}$/) as string,
            expected: expect.stringMatching(/^checksum [0-9a-f]{8}$/) as string,
          },
        ],
      },
    ]);
    await done(store.close());
    expect((await dataDirs.open(dataDir)).epoch).toBe(epoch);
  });

  test.each([
    ['cut short', (bytes: Buffer) => bytes.subarray(0, 5), '5 bytes'],
    ['empty', () => Buffer.alloc(0), '0 bytes'],
    [
      'of another key',
      () => tables.instances.encode(idOf('x'), created('x').instance as never).bytes,
      'checksum',
    ],
  ])('is set aside when it is %s', async (_, change, found) => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, ofB, change);
    const { damaged, instances } = await firstValueFrom((await dataDirs.open(dataDir)).load());
    expect(instances).toHaveLength(2);
    expect(damaged).toMatchObject([
      { key: ofB, faults: [{ found: expect.stringContaining(found) as string }] },
    ]);
  });

  test('is set aside when it is none of ours', async () => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, 'Stranger/x', () => Buffer.from('anything'));
    expect(await seen(await dataDirs.open(dataDir))).toStrictEqual({ ...whole, damaged: ['Stranger/x'] });
  });

  test('comes back as soon as it can be understood', async () => {
    const dataDir = await filledDir(dataDirs);
    const old: Buffer[] = [];
    await rewrite(dataDir, ofB, (bytes) => {
      old.push(Buffer.from(bytes));
      return flipped(bytes);
    });
    const store = await dataDirs.open(dataDir);
    expect((await seen(store)).damaged).toStrictEqual([ofB]);
    await done(store.close());
    await rewrite(dataDir, `Damaged/${ofB}`, () => old[0]);
    expect(await seen(await dataDirs.open(dataDir))).toStrictEqual(whole);
  });

  test('does not come back over one that was kept in its place meanwhile', async () => {
    const dataDir = await filledDir(dataDirs);
    const old: Buffer[] = [];
    await rewrite(dataDir, ofB, (bytes) => {
      old.push(Buffer.from(bytes));
      return flipped(bytes);
    });
    const store = await dataDirs.open(dataDir);
    await firstValueFrom(store.load());
    await firstValueFrom(store.commit(updated('b', 7)));
    await done(store.close());
    await rewrite(dataDir, `Damaged/${ofB}`, () => old[0]);
    const { instances, damaged } = await firstValueFrom((await dataDirs.open(dataDir)).load());
    expect(instances.map(({ name, revision }) => [name, revision])).toStrictEqual([
      ['a', 4],
      ['b', 7],
      ['c', 1],
    ]);
    expect(damaged).toStrictEqual([]);
  });

  test('of a newer program is set aside until there is one', async () => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, ofB, (bytes) => newer({ key: ofB, bytes }));
    const { damaged } = await firstValueFrom((await dataDirs.open(dataDir)).load());
    expect(damaged).toStrictEqual([
      { key: ofB, faults: [{ path: '', found: 'version 9', expected: 'version 1 to 2' }] },
    ]);
  });

  const [b, s] = [created('b').instance, aSnapshot()];
  const path = '../../elsewhere';
  const [ofPath, ofX] = [`Instance/${path}`, `Instance/${idOf('x')}`];
  const instanceAt = (name: string, fields: object): Row =>
    tables.instances.encode(name, { ...b, ...fields } as never);
  const snapshotWith = (fields: object): Row => tables.snapshots.encode(idOf('s'), { ...s, ...fields });

  test.each<[string, Row, string, object]>([
    ['an id that is a path', instanceAt(path, { id: path }), ofPath, {}],
    ['the id of another key', instanceAt(idOf('x'), { id: idOf('b') }), ofX, {}],
    ['an id that is too long', instanceAt(idOf('b'), { id: 'b'.repeat(25) }), ofB, { instances: ['a', 'c'] }],
    ['a name that is none', instanceAt(idOf('b'), { name: '../b' }), ofB, { instances: ['a', 'c'] }],
    ['a revision of no size', instanceAt(idOf('b'), { revision: 0.5 }), ofB, { instances: ['a', 'c'] }],
    [
      'a snapshot of no instance',
      snapshotWith({ instanceId: '..' }),
      `Snapshot/${idOf('s')}`,
      { snapshots: [] },
    ],
    ['another snapshot', snapshotWith({ id: idOf('t') }), `Snapshot/${idOf('s')}`, { snapshots: [] }],
    ['a record of no table', tables.ownersRecords.encode('hooks', 1), 'Record/hooks', {}],
    ['a runtime of no instance', tables.runtimes.encode('..', { one: 1 }), 'Runtime/..', {}],
    ['no JSON', tables.sealed(ofB, 1, '{"id'), ofB, { instances: ['a', 'c'] }],
    [
      'JSON that is nested without end',
      instanceAt(idOf('b'), { handle: JSON.parse(`${'{"a":'.repeat(500)}1${'}'.repeat(500)}`) as unknown }),
      ofB,
      { instances: ['a', 'c'] },
    ],
  ])('is set aside when it holds %s', async (_, { key, bytes }, named, lost) => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, key, () => bytes);
    expect(await seen(await dataDirs.open(dataDir))).toStrictEqual({ ...whole, ...lost, damaged: [named] });
  });

  test('is told with every fault when what it holds is wrong', async () => {
    const dataDir = await filledDir(dataDirs);
    const wrong = {
      id: 1,
      name: 'b',
      driver: 'memory',
      image: 'any',
      env: {},
      tags: { a: 2 },
      state: 'Gone',
    };
    await rewrite(dataDir, ofB, () => tables.sealed(ofB, 2, JSON.stringify(wrong)).bytes);
    const { damaged } = await firstValueFrom((await dataDirs.open(dataDir)).load());
    expect(damaged[0]?.faults.map(({ path }) => path)).toStrictEqual([
      'id',
      'state',
      'revision',
      'created_at',
      'tags.a',
    ]);
  });
});

test('what cannot be understood of a spec or a handle is told by its kind and size', async () => {
  for (const part of ['spec', 'handle']) {
    const dataDir = await filledDir(dataDirs);
    const secret = { ...created('b').instance, [part]: 'TOKEN=canary' };
    await rewrite(dataDir, ofB, () => tables.instances.encode(idOf('b'), secret as never).bytes);
    const { damaged } = await firstValueFrom((await dataDirs.open(dataDir)).load());
    expect(damaged).toMatchObject([{ key: ofB }]);
    expect(JSON.stringify(damaged)).not.toContain('canary');
  }
});

describe('an event that was changed from outside', () => {
  const keyOf = (sequence: number): string => tables.events.keyOf(tables.placeName(sequence));

  test('is named and set aside when it is read, and the log begins after it', async () => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, keyOf(4), flipped);
    const store = await dataDirs.open(dataDir);
    const { epoch } = store;
    expect((await wholeLog(store, 4)).map(({ sequence }) => sequence)).toStrictEqual([5, 6, 7, 8, 9]);
    expect(dataDirs.damaged()).toStrictEqual([]);

    await expect(firstValueFrom(store.read({ epoch, sequence: 0 }, 100))).rejects.toMatchObject({
      _tag: 'CursorExpired',
      oldest: 5,
    });
    expect(dataDirs.damaged()).toMatchObject([{ key: keyOf(4), faults: [{ path: '' }] }]);
    await done(store.close());

    const again = await dataDirs.open(dataDir);
    expect(again.epoch).toBe(epoch);
    expect((await firstValueFrom(again.load())).damaged).toMatchObject([{ key: keyOf(4) }]);
    expect((await firstValueFrom(again.read({ epoch, sequence: 9 }, 1))).oldest).toBe(5);
    expect((await firstValueFrom(again.commit(deleted('a')))).sequence).toBe(10);
  });

  test.each([
    ['is of another instance', keyOf(4), { ...updated('a', 1), instance: created('b').instance }],
    ['has a path for an id', keyOf(4), { ...deleted('a'), instanceId: '../a' }],
  ])('and %s is set aside', async (_, key, change) => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, key, () => tables.sealed(key, 1, JSON.stringify({ time: 0, change })).bytes);
    const store = await dataDirs.open(dataDir);
    await expect(wholeLog(store)).rejects.toMatchObject({ _tag: 'CursorExpired', oldest: 5 });
    expect(dataDirs.damaged()).toMatchObject([{ key }]);
  });

  test('and has no number is set aside', async () => {
    const dataDir = await filledDir(dataDirs);
    const key = tables.events.keyOf('x');
    await rewrite(
      dataDir,
      key,
      () => tables.sealed(key, 1, JSON.stringify({ time: 0, change: deleted('a') })).bytes,
    );
    const store = await dataDirs.open(dataDir);
    expect(dataDirs.damaged()).toMatchObject([{ key }]);
    expect(await wholeLog(store)).toHaveLength(9);
  });

  test('that is missing in the midst ends the log before it too', async () => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, keyOf(4), () => undefined);
    const store = await dataDirs.open(dataDir);
    await expect(wholeLog(store)).rejects.toMatchObject({ _tag: 'CursorExpired', oldest: 5 });
    expect(await wholeLog(store, 4)).toHaveLength(5);
    expect(dataDirs.damaged()).toStrictEqual([
      { key: keyOf(4), faults: [{ path: '', found: 'nothing', expected: 'an event' }] },
    ]);
  });

  test('has no place in the log any more when it can be understood', async () => {
    const dataDir = await filledDir(dataDirs);
    const old: Buffer[] = [];
    await rewrite(dataDir, keyOf(4), (bytes) => {
      old.push(Buffer.from(bytes));
      return flipped(bytes);
    });
    const store = await dataDirs.open(dataDir);
    const { epoch } = store;
    await expect(wholeLog(store)).rejects.toMatchObject({ _tag: 'CursorExpired' });
    await done(store.close());
    await rewrite(dataDir, `Damaged/${keyOf(4)}`, () => old[0]);
    const next = await dataDirs.open(dataDir);
    expect((await seen(next)).damaged).toStrictEqual([]);
    await done(next.close());
    const last = await dataDirs.open(dataDir);
    expect((await firstValueFrom(last.read({ epoch, sequence: 9 }, 1))).oldest).toBe(5);
  });

  test('while the store is open, and was the last, gives its number to no other', async () => {
    const dataDir = await filledDir(dataDirs, 4);
    const options = { ...defaults, origin: 'here', formerOrigin: 'before', onDamaged: () => undefined };
    const open = async (): Promise<readonly [Database, Store]> => {
      const database = await openDatabase(fileOf(dataDir));
      return [database, await createDurableStore(database, options)];
    };
    const [database, store] = await open();
    const { epoch } = store;
    await database.write(new Map([[keyOf(4), flipped(database.get(keyOf(4)) as Buffer)]]));
    await expect(firstValueFrom(store.read({ epoch, sequence: 0 }, 9))).rejects.toMatchObject({ oldest: 5 });
    await done(store.close());

    const [, again] = await open();
    expect(again.epoch).toBe(epoch);
    expect((await firstValueFrom(again.commit(updated('a', 9)))).sequence).toBe(5);
    await done(again.close());
  });

  test('at the beginning is left out', async () => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, keyOf(1), flipped);
    const store = await dataDirs.open(dataDir);
    expect(dataDirs.damaged()).toMatchObject([{ key: keyOf(1) }]);
    expect(await wholeLog(store, 1)).toHaveLength(8);
  });

  test('at the end lets the log go on under another name', async () => {
    const dataDir = await filledDir(dataDirs);
    const store = await dataDirs.open(dataDir);
    const { epoch } = store;
    await done(store.close());
    await rewrite(dataDir, keyOf(9), flipped);
    await rewrite(dataDir, keyOf(8), flipped);

    const again = await dataDirs.open(dataDir);
    expect(dataDirs.damaged()).toMatchObject([{ key: keyOf(9) }, { key: keyOf(8) }]);
    expect(again.epoch).not.toBe(epoch);
    expect((await seen(again)).damaged.toSorted()).toStrictEqual([keyOf(8), keyOf(9)]);
    expect((await firstValueFrom(again.commit(deleted('a')))).sequence).toBe(8);
    await expect(firstValueFrom(again.read({ epoch, sequence: 3 }, 1))).rejects.toMatchObject({
      epoch: again.epoch,
    });
  });

  test.each([2 ** 24 + 10, 2 ** 53 - 2])(
    'is set aside when its sequence is %d, far from all others',
    async (far) => {
      const dataDir = await filledDir(dataDirs);
      const json = JSON.stringify({
        time: 0,
        change: { action: 'delete', instanceId: idOf('a'), previousState: 'Running' },
      });
      await rewrite(dataDir, keyOf(far), () => tables.sealed(keyOf(far), 1, json).bytes);
      const store = await dataDirs.open(dataDir);
      expect(dataDirs.damaged()).toMatchObject([{ key: keyOf(far), faults: [{ found: String(far) }] }]);
      expect(await wholeLog(store)).toHaveLength(9);
      expect((await firstValueFrom(store.commit(deleted('a')))).sequence).toBe(10);
    },
  );

  test('lets even the whole log go, and nothing else', async () => {
    const dataDir = await filledDir(dataDirs);
    for (let sequence = 1; sequence <= 9; sequence += 1) await rewrite(dataDir, keyOf(sequence), flipped);
    const store = await dataDirs.open(dataDir);
    expect(await firstValueFrom(store.load())).toMatchObject({ instances: [{}, {}, {}], sequence: 0 });
    expect((await firstValueFrom(store.commit(deleted('a')))).sequence).toBe(1);
  });

  test('counts as old when the log is shortened', async () => {
    let now = 0;
    const options = { retention: { ...defaults.retention, maxEvents: 100, maxAgeMs: 50 }, now: () => now };
    const dataDir = dataDirs.make();
    const store = await dataDirs.open(dataDir, options);
    for (now of [0, 0, 40, 40, 40]) await firstValueFrom(store.commit(updated('a', 1)));
    await done(store.close());
    await rewrite(dataDir, keyOf(3), flipped);

    const again = await dataDirs.open(dataDir, options);
    now = 60;
    await firstValueFrom(again.commit(updated('a', 1)));
    expect((await firstValueFrom(again.read({ epoch: again.epoch, sequence: 6 }, 1))).oldest).toBe(4);
  });
});

describe('the header', () => {
  const key = 'Header/store';

  test('of a newer program keeps this one out', async () => {
    const dataDir = await filledDir(dataDirs);
    await rewrite(dataDir, key, (bytes) => newer({ key, bytes }));
    await expect(dataDirs.open(dataDir)).rejects.toMatchObject({
      _tag: 'StoreFailed',
      reason: `cannot open the data directory ${dataDir}: its format has version 9, of which this program knows up to 2`,
    });
    // And lets go of it.
    await rewrite(dataDir, key, () => undefined);
    expect((await seen(await dataDirs.open(dataDir))).instances).toStrictEqual(whole.instances);
  });

  test('that is damaged or gone is written anew, and the log has another name', async () => {
    const dataDir = await filledDir(dataDirs);
    const store = await dataDirs.open(dataDir);
    const epochs = [store.epoch];
    await done(store.close());
    for (const change of [flipped, () => undefined]) {
      await rewrite(dataDir, key, change);
      const again = await dataDirs.open(dataDir);
      epochs.push(again.epoch);
      expect((await seen(again)).instances).toStrictEqual(whole.instances);
      expect(await wholeLog(again)).toHaveLength(9);
      await done(again.close());
    }
    expect(new Set(epochs).size).toBe(3);
    expect(dataDirs.damaged()).toMatchObject([{ key }]);
  });
});

describe('a copy of a data directory', () => {
  test('goes on with all that is in it, under another name of the log', async () => {
    const dataDir = await filledDir(dataDirs);
    const copy = join(dataDirs.make(), 'copy');
    const store = await dataDirs.open(dataDir);
    execFileSync('cp', ['-a', dataDir, copy]);

    const other = await dataDirs.open(copy);
    expect(await seen(other)).toStrictEqual(whole);
    expect(other.epoch).not.toBe(store.epoch);
    const own = await firstValueFrom(store.commit(deleted('a')));
    await firstValueFrom(other.commit(deleted('b')));
    await expect(firstValueFrom(other.read(own, 1))).rejects.toMatchObject({ _tag: 'CursorExpired' });
  });
});
