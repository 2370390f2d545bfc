import fc from 'fast-check';
import { firstValueFrom, lastValueFrom, merge, mergeMap, type Observable, toArray } from 'rxjs';
import { type CursorExpired, DriverFailed, LaunchFailed } from '../../src/lifecycle/errors.js';
import type { CausedChange, LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { defaultRetention } from '../../src/store/logSpan.js';
import type { AskedRequest, ConcludedRequest, Store } from '../../src/store/store.js';
import { anInstance } from '../support/lifecycleEvents.js';
import {
  aRequest,
  aSnapshot,
  created,
  defaults,
  deleted,
  deletedWithLast,
  done,
  idOf,
  snapshotGone,
  snapshotTaken,
  type StoreOptions,
  updated,
  wholeLog,
} from './changes.js';
import { Model, seenOf, step } from './storeModel.js';

/** How to get a store that holds nothing. */
export type OpenStore = (options: StoreOptions) => Promise<Store>;

/** Declares what every store owes. */
export function storeContract(open: OpenStore): void {
  const opened = (options: Partial<StoreOptions> = {}): Promise<Store> => open({ ...defaults, ...options });
  const commit = (store: Store, change: CausedChange): Promise<LifecycleEvent> =>
    firstValueFrom(store.commit(change));
  const failureOf = (work$: Observable<unknown>): Promise<unknown> =>
    lastValueFrom(work$).then(
      () => 'no failure',
      (error: unknown) => error,
    );

  test('begins with nothing', async () => {
    const store = await opened();
    expect(await firstValueFrom(store.load())).toStrictEqual({
      instances: [],
      snapshots: [],
      sequence: 0,
      damaged: [],
    });
    expect(await firstValueFrom(store.read({ epoch: store.epoch, sequence: 0 }, 10))).toStrictEqual({
      events: [],
      oldest: 1,
    });
  });

  test('does nothing before it is subscribed to', async () => {
    const store = await opened();
    const before = await firstValueFrom(store.load());
    void store.commit(created('a'));
    void store.commit(snapshotTaken(aSnapshot()));
    void store.saveCursor('mine', 3);
    expect(await firstValueFrom(store.load())).toStrictEqual(before);
    expect(await firstValueFrom(store.loadCursor('mine'))).toBeUndefined();
  });

  test('commits anew for each subscriber', async () => {
    const store = await opened();
    const commit$ = store.commit(created('a'));
    const events = [await firstValueFrom(commit$), await firstValueFrom(commit$)];
    expect(events.map(({ sequence }) => sequence)).toStrictEqual([1, 2]);
  });

  test('emits the event of a change once, deeply frozen, with the time of its clock', async () => {
    const store = await opened({ now: () => 1234 });
    const change = created('a');
    const events = await lastValueFrom(store.commit(change).pipe(toArray()));
    expect(events).toStrictEqual([{ ...change, epoch: store.epoch, sequence: 1, time: 1234 }]);
    expect(Object.isFrozen(events[0])).toBe(true);
    expect(Object.isFrozen(events[0]?.instance?.spec.tags)).toBe(true);
  });

  test('emits events in the order of their sequence, which is that of the subscribes', async () => {
    const store = await opened();
    const changes = Array.from({ length: 300 }, (_, index) => updated('a', index));
    const events = await lastValueFrom(
      merge(...changes.map((change) => store.commit(change))).pipe(toArray()),
    );
    expect(events.map(({ sequence }) => sequence)).toStrictEqual(changes.map((_, index) => index + 1));
    expect(events.map(({ instance }) => instance?.revision)).toStrictEqual(changes.map((_, index) => index));
  });

  test('commits what is asked for while an event is being told', async () => {
    const store = await opened();
    const events$ = store.commit(created('a')).pipe(mergeMap(() => store.commit(updated('a', 2))));
    expect((await firstValueFrom(events$)).sequence).toBe(2);
    expect(await wholeLog(store)).toHaveLength(2);
  });

  test('keeps what has begun when nobody listens any more', async () => {
    const store = await opened();
    store.commit(created('a')).subscribe().unsubscribe();
    await commit(store, created('b'));
    const { instances, sequence } = await firstValueFrom(store.load());
    expect([instances.map(({ name }) => name), sequence]).toStrictEqual([['a', 'b'], 2]);
  });

  test('keeps every instance as its last change said, oldest first', async () => {
    const store = await opened();
    await commit(store, created('b', 1));
    await commit(store, created('c', 2));
    await commit(store, created('a', 3));
    const change = {
      ...updated('b', 7),
      instance: anInstance({ id: idOf('b'), createdAt: 1, revision: 7 }),
    } as CausedChange;
    await commit(store, change);
    await commit(store, deleted('c'));
    const { instances } = await firstValueFrom(store.load());
    expect(instances).toStrictEqual([change.instance, created('a', 3).instance]);
    expect(instances.every((instance) => Object.isFrozen(instance.spec))).toBe(true);
  });

  describe('its log', () => {
    test('tells the events as they were emitted, in pages', async () => {
      const store = await opened();
      const events = [await commit(store, created('a'))];
      for (let revision = 2; revision < 20; revision += 1)
        events.push(await commit(store, updated('a', revision)));
      events.push(await commit(store, deletedWithLast('a')));
      events.push(await commit(store, created('a')));
      events.push(await commit(store, deleted('a')));
      expect(await wholeLog(store)).toStrictEqual(events);
      const { events: page, oldest } = await firstValueFrom(
        store.read({ epoch: store.epoch, sequence: 3 }, 4),
      );
      expect(page).toStrictEqual(events.slice(3, 7));
      expect(page.every((event) => Object.isFrozen(event.instance))).toBe(true);
      expect(oldest).toBe(1);
    });

    test('has nothing after its end', async () => {
      const store = await opened();
      const last = await commit(store, created('a'));
      expect(await firstValueFrom(store.read(last, 10))).toStrictEqual({ events: [], oldest: 1 });
    });

    test.each([
      ['of another epoch', { epoch: 'another', sequence: 1 }],
      ['beyond its end', { sequence: 3 }],
      ['before its beginning', { sequence: -1 }],
      ['that is no whole number', { sequence: 0.5 }],
      ['that is no number', { sequence: NaN }],
    ])('goes on from no place %s', async (_, place) => {
      const store = await opened();
      await commit(store, created('a'));
      await commit(store, updated('a', 2));
      const cursor = { epoch: store.epoch, ...place };
      const error = await failureOf(store.read(cursor, 10));
      expect(error).toMatchObject({ _tag: 'CursorExpired', cursor, oldest: 1, epoch: store.epoch });
    });

    test('keeps so many events and no more', async () => {
      const store = await opened({ retention: { ...defaultRetention, maxEvents: 3 } });
      for (let revision = 1; revision <= 10; revision += 1) await commit(store, updated('a', revision));
      const error = (await failureOf(store.read({ epoch: store.epoch, sequence: 6 }, 10))) as CursorExpired;
      expect(error).toMatchObject({ _tag: 'CursorExpired', oldest: 8 });
      const log = await wholeLog(store, error.oldest - 1);
      expect(log.map(({ sequence }) => sequence)).toStrictEqual([8, 9, 10]);
    });

    test('keeps so many events of many that are kept together', async () => {
      const store = await opened({ retention: { ...defaultRetention, maxEvents: 3 } });
      const changes = Array.from({ length: 10 }, (_, index) => store.commit(updated('a', index)));
      await lastValueFrom(merge(...changes));
      const { events, oldest } = await firstValueFrom(store.read({ epoch: store.epoch, sequence: 7 }, 10));
      expect([events.length, oldest]).toStrictEqual([3, 8]);
    });

    test('keeps so many bytes and no more, but for the last event', async () => {
      const maxBytes = 10_000;
      const store = await opened({ retention: { ...defaultRetention, maxBytes } });
      const withEnv = (revision: number, length: number): CausedChange => {
        const change = updated('a', revision);
        const spec = { ...anInstance().spec, env: { TEXT: String(revision).padEnd(length, 'x') } };
        return { ...change, instance: { ...change.instance, spec } } as CausedChange;
      };
      for (let revision = 1; revision <= 20; revision += 1) await commit(store, withEnv(revision, 1_000));
      const kept = async (): Promise<readonly number[]> => {
        const { oldest } = (await failureOf(
          store.read({ epoch: store.epoch, sequence: 0 }, 1),
        )) as CursorExpired;
        return (await wholeLog(store, oldest - 1)).map(({ sequence }) => sequence);
      };
      const many = await kept();
      expect(many.at(-1)).toBe(20);
      expect(many.length).toBeGreaterThan(4);
      expect(many.length).toBeLessThan(10);
      await commit(store, withEnv(21, 2 * maxBytes));
      expect(await kept()).toStrictEqual([21]);
      await commit(store, withEnv(22, 1));
      expect(await kept()).toStrictEqual([22]);
    });

    test('keeps no event beyond its age, but for the last', async () => {
      let now = 0;
      const store = await opened({
        retention: { ...defaultRetention, maxEvents: 100, maxAgeMs: 10 },
        now: () => now,
      });
      for (now of [0, 1, 2, 11, 12]) await commit(store, updated('a', now));
      const { oldest } = await firstValueFrom(store.read({ epoch: store.epoch, sequence: 2 }, 10));
      expect(oldest).toBe(3);
      now = 1_000;
      await commit(store, updated('a', now));
      const { events } = await firstValueFrom(store.read({ epoch: store.epoch, sequence: 5 }, 10));
      expect(events.map(({ sequence }) => sequence)).toStrictEqual([6]);
      expect(await failureOf(store.read({ epoch: store.epoch, sequence: 4 }, 10))).toMatchObject({
        oldest: 6,
      });
    });
  });

  describe('cursors', () => {
    test('of each consumer the last is remembered', async () => {
      const store = await opened();
      await done(store.saveCursor('mine', 3));
      await done(store.saveCursor('yours', 5));
      await done(store.saveCursor('mine', 4));
      expect(await firstValueFrom(store.loadCursor('mine'))).toBe(4);
      expect(await firstValueFrom(store.loadCursor('yours'))).toBe(5);
      expect(await firstValueFrom(store.loadCursor('theirs'))).toBeUndefined();
    });
  });

  describe('what controllers remember', () => {
    const remembered = async (store: Store, controller: string): Promise<unknown> =>
      Object.fromEntries(await firstValueFrom(store.loadRuntime(controller)));

    test('is theirs alone, by instance', async () => {
      const store = await opened();
      for (const name of ['a', 'b']) await commit(store, created(name));
      await done(store.saveRuntime('one', idOf('a'), { attempts: [1, null] }));
      await done(store.saveRuntime('one', idOf('b'), 'text'));
      await done(store.saveRuntime('two', idOf('a'), 0));
      await done(store.saveRuntime('one', idOf('a'), { attempts: [2] }));
      expect(await remembered(store, 'one')).toStrictEqual({
        [idOf('a')]: { attempts: [2] },
        [idOf('b')]: 'text',
      });
      expect(await remembered(store, 'two')).toStrictEqual({ [idOf('a')]: 0 });
      expect(await remembered(store, 'three')).toStrictEqual({});
    });

    test('does not change with the value that was handed over', async () => {
      const store = await opened();
      await commit(store, created('a'));
      const value = { attempts: [1] };
      await done(store.saveRuntime('one', idOf('a'), value));
      value.attempts.push(2);
      expect(await remembered(store, 'one')).toStrictEqual({ [idOf('a')]: { attempts: [1] } });
    });

    test('is forgotten on request', async () => {
      const store = await opened();
      await commit(store, created('a'));
      await done(store.saveRuntime('one', idOf('a'), 1));
      await done(store.saveRuntime('one', idOf('a'), undefined));
      await done(store.saveRuntime('two', idOf('a'), undefined));
      expect(await remembered(store, 'one')).toStrictEqual({});
    });

    test('goes with the instance, whatever is asked for in the same breath', async () => {
      const store = await opened();
      await commit(store, created('a'));
      await Promise.all([
        done(store.saveRuntime('one', idOf('a'), 1)),
        commit(store, deleted('a')),
        done(store.saveRuntime('one', idOf('a'), 2)),
        done(store.saveRuntime('one', idOf('never'), 3)),
      ]);
      await commit(store, created('a'));
      expect(await remembered(store, 'one')).toStrictEqual({});
    });
  });

  describe("records of a table that is no instance's", () => {
    const list = async (store: Store, table: string): Promise<unknown> => [
      ...(await firstValueFrom(store.loadRecords(table))),
    ];
    const odd = ['webhooks', 'constructor'] as const;

    test('are listed by key, each table its own, until they are taken away', async () => {
      const store = await opened();
      for (const key of ['b', 'a', '~', 'a/b']) await done(store.saveRecord('webhooks', key, { of: key }));
      await done(store.saveRecord('webhook', 'z', 1));
      await done(store.saveRecord('webhooks', 'a', null));
      await done(store.saveRecord('webhooks', 'b', undefined));
      await done(store.saveRecord('webhooks', 'never', undefined));
      expect(await list(store, 'webhooks')).toStrictEqual([
        ['a', null],
        ['a/b', { of: 'a/b' }],
        ['~', { of: '~' }],
      ]);
      expect(await list(store, 'webhook')).toStrictEqual([['z', 1]]);
      expect(await list(store, 'none')).toStrictEqual([]);
      expect(await firstValueFrom(store.loadRecord('webhooks', '~'))).toStrictEqual({ of: '~' });
      expect(await firstValueFrom(store.loadRecord('webhooks', 'b'))).toBeUndefined();
    });

    test('do not change with the value that was handed over', async () => {
      const store = await opened();
      const value = { urls: ['one'] };
      await done(store.saveRecord('webhooks', 'a', value));
      value.urls.push('two');
      expect(await list(store, 'webhooks')).toStrictEqual([['a', { urls: ['one'] }]]);
      const kept = (await firstValueFrom(store.loadRecord('webhooks', 'a'))) as typeof value;
      expect(Object.isFrozen(kept.urls)).toBe(true);
    });

    test.each(odd)('are at most 10000 in a table, such as %s', async (table) => {
      const store = await opened();
      const all = Array.from({ length: 10_000 }, (_each, index) => store.saveRecord(table, String(index), 0));
      await lastValueFrom(merge(...all), { defaultValue: undefined });
      const more = store.saveRecord(table, 'more', 0);
      const reason = `the table ${table} is full: it has 10000 records`;
      expect(await failureOf(more)).toMatchObject({ _tag: 'StoreFailed', reason });
      await done(store.saveRecord(table, '0', 1));
      await done(store.saveRecord('other', 'more', 0));
      await done(store.saveRecord(table, '0', undefined));
      await done(more);
      expect(await failureOf(store.saveRecord(table, 'most', 0))).toMatchObject({ reason });
    });

    test('are set aside where their owner finds fault with them as they are then', async () => {
      const store = await opened();
      const faults = [{ path: 'url', found: 'nothing', expected: 'a text' }];
      const faultsOf = (value: unknown): typeof faults => (value === 'good' ? [] : faults);
      await done(store.saveRecord('webhooks', 'a', 'bad'));
      await done(store.saveRecord('webhooks', 'b', 'good'));
      for (const key of ['a', 'b', 'c']) await done(store.setAsideRecord('webhooks', key, faultsOf));
      expect(await list(store, 'webhooks')).toStrictEqual([['b', 'good']]);
    });
  });

  describe('snapshots', () => {
    test('are kept, oldest first, until they are taken away', async () => {
      const store = await opened();
      const [one, two, three] = [
        aSnapshot({ id: idOf('one'), createdAt: 1, name: 'nightly' }),
        aSnapshot({ id: idOf('two'), createdAt: 2, data: null }),
        aSnapshot({ id: idOf('three'), createdAt: 3, kind: 'Standby' }),
      ];
      for (const each of [one, two, three]) await commit(store, snapshotTaken(each));
      await commit(store, snapshotGone(two));
      await commit(store, snapshotGone(two));
      const { snapshots } = await firstValueFrom(store.load());
      expect(snapshots).toStrictEqual([one, three]);
      expect(snapshots.every((each) => Object.isFrozen(each.spec))).toBe(true);
    });

    test('are taken and deleted by an event, which changes nothing of the instance', async () => {
      const store = await opened();
      const spec = { driver: 'memory', image: 'x'.repeat(5_000), env: {}, tags: {} };
      const snapshot = aSnapshot({ spec });
      await commit(store, created('a'));
      const { instances } = await firstValueFrom(store.load());
      await done(store.saveRuntime('one', idOf('a'), 1));
      const told = [
        await commit(store, snapshotTaken(snapshot)),
        await commit(store, snapshotGone(snapshot)),
      ];
      expect(told.map(({ action, snapshot: of }) => [action, of])).toStrictEqual([
        ['create_snapshot', snapshot],
        ['delete_snapshot', snapshot],
      ]);
      expect((await firstValueFrom(store.load())).instances).toStrictEqual(instances);
      expect((await firstValueFrom(store.loadRuntime('one'))).size).toBe(1);
      expect(await wholeLog(store, 1)).toStrictEqual(told);
    });

    test('outlive their instance', async () => {
      const store = await opened();
      await commit(store, created('a'));
      await commit(store, snapshotTaken(aSnapshot()));
      await commit(store, deleted('a'));
      expect((await firstValueFrom(store.load())).snapshots).toHaveLength(1);
    });
  });

  describe('requests', () => {
    const known = (store: Store, requestId: string, by = 'caller'): Promise<unknown> =>
      firstValueFrom(store.loadRequest(by, requestId));
    const { outcome: _, ...asked } = aRequest('one');
    const named = (change: CausedChange, requestId = 'one'): CausedChange => ({
      ...change,
      cause: { by: 'caller', requestId },
    });

    test('are not known before they are remembered', async () => {
      const store = await opened();
      void store.saveRequest(aRequest('one'));
      expect(await known(store, 'one')).toBeUndefined();
    });

    test('are remembered with the instance of their event, deeply frozen', async () => {
      const store = await opened();
      const { instance } = await firstValueFrom(store.commit(named(created('a')), asked));
      await commit(store, updated('a', 2));
      const request = (await firstValueFrom(store.loadRequest('caller', 'one'))) as ConcludedRequest;
      expect(request).toStrictEqual({ ...asked, outcome: { instance } });
      expect(Object.isFrozen((request.outcome as { readonly instance: Instance }).instance.spec)).toBe(true);
    });

    test('are remembered with what was deleted, as it last was', async () => {
      const store = await opened();
      const { last } = await firstValueFrom(store.commit(named(deletedWithLast('a')), asked));
      expect(await known(store, 'one')).toStrictEqual({ ...asked, outcome: { instance: last } });
    });

    test('are remembered with the snapshot that was taken or deleted', async () => {
      const store = await opened();
      const snapshot = aSnapshot();
      const askedFor = (requestId: string): AskedRequest => ({ ...asked, requestId });
      await firstValueFrom(store.commit(named(snapshotTaken(snapshot), 'taken'), askedFor('taken')));
      await firstValueFrom(store.commit(named(snapshotGone(snapshot), 'gone'), askedFor('gone')));
      for (const name of ['taken', 'gone'])
        expect(await known(store, name)).toStrictEqual({ ...askedFor(name), outcome: { snapshot } });
      expect((await firstValueFrom(store.load())).snapshots).toStrictEqual([]);
    });

    test('are remembered where no event came of them: with an instance, a failure', async () => {
      const store = await opened();
      const cause = new Error('the disk is gone');
      const error = new DriverFailed({ instanceId: idOf('a'), verb: 'stop' }, { cause });
      await done(store.saveRequest(aRequest('noop')));
      await done(store.saveRequest(aRequest('failed', { outcome: { error } })));
      expect(await known(store, 'noop')).toStrictEqual(aRequest('noop'));
      const { outcome } = (await known(store, 'failed')) as { readonly outcome: { readonly error: Error } };
      expect(outcome.error).toStrictEqual(error);
      expect(outcome.error.cause).toStrictEqual(cause);
    });

    test('have names that are theirs who asked, of any sign there is', async () => {
      const store = await opened();
      const odd = '/a//b/~'.padEnd(128, '"');
      const [by, longest] = ['yours', 'z'.repeat(64)];
      await done(store.saveRequest(aRequest(odd)));
      await done(store.saveRequest(aRequest('one', { by })));
      await done(store.saveRequest(aRequest(odd, { by: longest, fingerprint: 'another' })));
      expect(await known(store, odd)).toStrictEqual(aRequest(odd));
      expect(await known(store, odd, longest)).toMatchObject({ by: longest, fingerprint: 'another' });
      expect(await known(store, 'one', by)).toMatchObject({ by });
      expect(await known(store, 'one')).toBeUndefined();
    });

    test('of one name the last is remembered', async () => {
      const store = await opened();
      await firstValueFrom(store.commit(named(created('a')), asked));
      await done(store.saveRequest(aRequest('one', { fingerprint: 'later' })));
      expect(await known(store, 'one')).toMatchObject({ fingerprint: 'later' });
    });

    test('are forgotten with their event, or where they have none, with the next', async () => {
      const store = await opened({ retention: { ...defaultRetention, maxEvents: 2 } });
      await firstValueFrom(store.commit(named(created('a')), asked));
      await done(store.saveRequest(aRequest('noop')));
      const both = async (): Promise<readonly boolean[]> =>
        (await Promise.all(['one', 'noop'].map((name) => known(store, name)))).map((it) => it !== undefined);
      expect(await both()).toStrictEqual([true, true]);
      await commit(store, updated('a', 2));
      expect(await both()).toStrictEqual([true, true]);
      await commit(store, updated('a', 3));
      expect(await both()).toStrictEqual([false, true]);
      await commit(store, updated('a', 4));
      expect(await both()).toStrictEqual([false, false]);
    });

    test('are at most as many as events, also when no event comes', async () => {
      const store = await opened({ retention: { ...defaultRetention, maxEvents: 3 } });
      for (let count = 1; count <= 5; count += 1) await done(store.saveRequest(aRequest(String(count))));
      const names = ['1', '2', '3', '4', '5'];
      const left = await Promise.all(names.map((name) => known(store, name)));
      expect(left.map((it) => it !== undefined)).toStrictEqual([false, false, true, true, true]);
    });

    test('take from the bytes of the log, also when no event comes', async () => {
      const store = await opened({ retention: { ...defaultRetention, maxBytes: 20_000 } });
      await commit(store, created('a'));
      const large = new LaunchFailed({ reason: 'x'.repeat(1_000) });
      const names = Array.from({ length: 40 }, (_each, index) => String(index));
      for (const name of names) await done(store.saveRequest(aRequest(name, { outcome: { error: large } })));
      const left = await Promise.all(names.map((name) => known(store, name)));
      const count = left.filter((it) => it !== undefined).length;
      expect(count).toBeGreaterThan(4);
      expect(count).toBeLessThan(20);
      expect(left.at(-1)).toBeDefined();
    });
  });

  test('completes when it is closed, after what is under way', async () => {
    const store = await opened();
    const told: string[] = [];
    store.commit(created('a')).subscribe(() => told.push('committed'));
    await done(store.close());
    expect(told).toStrictEqual(['committed']);
  });

  test('is a map and a list', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 20 }),
        async (steps, maxEvents) => {
          const store = await opened({ retention: { ...defaultRetention, maxEvents } });
          const model = new Model(maxEvents);
          // Without waiting: what follows is asked for while what came before is under way.
          await Promise.all(
            steps.map((each) => lastValueFrom(each(store, model), { defaultValue: undefined })),
          );
          expect(await seenOf(store, model.oldest)).toStrictEqual(model.seen());
          await done(store.close());
        },
      ),
      { numRuns: 30 },
    );
  });
}
