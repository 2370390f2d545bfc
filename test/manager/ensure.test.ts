import { type CreateRequest, type Instance, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { defer, filter, firstValueFrom, mergeMap, NEVER, type Observable, Subject } from 'rxjs';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let driver: MemoryDriver;
/** What launches of the driver wait for. */
let gate$: Observable<unknown> | undefined;
let broken: Error | undefined;
let manager: InstanceManager;
let told: string[];

beforeEach(async () => {
  gate$ = undefined;
  broken = undefined;
  driver = createMemoryDriver({
    fail: (operation) => (['launch', 'inspect', 'adopt'].includes(operation) ? broken : undefined),
  });
  const launch: MemoryDriver['launch'] = (plan) =>
    gate$ === undefined ? driver.launch(plan) : gate$.pipe(mergeMap(() => driver.launch(plan)));
  manager = await openManager({ drivers: [{ ...driver, launch }] });
  told = [];
  manager
    .events('test')
    .subscribe(({ action, instance, last, cause }) =>
      told.push(`${action} ${(instance ?? last)?.name ?? ''} by ${cause.by}`),
    );
});
afterEach(() => manager.close({ stopInstances: true }));

const web: CreateRequest = { name: 'web', image: 'any' };

describe('ensure', () => {
  it('waits for a creation of that name that is under way, and is told what came of it', async () => {
    const open$ = new Subject<void>();
    gate$ = open$;
    const created = value(manager.create(web));
    const ensured = value(manager.ensure(web));
    open$.next();
    expect((await ensured).id).toBe((await created).id);
    expect(told).toEqual(['create web by caller']);
  });

  it('creates it itself where the creation that was under way fails', async () => {
    const open$ = new Subject<void>();
    gate$ = open$;
    const created = value(manager.create(web)).catch(
      (error: unknown) => (error as { readonly _tag: string })._tag,
    );
    const ensured = value(manager.ensure(web));
    gate$ = undefined;
    open$.error(new Error('no machine'));
    await expect(created).resolves.toBe('LaunchFailed');
    await expect(ensured).resolves.toMatchObject({ name: 'web', state: 'Running' });
    expect(told).toEqual(['create web by caller']);
  });

  it('creates anew what is deleted while it waits for its turn, once for all who wait', async () => {
    const { id } = await value(manager.create(web));
    await value(manager.stop(id));
    const open$ = new Subject<void>();
    gate$ = open$;
    const started = value(manager.start(id));
    const first = value(manager.ensure(web));
    const deleted = value(manager.delete(id));
    const [second, third] = [value(manager.ensure(web)), value(manager.ensure(web))];
    gate$ = undefined;
    open$.next();
    await Promise.all([started, deleted]);
    expect((await first).id).toBe(id);
    const anew = await second;
    expect(anew.id).not.toBe(id);
    expect((await third).id).toBe(anew.id);
    expect(driver.running()).toEqual([anew.id]);
  });

  it('gives its name to nobody else between the two steps of a replacement', async () => {
    await value(manager.create(web));
    let stolen: unknown;
    manager
      .events('thief')
      .pipe(
        filter(({ action }) => action === 'delete'),
        mergeMap(() => manager.create({ name: 'web', image: 'stolen' })),
      )
      .subscribe({ error: (error: unknown) => (stolen = error) });
    const anew = await value(manager.ensure({ ...web, image: 'new' }, { replace: true }));
    expect(stolen).toMatchObject({ _tag: 'NameTaken' });
    expect(anew.spec.image).toBe('new');
    await expect(value(manager.list())).resolves.toHaveLength(1);
  });

  it('replaces once for two who ask for the same at once', async () => {
    await value(manager.create(web));
    const blue = { ...web, image: 'blue' };
    const all = await Promise.all([1, 2].map(() => value(manager.ensure(blue, { replace: true }))));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(told.map((event) => event.split(' ')[0])).toEqual(['create', 'delete', 'create']);
  });

  it('finishes a replacement that has begun, whoever still listens', async () => {
    await value(manager.create(web));
    const open$ = new Subject<void>();
    gate$ = open$;
    manager
      .ensure({ ...web, image: 'blue' }, { replace: true })
      .subscribe()
      .unsubscribe();
    open$.next();
    await expect(value(manager.waitForState('web', 'Running'))).resolves.toMatchObject({
      instance: { spec: { image: 'blue' } },
    });
  });

  it('is taken out of the queue by its signal, and by who unsubscribes', async () => {
    const { id } = await value(manager.create(web));
    await value(manager.stop(id));
    const open$ = new Subject<void>();
    gate$ = open$;
    const started = value(manager.start(id));
    const stopped = value(manager.stop(id));
    const aborting = new AbortController();
    const ensured = value(manager.ensure(web, { signal: aborting.signal }));
    const left = manager.ensure(web).subscribe();
    aborting.abort(new Error('enough'));
    left.unsubscribe();
    await expect(ensured).rejects.toThrow('enough');
    open$.next();
    await Promise.all([started, stopped]);
    expect(told.at(-1)).toBe('stop web by caller');
  });

  it('bounds its launch by timeoutMs, and leaves nothing of it', async () => {
    gate$ = NEVER;
    await expect(value(manager.ensure(web, { timeoutMs: 1 }))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      reason: 'timeout',
    });
    expect(driver.homes()).toEqual([]);
    await expect(value(manager.list())).resolves.toEqual([]);
  });

  it('tells by whom it was asked for, also of what it deletes', async () => {
    await value(manager.ensure(web, { by: 'deployer' }));
    await value(manager.ensure({ ...web, image: 'new' }, { by: 'deployer', replace: true }));
    expect(told).toEqual(['create', 'delete', 'create'].map((action) => `${action} web by deployer`));
  });

  it('asks the driver of one that is Unknown, and goes by what that tells', async () => {
    const { id } = await value(manager.ensure(web));
    driver.machine(id).lose('gone');
    await expect(value(manager.get(id))).resolves.toMatchObject({ state: 'Unknown' });
    broken = new Error('no answer');
    await expect(value(manager.ensure(web))).rejects.toMatchObject({
      _tag: 'InvalidState',
      state: 'Unknown',
      verb: 'ensure',
    });
    broken = undefined;
    await expect(value(manager.ensure(web))).resolves.toMatchObject({ id, state: 'Running' });
  });

  it('is measured once, under its own name, however often it looked', async () => {
    const measured: string[] = [];
    manager.measurements$.subscribe((one) => {
      if (one.kind === 'verb') measured.push(`${one.verb} ${one.result}`);
    });
    await value(manager.ensure(web));
    await Promise.all([
      value(manager.delete('web')),
      value(manager.ensure(web)),
      value(manager.ensure({ ...web, image: 'other' })).catch(() => undefined),
    ]);
    expect(measured).toEqual(['ensure ok', 'delete ok', 'ensure ok', 'ensure InvalidState']);
  });
});

