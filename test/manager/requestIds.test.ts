import fc from 'fast-check';
import { type Instance, type InstanceManager, openManager, type Snapshot } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { catchError, defer, firstValueFrom, mergeMap, type Observable, Subject, throwError } from 'rxjs';
import { StoreFailed } from '../../src/lifecycle/errors.js';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import type { Store } from '../../src/store/store.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);
const failureOf = (source$: Observable<unknown>): Promise<unknown> =>
  value(source$).then(
    () => 'no failure',
    (error: unknown) => error,
  );

const tagOf = (error: unknown): unknown => (error as { readonly _tag?: string })._tag;

let driver: MemoryDriver;
let broken: Map<string, Error>;
let launch: MemoryDriver['launch'];
let store: Store;
let manager: InstanceManager;
let told: (readonly [action: string, requestId: string | undefined])[];

/** Opens another manager of what the store holds, as after a kill. */
const open = async (): Promise<void> => {
  manager = await openManager({
    drivers: [{ ...driver, launch: (plan) => launch(plan) }],
    store,
  });
  told = [];
  manager.events('test').subscribe(({ action, cause }) => told.push([action, cause.requestId]));
};

beforeEach(async () => {
  broken = new Map();
  driver = createMemoryDriver({ standbyFrees: 'memory', fail: (operation) => broken.get(operation) });
  ({ launch } = driver);
  store = createMemoryStore();
  await open();
});
afterEach(() => manager.close({ stopInstances: true }));

const web = { name: 'web', image: 'any' };
const one = { requestId: 'one' };
const mismatch = { _tag: 'InvalidRequest', faults: [{ path: 'requestId' }] };

type Mutation = (options: { readonly requestId?: string; readonly by?: string }) => Observable<unknown>;
const cases: readonly [verb: string, given: () => Promise<unknown>, Mutation][] = [
  ['create', () => Promise.resolve(), (options) => manager.create(web, options)],
  ['ensure of what is not there', () => Promise.resolve(), (options) => manager.ensure(web, options)],
  ['ensure of what is Stopped', () => stoppedWeb(), (options) => manager.ensure(web, options)],
  ['ensure of what runs', () => running(), (options) => manager.ensure(web, options)],
  [
    'ensure of what is on Standby',
    () => running().then(() => value(manager.standby('web'))),
    (options) => manager.ensure(web, options),
  ],
  [
    'ensure that replaces',
    () => running(),
    (options) => manager.ensure({ ...web, image: 'other' }, { ...options, replace: true }),
  ],
  ['update', () => running(), (options) => manager.update('web', { tags: { a: 'b' } }, options)],
  ['start', () => stoppedWeb(), (options) => manager.start('web', {}, options)],
  ['stop', () => running(), (options) => manager.stop('web', options)],
  ['standby', () => running(), (options) => manager.standby('web', options)],
  [
    'restore',
    () => running().then(() => value(manager.standby('web'))),
    (options) => manager.restore('web', options),
  ],
  ['restart', () => running(), (options) => manager.restart('web', options)],
  ['restart of what is Stopped', () => stoppedWeb(), (options) => manager.restart('web', options)],
  ['delete', () => running(), (options) => manager.delete('web', options)],
  ['fork', () => running(), (options) => manager.fork('web', { name: 'fork', fromRunning: true }, options)],
  [
    'createSnapshot',
    () => running(),
    (options) => manager.createSnapshot('web', { kind: 'Standby' }, options),
  ],
  ['deleteSnapshot', () => taken(), (options) => manager.deleteSnapshot(snapshot.id, options)],
  ['forkSnapshot', () => taken(), (options) => manager.forkSnapshot(snapshot.id, { name: 'fork' }, options)],
  [
    'restoreSnapshot',
    () => taken(),
    (options) => manager.restoreSnapshot('web', snapshot.id, { targetState: 'Running' }, options),
  ],
];

let snapshot: Snapshot;
const running = (): Promise<Instance> => value(manager.create(web));
const stoppedWeb = async (): Promise<Instance> => {
  await running();
  return value(manager.stop('web'));
};
const taken = async (): Promise<void> => {
  await stoppedWeb();
  snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
};

