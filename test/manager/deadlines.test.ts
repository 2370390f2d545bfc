import {
  type CreateRequest,
  type Driver,
  type Instance,
  type InstanceManager,
  type LaunchPlan,
  type LifecycleEvent,
  type Machine,
  openManager,
  type Store,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, map, NEVER, type Observable } from 'rxjs';
import { createMemoryStore } from '../../src/store/memoryStore.js';

const readiness = { kind: 'log', pattern: '^ready$', timeoutMs: 1_000 } as const;

let driver: MemoryDriver;
let store: Store;
let manager: InstanceManager;
let events: LifecycleEvent[];

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

/** What happened, and how runs ended. */
const told = (): readonly unknown[] =>
  events.map(({ action, instance }) =>
    action === 'exit' ? { action, ...instance.exit } : { action, state: instance?.state },
  );

const open = async (kept = createMemoryStore(), using: Driver = driver): Promise<void> => {
  store = kept;
  manager = await openManager({ drivers: [using], store });
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
};

const reopenAfter = async (ms: number): Promise<void> => {
  await manager.close({ stopInstances: false });
  jest.setSystemTime(Date.now() + ms);
  await open(store);
};

const create = (fields: Partial<CreateRequest>): Promise<Instance> =>
  value(manager.create({ name: 'web', image: 'any', ...fields }));

const pass = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);

const overdue = (timedOut: 'readiness' | 'run'): object => ({
  ...{ action: 'exit', code: null, signal: 'SIGTERM', timedOut },
});

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  driver = createMemoryDriver({ standbyFrees: 'memory' });
  await open();
});

