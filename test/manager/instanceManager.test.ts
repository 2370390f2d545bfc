import {
  catchError,
  EMPTY,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  Subject,
  takeUntil,
  takeWhile,
  throwError,
  toArray,
} from 'rxjs';
import {
  type Driver,
  type Instance,
  type InstanceChange,
  type InstanceManager,
  type LifecycleEvent,
  type LogLine,
  type Machine,
  type ManagerOptions,
  type Measurement,
  openManager,
  type WaitOptions,
  type WatchBuffering,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { noLogger } from '../../src/manager/noLogger.js';
import { until } from '../support/until.js';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { thrownBy } from '../support/thrownBy.js';

const readiness = { kind: 'tcp', port: 80 } as const;

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const withoutFreezing = ({ handle, signals$, inspect, stop, kill }: Machine): Machine => ({
  handle,
  signals$,
  inspect,
  stop,
  kill,
});

const lines = (source$: Observable<LogLine>): Promise<string[]> =>
  lastValueFrom(
    source$.pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );

let driver: MemoryDriver;
let manager: InstanceManager;
let events: LifecycleEvent[];

const told = (): string[] =>
  events.map(({ action, previousState, instance }) =>
    [action, previousState, instance?.state].filter((part) => part !== undefined).join(' '),
  );

async function open(
  driverOptions: Parameters<typeof createMemoryDriver>[0] = {},
  options: Partial<ManagerOptions> = {},
): Promise<void> {
  driver = createMemoryDriver(driverOptions);
  manager = await openManager({ drivers: [driver], ...options });
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
}

const create = (name = 'web', fields: object = {}): Promise<Instance> =>
  value(manager.create({ name, image: 'any', ...fields }));

beforeEach(() => open());
afterEach(() => manager.close().catch(() => undefined));

describe('create', () => {
  it('leaves an instance Initializing until its machine says that it is ready', async () => {
    const { id } = await create('web', { readiness });
    driver.machine(id).ready();

    expect(told()).toEqual(['create Initializing', 'ready Initializing Running']);
    await expect(value(manager.get(id))).resolves.toMatchObject({ state: 'Running', revision: 2 });
  });

  it('goes on when its subscriber has gone', async () => {
    await open({ launchMs: 1 });
    manager.create({ name: 'web', image: 'any' }).subscribe().unsubscribe();

    await value(manager.events('first'));
    expect(told()).toEqual(['create Running']);
  });

  it('keeps the name from others while the instance is in the making', async () => {
    await open({ launchMs: 1 });
    const first = create();

    await expect(create()).rejects.toMatchObject({ _tag: 'NameTaken' });
    await first;
    expect(told()).toEqual(['create Running']);
  });

  it.each(['prepare', 'launch'])('leaves nothing when %s fails', async (operation) => {
    const cause = new Error('no room');
    await open({ fail: (failing: string) => (failing === operation ? cause : undefined) });

    await expect(create()).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: 'no room',
      cause,
    });
    await expect(value(manager.list())).resolves.toEqual([]);
    expect(events).toEqual([]);
    expect(driver.homes()).toEqual([]);
    await expect(create()).rejects.toMatchObject({ _tag: 'LaunchFailed' });
  });

  it('ends the machine and leaves nothing when the change cannot be kept', async () => {
    const store = createMemoryStore();
    const full = new Error('disk full');
    await open({}, { store: { ...store, commit: () => throwError(() => full) } });

    await expect(create()).rejects.toBe(full);
    expect(driver.homes()).toEqual([]);
    expect(driver.running()).toEqual([]);
    await expect(value(manager.list())).resolves.toEqual([]);
  });
});