describe.each(cases)('%s', (_, given, call) => {
  beforeEach(async () => {
    await given();
    told = [];
  });

  it('asked for again by the same request id is done once, and emits the same', async () => {
    const first = await value(call(one));
    const events = [...told];
    expect(await value(call(one))).toEqual(first);
    expect(told).toEqual(events);
    expect(events.map(([, requestId]) => requestId)).toEqual(events.map(() => 'one'));
  });

  it('asked for at the same moment by two is done once, and both are told', async () => {
    const [first, second] = await Promise.all([value(call(one)), value(call(one))]);
    expect(second).toEqual(first);
    expect(new Set(told.map(([action]) => action)).size).toBe(told.length);
  });

  it('is remembered by the next manager', async () => {
    const first = await value(call(one));
    await manager.close({ stopInstances: false });
    await open();
    expect(await value(call(one))).toEqual(first);
    expect(told).toEqual([]);
  });
});

describe('a request id', () => {
  it('is theirs who asked', async () => {
    await value(manager.create(web, { ...one, by: 'deployer' }));
    await expect(value(manager.create(web, one))).rejects.toMatchObject({ _tag: 'NameTaken' });
  });

  it.each<[string, Mutation]>([
    ['another verb', (options) => manager.delete('web', options)],
    ['another target', (options) => manager.create({ ...web, name: 'other' }, options)],
    ['another request', (options) => manager.create({ ...web, tags: { a: 'b' } }, options)],
  ])('of another request is refused: %s', async (_, call) => {
    await value(manager.create(web, one));
    await expect(failureOf(call(one))).resolves.toMatchObject(mismatch);
    await expect(value(manager.create(web, one))).resolves.toMatchObject({ name: 'web', revision: 1 });
  });

  it('of another request that is under way is refused', async () => {
    const go$ = new Subject<void>();
    launch = (plan) => go$.pipe(mergeMap(() => driver.launch(plan)));
    const first = value(manager.create(web, one));
    await expect(failureOf(manager.create({ ...web, name: 'b' }, one))).resolves.toMatchObject(mismatch);
    go$.next();
    await expect(first).resolves.toMatchObject({ name: 'web' });
  });

  it('with another expected revision is of another request', async () => {
    await running();
    const expecting = { ...one, expectedRevision: 1 };
    const first = await value(manager.stop('web', expecting));
    expect(await value(manager.stop('web', expecting))).toEqual(first);
    await expect(failureOf(manager.stop('web', one))).resolves.toMatchObject(mismatch);
  });

  it('stands for the same request in whatever order its keys are, and however it is bounded and traced', async () => {
    const first = await value(manager.create({ name: 'web', image: 'any', env: { A: '1', B: '2' } }, one));
    const again = { env: { B: '2', A: '1' }, tags: undefined, image: 'any', name: 'web' };
    const options = { ...one, timeoutMs: 5, reason: 'again' };
    expect(await value(manager.create(again as unknown as typeof web, options))).toEqual(first);
  });

  it.each(['', 'a b', 'ä', 'line\n', 'x'.repeat(129), 7])('is refused when it is %j', async (requestId) => {
    await expect(
      failureOf(manager.create(web, { requestId } as { readonly requestId: string })),
    ).resolves.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: 'requestId', expected: '1 to 128 printable characters of ASCII, without spaces' }],
    });
  });

  it('may be as long as 128 characters, slashes and quotes among them', async () => {
    const requestId = '/a"~!'.padEnd(128, '/');
    const first = await value(manager.create(web, { requestId }));
    expect(await value(manager.create(web, { requestId }))).toEqual(first);
  });

  it('is none of a run', async () => {
    await expect(failureOf(manager.run({ image: 'any' }, one as object))).resolves.toMatchObject(mismatch);
  });
});

