import fc from 'fast-check';
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { StoreFailed } from '../../src/lifecycle/errors.js';
import { type Database, openDatabase, type Writes } from '../../src/store/database.js';
import { createDurableStore } from '../../src/store/durableStore.js';
import { openDataDir } from '../../src/store/openDataDir.js';
import type { Store } from '../../src/store/store.js';
import { created, defaults, done, updated } from './changes.js';
import { createDataDirs } from './dataDir.js';
import { Model, seenOf, step } from './storeModel.js';
import { startStoreProcess } from './storeProcess.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();
const options = { ...defaults, onDamaged: () => undefined };
const broken = new StoreFailed({ reason: 'cannot write: Input/output error' });

const outcomeOf = (work$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined }).then(
    () => 'kept',
    (error: unknown) => error,
  );

/** A store, and how to let its writes fail: as a flush of the disk does, all of it and with nothing to be seen. */
async function onDisk(
  work: (store: Store, write: { fails: boolean; count: number }) => Promise<void>,
): Promise<void> {
  const dataDir = dataDirs.make();
  mkdirSync(join(dataDir, 'store'));
  const database = await openDatabase(join(dataDir, 'store', 'data.mdb'));
  const disk = { fails: false, count: 0 };
  const write = (writes: Writes): Promise<void> => {
    disk.count += 1;
    return disk.fails ? Promise.reject(broken) : database.write(writes);
  };
  const watched: Database = { ...database, write };
  const store = await createDurableStore(watched, { ...options, origin: 'here', formerOrigin: 'before' });
  disk.count = 0;
  try {
    await work(store, disk);
  } finally {
    await done(store.close());
  }
}

test('what is asked for in one turn is written at once, and what comes meanwhile thereafter', async () => {
  await onDisk(async (store, disk) => {
    const first = [created('a'), created('b'), updated('a', 2)].map((change) =>
      outcomeOf(store.commit(change)),
    );
    await Promise.race(first);
    expect(disk.count).toBe(1);
    await Promise.all([
      ...first,
      outcomeOf(store.saveCursor('mine', 1)),
      outcomeOf(store.commit(updated('a', 3))),
    ]);
    expect(disk.count).toBe(2);
  });
});

test('a write that fails leaves no trace, and all that take part in it fail', async () => {
  const turn = fc.record({ fails: fc.boolean(), steps: fc.array(step, { minLength: 1, maxLength: 5 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 15 }), async (turns) => {
      await onDisk(async (store, disk) => {
        const model = new Model(options.retention.maxEvents);
        for (const { fails, steps } of turns) {
          disk.fails = fails;
          disk.count = 0;
          const outcomes = await Promise.all(
            steps.map((each) => outcomeOf(each(store, new Model(options.retention.maxEvents)))),
          );
          // Nothing to write, nothing to fail: of an instance that is gone nothing is remembered.
          const isKept = !fails || disk.count === 0;
          expect(outcomes).toStrictEqual(steps.map(() => (isKept ? 'kept' : broken)));
          if (isKept) for (const each of steps) void each(store, model);
        }
        disk.fails = false;
        expect(await seenOf(store, 1)).toStrictEqual(model.seen());
      });
    }),
    { numRuns: 20 },
  );
});

test('a change that cannot be written fails alone', async () => {
  await onDisk(async (store) => {
    const endless = { ...created('b'), instance: { handle: { pid: 1n } } } as never;
    const outcomes = await Promise.all([
      outcomeOf(store.commit(created('a'))),
      outcomeOf(store.commit(endless)),
      outcomeOf(store.commit(updated('a', 2))),
    ]);
    expect(outcomes).toStrictEqual(['kept', expect.objectContaining({ _tag: 'StoreFailed' }), 'kept']);
    const { instances, sequence } = await firstValueFrom(store.load());
    expect([instances.map(({ name }) => name), sequence]).toStrictEqual([['a'], 2]);
  });
});

describe('a data directory that may not be written', () => {
  test('cannot be made', async () => {
    const dataDir = '/sys/rx-instances';
    await expect(openDataDir(dataDir, options)).rejects.toMatchObject({
      _tag: 'StoreFailed',
      reason: expect.stringMatching(
        /^cannot open the data directory \/sys\/rx-instances: E[A-Z]+: /,
      ) as string,
    });
    expect(existsSync(dataDir)).toBe(false);
  });

  test('is not opened, and stays as it is', async () => {
    const dataDir = dataDirs.make();
    const store = await dataDirs.open(dataDir);
    await firstValueFrom(store.commit(created('a')));
    await done(store.close());

    const paths = readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).toSorted();
    const chmodAll = (mode: number): void => {
      for (const path of ['', ...paths]) chmodSync(join(dataDir, path), mode);
    };
    chmodAll(0o500);
    const child = startStoreProcess(dataDir);
    expect(await child.opened).toMatchObject({
      _tag: 'StoreFailed',
      reason: expect.stringMatching(/EACCES: permission denied/) as string,
    });
    await child.end();
    chmodAll(0o700);
    expect(readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).toSorted()).toStrictEqual(paths);
    const again = await dataDirs.open(dataDir);
    expect((await firstValueFrom(again.load())).instances).toHaveLength(1);
  });
});