describe('the other verbs', () => {
  it('tell nothing and change nothing where there is nothing to do', async () => {
    const { id } = await create();
    const running = await value(manager.get(id));
    await expect(value(manager.start(id))).resolves.toBe(running);
    await expect(value(manager.restore(id))).resolves.toBe(running);
    await expect(value(manager.update(id, { env: {} }))).resolves.toBe(running);
    const standby = await value(manager.standby(id));
    await expect(value(manager.standby(id))).resolves.toBe(standby);
    await value(manager.restore(id));
    const stopped = await value(manager.stop(id));
    await expect(value(manager.stop(id))).resolves.toBe(stopped);

    expect(told()).toHaveLength(4);
  });

  it('of one instance run one after another, in the order of their subscription', async () => {
    await open({ stopMs: 1, launchMs: 1 });
    const { id } = await create();
    const stop = value(manager.stop(id));
    const start = value(manager.start(id));
    const standby = value(manager.standby(id));

    await Promise.all([stop, start, standby]);
    expect(told()).toEqual([
      'create Running',
      'stop Running Stopped',
      'start Stopped Running',
      'standby Running Standby',
    ]);
  });

  it('are left out when their subscriber goes before their turn', async () => {
    await open({ stopMs: 1 });
    const { id } = await create();
    const stop = value(manager.stop(id));
    manager.start(id).subscribe().unsubscribe();

    await stop;
    await value(manager.refresh(id));
    expect(told()).toEqual(['create Running', 'stop Running Stopped']);
  });

  it('restore what could not be restored before, as soon as it can be', async () => {
    let broken = false;
    await open({
      fail: (operation: string) => (broken && operation === 'thaw' ? new Error('broken') : undefined),
    });
    const { id } = await create();
    driver.machine(id).halt();
    const paused = await value(manager.refresh(id));
    broken = true;
    await expect(value(manager.restore(id))).rejects.toMatchObject({ _tag: 'DriverFailed', verb: 'restore' });
    await expect(value(manager.get(id))).resolves.toBe(paused);
    broken = false;
    await value(manager.restore(id));

    expect(told()).toEqual(['create Running', 'update Running Paused', 'restore Paused Running']);
  });

  it.each(['stop', 'freeze', 'thaw', 'kill', 'discard'])(
    'tell a driver that fails to %s as DriverFailed with its cause',
    async (operation) => {
      const cause = new Error('broken');
      let broken = false;
      await open({ fail: (failing: string) => (broken && failing === operation ? cause : undefined) });
      const { id } = await create();
      if (operation === 'thaw') await value(manager.standby(id));
      broken = true;
      const verb = {
        stop: manager.stop,
        freeze: manager.standby,
        thaw: manager.restore,
        kill: manager.delete,
        discard: manager.delete,
      }[operation];

      const before = told().length;
      await expect(value(verb?.(id) ?? EMPTY)).rejects.toMatchObject({ _tag: 'DriverFailed', cause });
      // A machine that was killed before its home could not be removed has ended, and that is told.
      expect(told().slice(before)).toEqual(operation === 'discard' ? ['exit Running Stopped'] : []);
      broken = false;
      await value(manager.delete(id));
    },
  );

  it('cannot put on standby, nor fork while it runs, what the driver cannot freeze', async () => {
    const memory = createMemoryDriver();
    const rigid: Driver = {
      ...memory,
      launch: (plan) => memory.launch(plan).pipe(map(withoutFreezing)),
    };
    await open({}, { drivers: [rigid] });
    const { id } = await create();

    await expect(value(manager.standby(id))).rejects.toMatchObject({
      _tag: 'NotSupported',
      driver: 'memory',
      verb: 'standby',
    });
    await expect(value(manager.fork(id, { name: 'two', fromRunning: true }))).rejects.toMatchObject({
      _tag: 'NotSupported',
      verb: 'fork',
    });
    expect(told()).toEqual(['create Running']);
    expect(memory.homes()).toHaveLength(1);
  });
});

describe('delete', () => {
  it('ends what waits for its turn behind it with InstanceNotFound', async () => {
    await open({ stopMs: 1 });
    const { id } = await create();
    const results = await Promise.allSettled([
      value(manager.stop(id)),
      value(manager.delete(id)),
      value(manager.start(id)),
    ]);

    expect(results[2]).toMatchObject({ status: 'rejected', reason: { _tag: 'InstanceNotFound' } });
  });
});