describe('what is remembered', () => {
  it('that there was nothing to do', async () => {
    const first = await stoppedWeb();
    expect(await value(manager.stop('web', one))).toEqual(first);
    await value(manager.start('web'));
    expect(await value(manager.stop('web', one))).toEqual(first);
    expect(await value(manager.get('web'))).toMatchObject({ state: 'Running' });
  });

  it('is told by the name that was given, also when that is another instance by now', async () => {
    const first = await running();
    await value(manager.delete('web', one));
    const other = await running();
    expect(await value(manager.delete('web', one))).toEqual(first);
    expect(await value(manager.get('web'))).toEqual(other);
  });

  it('a failure of what had begun, with its cause', async () => {
    launch = () => throwError(() => new Error('no program'));
    const first = await failureOf(manager.create(web, one));
    expect(first).toMatchObject({ _tag: 'LaunchFailed' });
    ({ launch } = driver);
    const again = (await failureOf(manager.create(web, one))) as Error;
    expect(again).toStrictEqual(first);
    expect(again.cause).toStrictEqual((first as Error).cause);
    expect(await value(manager.list())).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>, Mutation, string, () => Promise<unknown>]>([
    [
      'what can not be understood',
      () => Promise.resolve(),
      (options) => manager.update('web', {}, options),
      'InstanceNotFound',
      running,
    ],
    [
      'an instance that is not there',
      () => Promise.resolve(),
      (options) => manager.stop('web', options),
      'InstanceNotFound',
      running,
    ],
    [
      'a name that is taken',
      running,
      (options) => manager.create(web, options),
      'NameTaken',
      () => value(manager.delete('web')),
    ],
    [
      'a state in which it is not allowed',
      stoppedWeb,
      (options) => manager.standby('web', options),
      'InvalidState',
      () => value(manager.start('web')),
    ],
    [
      'another revision',
      () => running(),
      (options) => manager.stop('web', { ...options, expectedRevision: 2 }),
      'Conflict',
      () => value(manager.update('web', { tags: { a: 'b' } })),
    ],
  ])('not a refusal: %s', async (_, given, call, tag, mended) => {
    await given();
    expect(tagOf(await failureOf(call(one)))).toBe(tag);
    await mended();
    expect(tagOf(await failureOf(call(one)))).not.toBe(tag);
  });

  it('not what the store refused to keep', async () => {
    const { commit } = store;
    store.commit = () => throwError(() => new StoreFailed({ reason: 'no room' }));
    await expect(failureOf(manager.create(web, one))).resolves.toMatchObject({ _tag: 'StoreFailed' });
    store.commit = commit;
    await expect(value(manager.create(web, one))).resolves.toMatchObject({ name: 'web' });
  });

  it('not what was refused, also for who asks again while that is told', async () => {
    const { commit } = store;
    store.commit = () => throwError(() => new StoreFailed({ reason: 'no room' }));
    launch = (plan) => defer(() => Promise.resolve()).pipe(mergeMap(() => driver.launch(plan)));
    const again$ = manager.create(web, one).pipe(
      catchError(() => {
        store.commit = commit;
        return manager.create(web, one);
      }),
    );
    await expect(value(again$)).resolves.toMatchObject({ name: 'web' });
  });

  it('a failure that comes after the change was kept: a machine that does not go on', async () => {
    await running();
    await value(manager.standby('web'));
    broken.set('thaw', new Error('stuck'));
    const first = await failureOf(manager.restore('web', one));
    expect(first).toMatchObject({ _tag: 'DriverFailed', verb: 'restore' });
    broken.clear();
    expect(await failureOf(manager.restore('web', one))).toStrictEqual(first);
    expect(told.slice(-2)).toEqual([
      ['restore', 'one'],
      ['update', 'one'],
    ]);
  });
});

describe('one of two who ask at the same moment', () => {
  let go$: Subject<void>;

  beforeEach(() => {
    go$ = new Subject();
    launch = (plan) => go$.pipe(mergeMap(() => driver.launch(plan)));
  });

  it('may go, by unsubscribing or by their signal, and the other is told', async () => {
    const controller = new AbortController();
    const first = value(manager.create(web, { ...one, signal: controller.signal }));
    const gone = manager.create(web, one).subscribe();
    const other = value(manager.create(web, one));
    controller.abort(new Error('enough'));
    gone.unsubscribe();
    await expect(first).rejects.toThrow('enough');
    go$.next();
    await expect(other).resolves.toMatchObject({ name: 'web', state: 'Running' });
  });

  it('may come when all have gone from what has begun: it is done, and remembered', async () => {
    manager.create(web, one).subscribe().unsubscribe();
    const later = value(manager.create(web, one));
    go$.next();
    const created = await later;
    expect(await value(manager.create(web, one))).toEqual(created);
    expect(told).toEqual([['create', 'one']]);
  });

  it('is told of what began and ended while nobody listened', async () => {
    manager.create(web, one).subscribe().unsubscribe();
    go$.next();
    await expect(value(manager.create(web, one))).resolves.toMatchObject({ revision: 1 });
    expect(told).toEqual([['create', 'one']]);
  });

  it('takes back what waits for its turn when all have gone', async () => {
    ({ launch } = driver);
    await stoppedWeb();
    launch = (plan) => go$.pipe(mergeMap(() => driver.launch(plan)));
    const started = value(manager.start('web'));
    manager
      .update('web', { tags: { a: 'b' } }, one)
      .subscribe()
      .unsubscribe();
    go$.next();
    await started;
    // In its turn, which would come after that of the update.
    expect((await value(manager.refresh('web'))).spec.tags).toEqual({});
    await expect(value(manager.update('web', { tags: { a: 'b' } }, one))).resolves.toMatchObject({
      spec: { tags: { a: 'b' } },
    });
  });
});

it.each(cases.filter(([verb]) => ![/Stopped$/, /what runs/].some((nothing) => nothing.test(verb))))(
  '%s is remembered by the change itself, so that no kill comes between, and nothing is written twice',
  async (_, given, call) => {
    await given();
    const { commit } = store;
    const named: string[] = [];
    store.commit = (change, request) => {
      if (request !== undefined) named.push(request.requestId);
      return commit(change, request);
    };
    store.saveRequest = () => throwError(() => new Error('written twice'));
    await value(call(one));
    expect(named).toEqual(['one']);
  },
);

it('whatever is asked for by few ids, in whatever order and however many at a time, is done once for each', async () => {
  const ids = ['x', 'y', 'z'] as const;
  const verbs = ['start', 'stop', 'standby', 'restore', 'restart'] as const;
  const step = fc.record({
    requestId: fc.constantFrom(...ids),
    verb: fc.constantFrom(...verbs),
    goes: fc.boolean(),
    turns: fc.integer({ min: 0, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const own = createMemoryDriver();
      const slow: MemoryDriver = {
        ...own,
        launch: (plan) => defer(() => Promise.resolve()).pipe(mergeMap(() => own.launch(plan))),
      };
      await using mine = await openManager({ drivers: [slow] });
      await value(mine.create(web));
      const seen: string[] = [];
      mine.events('test').subscribe(({ action, cause }) => seen.push(`${String(cause.requestId)} ${action}`));
      /** What each id came to, unless that was refused, and for which verb. */
      const outcomes = new Map<string, { readonly verb: string; readonly outcome: unknown }>();
      const asked: Promise<void>[] = [];
      for (const { requestId, verb, goes, turns } of steps) {
        const work$: Observable<Instance> =
          verb === 'start' || verb === 'restart'
            ? verb === 'start'
              ? mine.start('web', {}, { requestId })
              : mine.restart('web', { requestId })
            : mine[verb]('web', { requestId });
        if (goes) {
          work$.subscribe({ error: () => undefined }).unsubscribe();
        } else {
          asked.push(
            value(work$).then(
              (outcome) => {
                const known = outcomes.get(requestId);
                expect(known ?? { verb, outcome }).toEqual({ verb, outcome });
                outcomes.set(requestId, { verb, outcome });
              },
              (error: unknown) => {
                expect(['InvalidRequest', 'InvalidState']).toContain((error as Error).name);
              },
            ),
          );
        }
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      }
      await Promise.all(asked);
      expect(new Set(seen).size).toBe(seen.length);
    }),
    { numRuns: 150 },
  );
});