describe('what differs', () => {
  const differing = (kept: object, asked: object): Promise<string> =>
    value(manager.create({ ...web, ...kept }))
      .then(() => value(manager.ensure({ ...web, ...asked })))
      .then(
        () => 'nothing',
        (error: unknown) => /\((.*)\)/.exec((error as { readonly remedy: string }).remedy)?.[1] ?? '?',
      );

  it.each([
    ['no variables and none', { env: {} }, {}],
    ['a time without end and none', { runTimeoutMs: 0 }, {}],
    ['the grace that is the default and none', {}, { stopGraceMs: 5_000 }],
    ['no ports and none', { ports: [] }, {}],
    [
      'a free port and a port',
      { ports: [{ guest: 80, host: 0, wake: 'standby' }] },
      { ports: [{ guest: 80 }] },
    ],
    ['the policy never and none', {}, { restartPolicy: { policy: 'never' } }],
    [
      'a policy and the same with its defaults',
      { restartPolicy: { policy: 'always' } },
      { restartPolicy: { policy: 'always', backoffMs: 5_000 } },
    ],
    ['auto-standby that is off and none', { autoStandby: { enabled: false } }, {}],
    ['another order of keys', { tags: { a: '1', b: '2' } }, { tags: { b: '2', a: '1' } }],
    ['the driver by its name and the only one', {}, { driver: 'memory' }],
    ['a time to live, which counts from the creation on', { ttlMs: 60_000 }, { ttlMs: 90_000 }],
  ])('is nothing between %s', async (_, kept, asked) => {
    await expect(differing(kept, asked)).resolves.toBe('nothing');
  });

  it.each([
    ['env', { env: { A: '1' } }, { env: { A: '2' } }],
    ['tags', { tags: { A: '1' } }, {}],
    ['runTimeoutMs', {}, { runTimeoutMs: 10_000 }],
    ['ports', { ports: [{ guest: 80 }] }, { ports: [{ guest: 80, wake: 'never' }] }],
    ['restartPolicy', {}, { restartPolicy: { policy: 'always' } }],
    ['autoStandby', {}, { autoStandby: { enabled: true, idleTimeoutMs: 1_000 } }],
    ['expiresAt', {}, { ttlMs: 60_000 }],
    ['expiresAt', { ttlMs: 60_000 }, {}],
    ['image, stopGraceMs', { stopGraceMs: 1 }, { image: 'other' }],
  ])('is %s', async (fields, kept, asked) => {
    await expect(differing(kept, asked)).resolves.toBe(fields);
  });
});

it('replaces nothing more after a replacement whose launch failed: there is none, and the next call creates one', async () => {
  await value(manager.create(web));
  broken = new Error('no machine');
  const blue = { ...web, image: 'blue' };
  await expect(value(defer(() => manager.ensure(blue, { replace: true })))).rejects.toMatchObject({
    _tag: 'LaunchFailed',
  });
  await expect(value(manager.list())).resolves.toEqual([]);
  broken = undefined;
  const { spec }: Instance = await value(manager.ensure(blue));
  expect(spec.image).toBe('blue');
});