describe('what a machine does by itself', () => {
  it('is told as exit, with its code and signal', async () => {
    const { id } = await create();
    driver.machine(id).exit({ code: 3, signal: null });

    expect(told()).toEqual(['create Running', 'exit Running Stopped']);
    expect(events.at(-1)?.instance).toMatchObject({ exit: { code: 3, signal: null } });
    await expect(value(manager.start(id))).resolves.toMatchObject({ state: 'Running' });
  });

  it('is told as lost, with the reason, and found again by a refresh', async () => {
    const { id } = await create();
    driver.machine(id).lose('the host is silent');

    expect(events.at(-1)).toMatchObject({
      action: 'lost',
      instance: { state: 'Unknown', stateError: 'the host is silent' },
    });
    const found = await value(manager.refresh(id));
    expect(found.state).toBe('Running');
    expect(found).not.toHaveProperty('stateError');
    expect(told()).toEqual(['create Running', 'lost Running Unknown', 'update Unknown Running']);
  });

  it('is not told when the manager asked for it', async () => {
    const { id } = await create();
    await value(manager.stop(id));
    await value(manager.refresh(id));
    expect(told()).toEqual(['create Running', 'stop Running Stopped']);
  });

  it('is kept in mind while it stands still: what got ready on standby is Running once restored', async () => {
    const { id } = await create('web', { readiness });
    driver.machine(id).halt();
    await value(manager.refresh(id));
    driver.machine(id).ready();
    await value(manager.restore(id));

    expect(told()).toEqual(['create Initializing', 'update Initializing Paused', 'restore Paused Running']);
  });

  it('is not told of a machine that another has replaced', async () => {
    const { id } = await create();
    const former = driver.machine(id);
    await value(manager.restart(id));
    former.exit({ code: 1, signal: null });

    expect(told()).toEqual(['create Running', 'stop Running Stopped', 'start Stopped Running']);
  });
});

it.each([
  ['stop', ['stop Paused Stopped']],
  ['restart', ['stop Paused Stopped', 'start Stopped Running']],
] as const)('what somebody else has halted takes a %s', async (verb, expected) => {
  const { id } = await create();
  driver.machine(id).halt();
  await value(manager.refresh(id));
  await value(manager[verb](id));

  expect(told().slice(2)).toEqual(expected);
});

describe('refresh', () => {
  it('tells what had changed, and nothing when nothing had', async () => {
    const { id } = await create();
    await value(manager.refresh(id));
    driver.machine(id).halt();
    await value(manager.refresh(id));
    await value(manager.refresh(id));
    driver.machine(id).resume();
    await value(manager.refresh(id));

    expect(told()).toEqual(['create Running', 'update Running Paused', 'update Paused Running']);
  });

  it.each([
    ['stop', 'Stopped'],
    ['restore', 'Running'],
  ] as const)('can be lost without a dead end: a %s leads out', async (verb, state) => {
    const { id } = await create();
    driver.machine(id).lose('the host is silent');
    const found = await value(manager[verb](id));
    expect(found.state).toBe(state);
    expect(found).not.toHaveProperty('stateError');
  });

  it('leaves an instance Unknown whose machine cannot be looked at', async () => {
    let broken = false;
    await open({
      fail: (operation: string) => (broken && operation === 'inspect' ? new Error('no answer') : undefined),
    });
    const { id } = await create();
    broken = true;
    await value(manager.refresh(id));
    await value(manager.refresh(id));

    expect(told()).toEqual(['create Running', 'lost Running Unknown']);
    expect(events.at(-1)?.instance?.stateError).toBe('no answer');
  });

  it('finds an instance on standby that somebody else woke', async () => {
    const { id } = await create();
    await value(manager.standby(id));
    await value(manager.refresh(id));
    driver.machine(id).resume();
    await value(manager.refresh(id));

    expect(told().slice(1)).toEqual(['standby Running Standby', 'update Standby Running']);
  });
});

describe('fork', () => {
  it('that cannot be copied wakes the source again and leaves nothing', async () => {
    let broken = false;
    await open({
      fail: (operation: string) => (broken && operation === 'prepare' ? new Error('no room') : undefined),
    });
    const { id } = await create();
    broken = true;

    await expect(value(manager.fork(id, { name: 'two', fromRunning: true }))).rejects.toMatchObject({
      _tag: 'DriverFailed',
      message: `cannot fork instance ${id}: no room`,
    });
    expect(told()).toEqual(['create Running', 'standby Running Standby', 'restore Standby Running']);
    expect(driver.homes()).toHaveLength(1);
    broken = false;
    await create('two');
  });

  it('that cannot be launched leaves nothing of itself', async () => {
    let broken = false;
    await open({
      fail: (operation: string) => (broken && operation === 'launch' ? new Error('no room') : undefined),
    });
    const { id } = await create();
    broken = true;

    await expect(value(manager.fork(id, { name: 'two', fromRunning: true }))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
    });
    expect(driver.homes()).toHaveLength(1);
    await expect(value(manager.list())).resolves.toHaveLength(1);
  });
});