afterEach(async () => {
  await manager.close({ stopInstances: true });
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

describe('an instance that has a time to become ready', () => {
  it('is stopped when it is over, and that is told as an exit which says so', async () => {
    const { readyBy, startedAt } = await create({ readiness });
    expect(readyBy).toBe((startedAt ?? 0) + 1_000);
    await pass(999);
    expect(told()).toEqual([{ action: 'create', state: 'Initializing' }]);
    await pass(1);
    expect(told()).toEqual([{ action: 'create', state: 'Initializing' }, overdue('readiness')]);
    const stopped = await value(manager.get('web'));
    expect(stopped.state).toBe('Stopped');
    expect(stopped).not.toHaveProperty('readyBy');
    expect(driver.running()).toEqual([]);
  });

  it('lives on when it is ready in time', async () => {
    const { id } = await create({ readiness });
    await pass(999);
    driver.machine(id).ready();
    await pass(60_000);
    expect(told().at(-1)).toEqual({ action: 'ready', state: 'Running' });
    expect(await value(manager.get('web'))).not.toHaveProperty('readyBy');
  });

  it('that can never be reached without a time waits for ever', async () => {
    await create({ readiness: { kind: 'log', pattern: '^ready$' } });
    await pass(10 * 86_400_000);
    expect((await value(manager.get('web'))).state).toBe('Initializing');
  });

  it('has all of it again with the next start, and no word is left of the last', async () => {
    await create({ readiness });
    await pass(1_000);
    const started = await value(manager.start('web'));
    expect(started).not.toHaveProperty('exit');
    await pass(999);
    expect((await value(manager.get('web'))).state).toBe('Initializing');
    await pass(1);
    expect(told().at(-1)).toEqual(overdue('readiness'));
  });

  it('is not stopped by the clock of a run before', async () => {
    await create({ readiness });
    await pass(900);
    await value(manager.restart('web'));
    await pass(900);
    expect((await value(manager.get('web'))).state).toBe('Initializing');
    await pass(100);
    expect((await value(manager.get('web'))).state).toBe('Stopped');
  });

  it('gets no more of it by a change', async () => {
    await create({ readiness });
    await pass(900);
    await value(manager.update('web', { tags: { team: 'a' } }));
    await pass(100);
    expect(told().at(-1)).toEqual(overdue('readiness'));
  });

  it('is not stopped when a look finds it ready, of which nobody was told', async () => {
    await manager.close({ stopInstances: true });
    const { launch } = driver;
    const deaf = (plan: LaunchPlan): Observable<Machine> =>
      launch(plan).pipe(map((machine) => ({ ...machine, signals$: NEVER })));
    await open(createMemoryStore(), { ...driver, launch: deaf });
    const { id } = await create({ readiness });
    driver.machine(id).ready();
    await pass(1_000);
    expect(told()).toEqual([
      { action: 'create', state: 'Initializing' },
      { action: 'ready', state: 'Running' },
    ]);
  });

  it('does not use it up while somebody has halted it', async () => {
    const { id } = await create({ readiness });
    driver.machine(id).halt();
    await value(manager.refresh('web'));
    await pass(60_000);
    expect(await value(manager.restore('web'))).toMatchObject({ state: 'Initializing' });
    await pass(999);
    expect((await value(manager.get('web'))).state).toBe('Initializing');
    await pass(1);
    expect(told().at(-1)).toEqual(overdue('readiness'));
  });

  it('has all of it when it came to Standby before it was ready, and goes on', async () => {
    await manager.close({ stopInstances: true });
    driver = createMemoryDriver();
    await open();
    await create({ readiness });
    await value(manager.stop('web'));
    await value(manager.fork('web', { name: 'copy', targetState: 'Standby' }));
    await pass(60_000);
    expect(await value(manager.restore('copy'))).toMatchObject({ state: 'Initializing' });
    await pass(999);
    expect((await value(manager.get('copy'))).state).toBe('Initializing');
    await pass(1);
    expect((await value(manager.get('copy'))).exit).toMatchObject({ timedOut: 'readiness' });
  });

  it('keeps to the recorded one over a manager that is opened again', async () => {
    await create({ readiness: { ...readiness, timeoutMs: 10_000 } });
    await reopenAfter(4_000);
    await pass(5_999);
    expect(told()).toEqual([]);
    await pass(1);
    expect(told()).toEqual([overdue('readiness')]);
  });

  it('has 2 s to be found ready when it was over while no manager was there', async () => {
    const { id } = await create({ readiness });
    await create({ name: 'late', readiness });
    await reopenAfter(60_000);
    await pass(1_999);
    driver.machine(id).ready();
    await pass(1);
    expect(events.map(({ instance, action }) => [instance?.name, action])).toEqual([
      ['web', 'ready'],
      ['late', 'exit'],
    ]);
  });

  it('which is deleted before it is over is heard of no more', async () => {
    await create({ readiness });
    await value(manager.delete('web'));
    expect(jest.getTimerCount()).toBe(0);
    await pass(60_000);
    expect(told().at(-1)).toMatchObject({ action: 'delete' });
  });

  it('is stopped later where its driver cannot do so at once', async () => {
    await manager.close({ stopInstances: true });
    let fails = true;
    driver = createMemoryDriver({
      fail: (operation) => (fails && operation === 'stop' ? new Error('not now') : undefined),
    });
    await open();
    await create({ readiness });
    await pass(1_000);
    expect((await value(manager.get('web'))).state).toBe('Initializing');
    fails = false;
    await pass(1_000);
    expect(told().at(-1)).toEqual(overdue('readiness'));
  });

  it('which was deleted while its driver could not stop it, is not asked for again', async () => {
    await manager.close({ stopInstances: true });
    driver = createMemoryDriver({
      fail: (operation) => (operation === 'stop' ? new Error('not now') : undefined),
    });
    await open();
    await create({ readiness });
    await pass(1_000);
    await value(manager.delete('web'));
    await pass(60_000);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a run that has a time', () => {
  it('is stopped when it is over, ready or not, and that is told as an exit which says so', async () => {
    const { id } = await create({ runTimeoutMs: 5_000, readiness: { kind: 'log', pattern: 'x' } });
    await pass(4_000);
    driver.machine(id).ready();
    await pass(999);
    expect(told().at(-1)).toEqual({ action: 'ready', state: 'Running' });
    await pass(1);
    expect(told().at(-1)).toEqual(overdue('run'));
  });

  it('is told as it ended where it ends in time', async () => {
    const { id } = await create({ runTimeoutMs: 5_000 });
    driver.machine(id).exit({ code: 0, signal: null });
    await pass(60_000);
    expect(told().at(-1)).toEqual({ action: 'exit', code: 0, signal: null });
  });

  it('of 0 ms goes on for ever', async () => {
    await create({ runTimeoutMs: 0 });
    await pass(60_000);
    expect((await value(manager.get('web'))).state).toBe('Running');
  });

  it('counts from the recorded start over a manager that is opened again', async () => {
    await create({ runTimeoutMs: 5_000 });
    await create({ name: 'late', runTimeoutMs: 3_000 });
    await reopenAfter(4_000);
    await pass(0);
    expect((await value(manager.get('late'))).exit).toMatchObject({ timedOut: 'run' });
    await pass(999);
    expect((await value(manager.get('web'))).state).toBe('Running');
    await pass(1);
    expect((await value(manager.get('web'))).exit).toMatchObject({ timedOut: 'run' });
  });

  it('is stopped on Standby only once it goes on', async () => {
    await create({ runTimeoutMs: 5_000 });
    await value(manager.standby('web'));
    await pass(60_000);
    expect((await value(manager.get('web'))).state).toBe('Standby');
    await value(manager.restore('web'));
    await pass(0);
    expect(told().slice(-2)).toEqual([{ action: 'restore', state: 'Running' }, overdue('run')]);
  });

  it('of a fork begins with the fork, and with its restore where it never ran', async () => {
    await create({ runTimeoutMs: 5_000 });
    await value(manager.standby('web'));
    await pass(60_000);
    await value(manager.fork('web', { name: 'running', targetState: 'Running' }));
    await value(manager.fork('web', { name: 'still' }));
    await pass(4_999);
    expect((await value(manager.get('running'))).state).toBe('Running');
    await pass(1);
    expect((await value(manager.get('running'))).state).toBe('Stopped');
    await value(manager.restore('still'));
    await pass(4_999);
    expect((await value(manager.get('still'))).state).toBe('Running');
    await pass(1);
    expect((await value(manager.get('still'))).exit).toMatchObject({ timedOut: 'run' });
  });

  it('can be changed while it is under way', async () => {
    await create({ runTimeoutMs: 5_000 });
    await value(manager.update('web', { runTimeoutMs: 8_000 }));
    await pass(7_999);
    expect((await value(manager.get('web'))).state).toBe('Running');
    await value(manager.update('web', { runTimeoutMs: 0 }));
    await pass(60_000);
    expect((await value(manager.get('web'))).state).toBe('Running');
    await value(manager.update('web', { runTimeoutMs: 1 }));
    await pass(0);
    expect(told().at(-1)).toEqual(overdue('run'));
  });

  it('is an outcome of a job, which is gone then', async () => {
    const outcome = value(manager.run({ image: 'any', runTimeoutMs: 5_000 }));
    await pass(5_000);
    expect((await outcome).exit).toEqual({ code: null, signal: 'SIGTERM', timedOut: 'run' });
    expect(await value(manager.list())).toEqual([]);
  });
});

it.each([
  [{ readiness: { ...readiness, timeoutMs: 0 } }, 'readiness.timeoutMs'],
  [{ readiness: { ...readiness, timeoutMs: 2 ** 31 } }, 'readiness.timeoutMs'],
  [{ runTimeoutMs: -1 }, 'runTimeoutMs'],
  [{ runTimeoutMs: 1.5 }, 'runTimeoutMs'],
])('%j is refused', async (fields, path) => {
  await expect(create(fields)).rejects.toMatchObject({ _tag: 'InvalidRequest', faults: [{ path }] });
});
