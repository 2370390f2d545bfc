import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, mergeMap, type Observable, Subject } from 'rxjs';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const who = { by: 'deployer', reason: 'new_version', traceparent };

let driver: MemoryDriver;
let launch: MemoryDriver['launch'];
let manager: InstanceManager;
let causes: unknown[];

beforeEach(async () => {
  driver = createMemoryDriver();
  ({ launch } = driver);
  manager = await openManager({ drivers: [{ ...driver, launch: (plan) => launch(plan) }] });
  causes = [];
  manager.events('test').subscribe(({ action, cause }) => causes.push([action, cause]));
});
afterEach(() => manager.close({ stopInstances: true }));

const create = (name = 'web') => value(manager.create({ name, image: 'any' }));

it('whoever says who they are is the cause of what comes of it, of every verb', async () => {
  await value(manager.create({ name: 'web', image: 'any' }, who));
  await value(manager.update('web', { tags: { a: 'b' } }, who));
  await value(manager.standby('web', who));
  await value(manager.fork('web', { name: 'fork', targetState: 'Stopped' }, who));
  await value(manager.restore('web', who));
  await value(manager.restart('web', who));
  await value(manager.stop('web', who));
  const { id } = await value(manager.createSnapshot('web', { kind: 'Stopped' }, who));
  await value(manager.forkSnapshot(id, { name: 'again', targetState: 'Stopped' }, who));
  await value(manager.restoreSnapshot('web', id, { targetState: 'Stopped' }, who));
  await value(manager.start('web', {}, who));
  await value(manager.delete('web', who));
  const actions = [
    ...['create', 'update', 'standby', 'fork', 'restore', 'stop', 'start', 'stop'],
    ...['create_snapshot', 'fork', 'restore', 'start', 'delete'],
  ];
  expect(causes).toEqual(actions.map((action) => [action, who]));
});

it('a run is caused by whoever runs it, to its end', async () => {
  const outcome = value(manager.run({ name: 'job', image: 'any' }, who));
  const { instance } = await value(manager.waitForState('job', 'Running'));
  driver.machine(instance.id).exit({ code: 0, signal: null });
  await outcome;
  expect(causes).toEqual([
    ['create', who],
    ['exit', { by: 'machine' }],
    ['delete', who],
  ]);
});

it.each<[string, () => Observable<unknown>]>([
  ['update', () => manager.update('web', { tags: { a: 'b' } }, { expectedRevision: 7 })],
  ['start', () => manager.start('web', {}, { expectedRevision: 7 })],
  ['stop', () => manager.stop('web', { expectedRevision: 7 })],
  ['standby', () => manager.standby('web', { expectedRevision: 7 })],
  ['restore', () => manager.restore('web', { expectedRevision: 7 })],
  ['restart', () => manager.restart('web', { expectedRevision: 7 })],
  ['delete', () => manager.delete('web', { expectedRevision: 7 })],
  ['fork', () => manager.fork('web', { name: 'fork', fromRunning: true }, { expectedRevision: 7 })],
  ['createSnapshot', () => manager.createSnapshot('web', { kind: 'Standby' }, { expectedRevision: 7 })],
])('%s on another revision than is expected is a conflict, and changes nothing', async (_, call) => {
  const { id } = await create();
  await expect(value(call())).rejects.toMatchObject({
    ...{ _tag: 'Conflict', instanceId: id, revision: 1, expectedRevision: 7 },
  });
  expect(causes).toHaveLength(1);
});

it('a verb on the revision that is expected is done', async () => {
  await create();
  await expect(value(manager.stop('web', { expectedRevision: 1 }))).resolves.toMatchObject({ revision: 2 });
});

it('a verb that waits for its turn is left out when its signal aborts; one that has begun runs to its end', async () => {
  await create();
  await value(manager.stop('web'));
  const go$ = new Subject<void>();
  launch = (plan) => go$.pipe(mergeMap(() => driver.launch(plan)));
  const controller = new AbortController();
  const { signal } = controller;
  const started = value(manager.start('web', {}, { signal }));
  const updated = value(manager.update('web', { tags: { a: 'b' } }, { signal }));
  controller.abort(new Error('enough'));
  await expect(started).rejects.toThrow('enough');
  await expect(updated).rejects.toThrow('enough');
  go$.next();
  await expect(value(manager.waitForState('web', 'Running'))).resolves.toMatchObject({ state: 'Running' });
  expect(causes.map((each) => (each as readonly unknown[])[0])).toEqual(['create', 'stop', 'start']);
});

it('a verb whose signal has aborted before is not begun', async () => {
  await create();
  await expect(value(manager.stop('web', { signal: AbortSignal.abort('late') }))).rejects.toBe('late');
  await expect(value(manager.get('web'))).resolves.toMatchObject({ state: 'Running' });
});

describe('a launch that does not end', () => {
  let launched$: Subject<never>;

  beforeEach(async () => {
    await create();
    await value(manager.stop('web'));
    launched$ = new Subject();
    launch = () => launched$;
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
    ({ launch } = driver);
  });

  it.each<[string, number, () => Observable<unknown>]>([
    ['the time that it was given', 1_000, () => manager.start('web', {}, { timeoutMs: 1_000 })],
    ['five minutes', 300_000, () => manager.start('web')],
    ['its time', 1_000, () => manager.create({ name: 'new', image: 'any' }, { timeoutMs: 1_000 })],
  ])('fails after %s, and is undone', async (_, ms, call) => {
    const before = await value(manager.list());
    let failure: unknown;
    call().subscribe({ error: (error: unknown) => (failure = error) });
    await jest.advanceTimersByTimeAsync(ms - 1);
    expect(failure).toBeUndefined();
    await jest.advanceTimersByTimeAsync(1);
    expect(failure).toMatchObject({ _tag: 'LaunchFailed', reason: 'timeout' });
    expect(await value(manager.list())).toEqual(before);
  });

  it('may take as long as it likes where that is asked for', async () => {
    let isOver = false;
    const started = manager.start('web', {}, { timeoutMs: 0 }).subscribe({ error: () => (isOver = true) });
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect([isOver, jest.getTimerCount()]).toEqual([false, 0]);
    started.unsubscribe();
    launched$.error(new Error('it was given up'));
  });
});

it.each<[string, object, string]>([
  ['by', { by: 'Not a word' }, "by: found 'Not a word', expected a lower-case letter"],
  ['by of the manager', { by: 'machine' }, "by: found 'machine', expected a lower-case letter"],
  ['reason', { reason: '' }, "reason: found '', expected a lower-case letter"],
  ['traceparent', { traceparent: '00-1-2-3' }, 'expected a traceparent of W3C Trace Context'],
  ['signal', { signal: 'stop' }, "signal: found 'stop', expected an AbortSignal"],
  ['expectedRevision', { expectedRevision: 0 }, 'expectedRevision: found 0'],
  ['what a stop has no use for', { timeoutMs: 1 }, 'timeoutMs: '],
])('options that cannot be understood are refused with their path: %s', async (_, options, message) => {
  await create();
  await expect(value(manager.stop('web', options))).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    message: expect.stringContaining(message) as string,
  });
});