describe('waitForState', () => {
  it('is decided by the event that reaches the target', async () => {
    const { id } = await create('web', { readiness });
    const wait = value(manager.waitForState('web', 'Running'));
    driver.machine(id).ready();

    await expect(wait).resolves.toMatchObject({ state: 'Running', via: 'event', timedOut: false, reads: 1 });
    expect(manager.stats()['wait_for_state']?.subscribers).toBe(0);
  });

  it('finds by its poll what no event told, which is counted, logged and then published', async () => {
    const logged: unknown[] = [];
    const logger = { ...noLogger, debug: (fields: object) => logged.push(fields) };
    await open({}, { logger });
    const measured: Measurement[] = [];
    manager.measurements$.subscribe((measurement) => measured.push(measurement));
    const { id } = await create();
    const wait = value(manager.waitForState(id, 'Stopped', { pollMs: 1 }));
    driver.machine(id).halt();

    await expect(wait).resolves.toMatchObject({ state: 'Paused', via: 'event' });
    expect(told()).toEqual(['create Running', 'update Running Paused']);
    expect(measured).toContainEqual({ kind: 'found_by_poll', instanceId: id });
    expect(logged).toEqual([{ instanceId: id, from: 'Running', to: 'Paused' }]);
  });

  it('ends with InstanceNotFound when the instance is deleted, and with ManagerClosed when the manager closes', async () => {
    const { id } = await create();
    const first = value(manager.waitForState(id, 'Stopped'));
    await value(manager.delete(id));
    await expect(first).rejects.toMatchObject({ _tag: 'InstanceNotFound' });

    await create('two');
    const second = value(manager.waitForState('two', 'Stopped'));
    const closed = manager.close();
    await expect(second).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    await closed;
  });

  it.each([
    ['no such state', 'Sleeping' as never, {}, 'target'],
    ['no states at all', [], {}, 'target'],
    ['a timeout of more than 5 minutes', 'Running', { timeoutMs: 300_001 }, 'timeoutMs'],
    ['a timeout that is no number', 'Running', { timeoutMs: Number.NaN }, 'timeoutMs'],
    ['no interval', 'Running', { pollMs: 0 }, 'pollMs'],
    ['an unknown option', 'Running', { timeout: 5 }, 'timeout'],
  ] as const)('refuses %s', async (_, target, options, path) => {
    await create();
    await expect(value(manager.waitForState('web', target, options as WaitOptions))).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path }],
    });
  });
});

describe('subscribers', () => {
  it.each([0, -1, Number.NaN, 1.5, Infinity, '3'])('may not ask for a capacity of %p', (capacity) => {
    const buffering = { capacity } as WatchBuffering;
    const fault = { _tag: 'InvalidRequest', faults: [{ path: 'capacity' }] };
    expect(thrownBy(() => manager.consume('app', () => EMPTY, buffering))).toMatchObject(fault);
    expect(thrownBy(() => manager.iterate('app', buffering))).toMatchObject(fault);
    expect(thrownBy(() => manager.watch('app', buffering))).toMatchObject(fault);
  });

  it.each(['', 'App', '7up', 'a-b', 'a'.repeat(65), '__proto__', 7, undefined])(
    'may not be called %p',
    (name) => {
      expect(thrownBy(() => manager.events(name as string))).toMatchObject({ _tag: 'InvalidRequest' });
    },
  );

  it('have 64 names at most, those of the manager included', () => {
    const known = Object.keys(manager.stats()).length;
    for (let n = known; n < 64; n += 1) void manager.events(`app_${String(n)}`);

    expect(thrownBy(() => manager.events('one_more'))).toMatchObject({
      _tag: 'TooManyConsumers',
      consumer: 'one_more',
      limit: 64,
    });
    void manager.events('app_20');
  });

  it('that throw are unsubscribed, counted and logged, and hurt neither the verb nor each other', async () => {
    const logged: unknown[] = [];
    await open({}, { logger: { ...noLogger, error: (fields: object) => logged.push(fields) } });
    const err = new Error('careless');
    manager.events('careless').subscribe(() => {
      throw err;
    });
    await create();
    await value(manager.stop('web'));

    expect(told()).toEqual(['create Running', 'stop Running Stopped']);
    expect(manager.stats()['careless']).toMatchObject({ thrown: 1, subscribers: 0 });
    expect(logged).toEqual([{ consumer: 'careless', err }]);
  });

  it('that throw are told on the console with consumer and stack, once, where there is no logger', async () => {
    const error = jest.spyOn(console, 'error').mockReturnValue();
    const err = new Error('careless');
    manager.events('careless').subscribe(() => {
      throw err;
    });
    await create();
    await value(manager.stop('web'));
    expect(error.mock.calls).toEqual([[expect.stringContaining('"careless"'), err]]);
    error.mockRestore();
  });

  it('that handle no error are told of likewise when one reaches them', async () => {
    const error = jest.spyOn(console, 'error').mockReturnValue();
    // The memory driver runs no programs.
    manager.consume('policy', ({ instanceId }) => manager.start(instanceId, { cmd: ['again'] })).subscribe();
    await create();
    await until(
      () => error.mock.calls,
      (calls) => calls.length > 0,
    );
    expect(error.mock.calls).toMatchObject([
      [expect.stringContaining('"policy"'), { _tag: 'InvalidRequest' }],
    ]);
    error.mockRestore();
  });

  it('may call a verb from within an event, and all see the same order', async () => {
    const order: string[] = [];
    manager
      .events('first')
      .pipe(mergeMap(({ action, instanceId }) => (action === 'create' ? manager.stop(instanceId) : EMPTY)))
      .subscribe();
    manager.events('second').subscribe(({ action }) => order.push(action));
    await create();
    await value(manager.refresh('web'));

    expect(order).toEqual(['create', 'stop']);
    expect(told()).toEqual(['create Running', 'stop Running Stopped']);
  });
});

