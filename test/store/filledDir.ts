import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, merge } from 'rxjs';
import type { Store } from '../../src/store/store.js';
import { aSnapshot, created, done, idOf, snapshotTaken, updated } from './changes.js';
import type { DataDirs } from './dataDir.js';

/** The database of a data directory. */
export const fileOf = (dataDir: string): string => join(dataDir, 'store', 'data.mdb');

/** A data directory in which something of everything is kept, closed. */
export async function filledDir(dataDirs: DataDirs, events = 9): Promise<string> {
  const dataDir = dataDirs.make();
  const store = await dataDirs.open(dataDir);
  const commits = Array.from({ length: events - 4 }, (_, index) => store.commit(updated('a', index)));
  await lastValueFrom(
    merge(store.commit(created('a')), store.commit(created('b')), store.commit(created('c')), ...commits),
  );
  await firstValueFrom(store.commit(snapshotTaken(aSnapshot())));
  await done(store.saveCursor('mine', 3));
  await done(store.saveRuntime('one', idOf('a'), 1));
  await done(store.saveRecord('hooks', 'x', 7));
  await done(store.close());
  return dataDir;
}

/** What a filled directory holds. */
export const whole = {
  instances: ['a', 'b', 'c'],
  snapshots: [idOf('s')],
  cursor: 3,
  runtime: [[idOf('a'), 1]],
  records: [['x', 7]],
  sequence: 9,
  damaged: [] as string[],
};

/** What there is of that in a store. */
export const seen = async (store: Store) => {
  const { instances, snapshots, damaged, sequence } = await firstValueFrom(store.load());
  return {
    instances: instances.map(({ name }) => name),
    snapshots: snapshots.map(({ id }) => id),
    cursor: await firstValueFrom(store.loadCursor('mine')),
    runtime: [...(await firstValueFrom(store.loadRuntime('one')))],
    records: [...(await firstValueFrom(store.loadRecords('hooks')))],
    sequence,
    damaged: damaged.map(({ key }) => key),
  };
};
