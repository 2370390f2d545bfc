import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { type Database, longestKey, openDatabase } from '../../src/store/database.js';
import { created, done, updated } from './changes.js';
import { createDataDirs } from './dataDir.js';

const dataDirs = createDataDirs();
let folder: string;
let database: Database;

const open = async (): Promise<void> => {
  database = await openDatabase(join(folder, 'data.mdb'));
};

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'database-'));
  await open();
});
afterEach(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

const row = (key: string): readonly [string, Buffer] => [key, Buffer.from(key)];
const keys = (): readonly string[] => database.range('\0', '\xff', 100).map(({ key }) => key);

test('of a write in which the database refuses one record nothing is kept, and the next one is', async () => {
  await database.write(new Map([row('before')]));
  const refused = new Map([
    row('a'),
    ['before', undefined] as const,
    row('x'.repeat(longestKey + 1)),
    row('b'),
  ]);
  await expect(database.write(refused)).rejects.toMatchObject({ _tag: 'StoreFailed' });
  expect(keys()).toEqual(['before']);
  await database.write(new Map([row('next'), row('y'.repeat(longestKey))]));
  const kept = ['before', 'next', 'y'.repeat(longestKey)];
  expect(keys()).toEqual(kept);
  await database.close();
  await open();
  expect(keys()).toEqual(kept);
});

test('of what is asked for in one turn the one that the database would refuse fails alone', async () => {
  const dataDir = dataDirs.make();
  const store = await dataDirs.open(dataDir);
  const outcomes = await Promise.allSettled([
    firstValueFrom(store.commit(created('a'))),
    done(store.saveCursor('x'.repeat(longestKey), 1)),
    firstValueFrom(store.commit(updated('a', 2))),
  ]);
  expect(outcomes).toMatchObject([
    { status: 'fulfilled', value: { sequence: 1 } },
    { status: 'rejected', reason: { _tag: 'StoreFailed' } },
    { status: 'fulfilled', value: { sequence: 2 } },
  ]);
  await done(store.close());
  const again = await dataDirs.open(dataDir);
  expect(await firstValueFrom(again.load())).toMatchObject({ instances: [{ revision: 2 }], sequence: 2 });
});