describe('logs', () => {
  it('follow until the instance is deleted', async () => {
    const { id } = await create();
    driver.machine(id).print('one');
    const followed = lines(manager.logs(id, { follow: true }));
    driver.machine(id).print('two');
    await value(manager.delete(id));

    await expect(followed).resolves.toEqual(['one', 'two']);
    expect(manager.stats()['logs']?.subscribers).toBe(0);
  });

  it('follow until the manager closes', async () => {
    await create();
    const followed = lines(manager.logs('web', { follow: true }));
    await manager.close();
    await expect(followed).resolves.toEqual([]);
  });

  it('name an unknown source and a bad option', async () => {
    await create();
    await expect(lines(manager.logs('web', { source: 'vmm' }))).rejects.toMatchObject({
      _tag: 'LogNotFound',
    });
    await expect(lines(manager.logs('web', { tail: -1 }))).rejects.toMatchObject({
      faults: [{ path: 'tail' }],
    });
  });
});

describe('close', () => {
  it('stops what runs, tells so, completes every stream, and is done once', async () => {
    await create('one');
    await create('two');
    await value(manager.standby('two'));
    const all = lastValueFrom(manager.events('all').pipe(toArray()));
    const closed = manager.close();
    expect(manager.close()).toBe(closed);
    await closed;

    expect((await all).map(({ action }) => action)).toEqual(['stop', 'stop']);
    expect(driver.running()).toEqual([]);
    await expect(value(manager.get('one'))).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    await expect(create('three')).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    await expect(value(manager.waitForState('one', 'Running'))).rejects.toMatchObject({
      _tag: 'ManagerClosed',
    });
    await expect(lastValueFrom(manager.events('late').pipe(toArray()))).resolves.toEqual([]);
  });

  it('is told before the stops that come of it, and every verb fails from then on', async () => {
    const failed: unknown[] = [];
    const verbs = (name: string): void => {
      const calls: readonly Observable<unknown>[] = [
        manager.create({ name: 'new', image: 'any' }),
        ...[manager.start(name), manager.restart(name), manager.delete(name), manager.get(name)],
        ...[manager.update(name, { tags: {} }), manager.fork(name, { name: 'new' }), manager.list()],
      ];
      merge(
        ...calls.map((call$) =>
          call$.pipe(
            ignoreElements(),
            catchError((error: unknown) => of(error)),
          ),
        ),
      ).subscribe((error) => failed.push(error));
    };
    const running = new Map<string, string>();
    const heard: string[] = [];
    const loop = (change: InstanceChange): void => {
      heard.push('event' in change ? change.event.action : change.kind);
      if (change.kind === 'upsert') running.set(change.instance.id, change.instance.state);
      const isLow = [...running.values()].some((state) => state === 'Stopped');
      if (isLow) verbs('web');
    };
    await create('web');
    manager
      .watch('pool')
      .pipe(takeWhile(({ kind }) => kind !== 'closing', true))
      .subscribe(loop);
    manager
      .events('keep_up')
      .pipe(takeUntil(manager.closing$))
      .subscribe(() => {
        verbs('web');
      });
    manager
      .watch('all')
      .subscribe((change) => heard.push(`all: ${'event' in change ? change.event.action : change.kind}`));
    heard.length = 0;
    const closed = manager.close();
    verbs('web');
    await closed;

    expect(heard.filter((each) => !each.startsWith('all'))).toEqual(['closing']);
    expect(heard.filter((each) => each.startsWith('all'))).toEqual(['all: closing', 'all: stop']);
    expect(failed.map((error) => (error as { _tag: string })._tag)).toEqual(
      new Array(8).fill('ManagerClosed'),
    );
  });

  it('waits for the verb that has begun, and fails the one that has not', async () => {
    await open({ launchMs: 1, stopMs: 1 });
    const created = create();
    const { id } = await created;
    const stop = value(manager.stop(id));
    const start = value(manager.start(id));
    const closed = manager.close();

    await expect(stop).resolves.toMatchObject({ state: 'Stopped' });
    await expect(start).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    await closed;
    expect(told()).toEqual(['create Running', 'stop Running Stopped']);
  });

  it('leaves machines alone when told so', async () => {
    const { id } = await create();
    await manager.close({ stopInstances: false });
    expect(driver.running()).toEqual([id]);
    expect(told()).toEqual(['create Running']);
  });

  it('closes all the same when an instance cannot be stopped, and names it', async () => {
    await open({ fail: (operation: string) => (operation === 'stop' ? new Error('broken') : undefined) });
    const { id } = await create();

    await expect(manager.close()).rejects.toMatchObject({
      errors: [{ _tag: 'DriverFailed', instanceId: id }],
    });
    await expect(value(manager.get(id))).rejects.toMatchObject({ _tag: 'ManagerClosed' });
  });
});

