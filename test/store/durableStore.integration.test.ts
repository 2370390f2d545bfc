import type { CursorExpired } from '../../src/lifecycle/errors.js';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  endWith,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  merge,
  range,
  repeat,
  share,
  takeUntil,
  timer,
} from 'rxjs';
import { createDataDirs } from './dataDir.js';
import { defaults, done, updated } from './changes.js';
import { storeContract } from './storeContract.js';
import { Model, seenOf, step } from './storeModel.js';
import fc from 'fast-check';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();

describe('the durable store', () => {
  storeContract((options) => dataDirs.open(dataDirs.make(), options));

  test('has again all that it had, however often it is opened', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 25 }), { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        async (lives, maxEvents) => {
          const dataDir = dataDirs.make();
          const model = new Model(maxEvents);
          const epochs = new Set<string>();
          for (const steps of lives) {
            const store = await dataDirs.open(dataDir, { retention: { ...defaults.retention, maxEvents } });
            expect(await seenOf(store, model.oldest)).toStrictEqual(model.seen());
            epochs.add(store.epoch);
            await Promise.all(
              steps.map((each) => lastValueFrom(each(store, model), { defaultValue: undefined })),
            );
            await done(store.close());
          }
          expect(epochs.size).toBe(1);
          expect(dataDirs.damaged()).toStrictEqual([]);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('counts a record that was set aside once it stands in its place again', async () => {
    const dataDir = dataDirs.make();
    const store = await dataDirs.open(dataDir);
    const all = Array.from({ length: 10_000 }, (_each, index) => store.saveRecord('hooks', String(index), 0));
    await lastValueFrom(merge(...all), { defaultValue: undefined });
    await done(
      store.setAsideRecord('hooks', '7', () => [{ path: '', found: '0', expected: 'another number' }]),
    );
    await done(store.close());
    const again = await dataDirs.open(dataDir);
    expect((await firstValueFrom(again.load())).damaged).toStrictEqual([]);
    expect(await firstValueFrom(again.loadRecord('hooks', '7'))).toBe(0);
    await expect(done(again.saveRecord('hooks', 'more', 0))).rejects.toMatchObject({ _tag: 'StoreFailed' });
  });

  test('takes a log that is read while it is shortened for no damage', async () => {
    const store = await dataDirs.open(dataDirs.make(), {
      retention: { ...defaults.retention, maxEvents: 10 },
    });
    const commits$ = range(1, 200).pipe(
      concatMap((revision) => store.commit(updated('a', revision))),
      ignoreElements(),
    );
    let oldest = 1;
    const reads$ = defer(() => store.read({ epoch: store.epoch, sequence: oldest - 1 }, 100)).pipe(
      catchError((error: unknown) => {
        ({ oldest } = error as CursorExpired);
        return EMPTY;
      }),
      repeat({ delay: () => timer(0) }),
    );
    const committed$ = commits$.pipe(endWith('committed'), share());
    await lastValueFrom(merge(committed$, reads$.pipe(takeUntil(committed$))));
    expect(dataDirs.damaged()).toStrictEqual([]);
  });

  test('is shortened when it is opened with room for less', async () => {
    const dataDir = dataDirs.make();
    const store = await dataDirs.open(dataDir);
    await lastValueFrom(
      merge(...Array.from({ length: 2_500 }, (_, index) => store.commit(updated('a', index)))),
    );
    await done(store.close());
    const retention = { ...defaults.retention, maxEvents: 10 };
    const { epoch, read } = await dataDirs.open(dataDir, { retention });
    expect((await firstValueFrom(read({ epoch, sequence: 2_500 }, 1))).oldest).toBe(2_491);
  });

  test('is shortened when it is opened with room for fewer bytes, and counts on from there', async () => {
    const dataDir = dataDirs.make();
    const store = await dataDirs.open(dataDir);
    await lastValueFrom(
      merge(...Array.from({ length: 100 }, (_, index) => store.commit(updated('a', index)))),
    );
    await done(store.close());
    const retention = { ...defaults.retention, maxBytes: 2_000 };
    const opened = async (): Promise<number> => {
      const again = await dataDirs.open(dataDir, { retention });
      const { sequence } = await firstValueFrom(again.load());
      const { oldest } = await firstValueFrom(again.read({ epoch: again.epoch, sequence }, 1));
      await firstValueFrom(again.commit(updated('a', 1)));
      await done(again.close());
      return sequence - oldest + 1;
    };
    const count = await opened();
    expect(count).toBeGreaterThan(3);
    expect(count).toBeLessThan(20);
    expect(await opened()).toBe(count);
    expect(await opened()).toBe(count);
  });

  test('fails in words once it is closed', async () => {
    const store = await dataDirs.open(dataDirs.make());
    await done(store.close());
    const failure = { _tag: 'StoreFailed', reason: expect.stringContaining('closed') as string };
    await expect(lastValueFrom(store.commit(updated('a', 1)))).rejects.toMatchObject(failure);
    await expect(lastValueFrom(store.loadCursor('mine'))).rejects.toMatchObject(failure);
    await expect(lastValueFrom(store.load())).rejects.toMatchObject(failure);
  });
});