describe('openManager', () => {
  it.each([
    ['nothing', undefined, ''],
    ['no drivers', { drivers: [] }, 'drivers'],
    ['what is no driver', { drivers: [{ kind: 'x' }] }, 'drivers[0]'],
    [
      'a buffer of no events',
      { drivers: [createMemoryDriver()], config: { instances: { lifecycleEventBufferSize: 0 } } },
      'config.instances.lifecycleEventBufferSize',
    ],
    [
      'a log of no events',
      {
        drivers: [createMemoryDriver()],
        config: {
          instances: { lifecycleEventBufferSize: 1 },
          storage: { logMaxEvents: 0, logMaxAgeMs: 1 },
        },
      },
      'config.storage.logMaxEvents',
    ],
    ['a data directory without a name', { drivers: [createMemoryDriver()], dataDir: '' }, 'dataDir'],
    [
      'a data directory that no system can name',
      { drivers: [createMemoryDriver()], dataDir: '/a\0b' },
      'dataDir',
    ],
    [
      'a store that lacks a method',
      { drivers: [createMemoryDriver()], store: { ...createMemoryStore(), read: undefined } },
      'store',
    ],
    [
      'a store beside a data directory',
      { drivers: [createMemoryDriver()], store: createMemoryStore(), dataDir: '/nowhere' },
      'store',
    ],
    ['an unknown option', { drivers: [createMemoryDriver()], colour: 'red' }, 'colour'],
    ['two drivers of one kind', { drivers: [createMemoryDriver(), createMemoryDriver()] }, 'drivers[1].kind'],
  ])('refuses %s', async (_, options, path) => {
    await expect(openManager(options as never)).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path }],
    });
  });

  it('takes the capacity of queues from the configuration', async () => {
    await open({}, { config: { instances: { lifecycleEventBufferSize: 2 } } });
    const never$ = new Subject<never>();
    const work = manager.consume('slow', () => never$).subscribe();
    await create();
    for (let n = 0; n < 5; n += 1) await value(manager.restart('web'));

    expect(manager.stats()['slow']).toMatchObject({ maxQueueDepth: 2, dropped: { buffer_full: 8 } });
    work.unsubscribe();
  });
});

describe('measurements$', () => {
  it('tells what verbs, commits and waits took, and how they ended', async () => {
    const measured: Measurement[] = [];
    manager.measurements$.subscribe((measurement) => measured.push(measurement));
    const { id } = await create();
    await expect(value(manager.fork(id, { name: 'x' }))).rejects.toBeDefined();
    await value(manager.waitForState(id, 'Running'));
    await value(manager.waitForState(id, 'Stopped', { timeoutMs: 0 }));

    const seconds = expect.any(Number) as number;
    expect(measured).toEqual([
      { kind: 'commit', seconds },
      { kind: 'verb', verb: 'create', result: 'ok', seconds },
      { kind: 'verb', verb: 'fork', result: 'InvalidState', seconds },
      { kind: 'wait', outcome: 'reached', via: 'read', seconds },
      { kind: 'wait', outcome: 'timed_out', via: 'deadline', seconds },
    ]);
  });
});
