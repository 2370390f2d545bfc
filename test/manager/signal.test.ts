import {
  type Driver,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
  type State,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { concat, defer, EMPTY, firstValueFrom, map, type Observable, timer } from 'rxjs';

let driver: MemoryDriver;
let manager: InstanceManager;
let web: Instance;
let events: LifecycleEvent[];
let fails: readonly string[];

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const failure = async (source$: Observable<unknown>): Promise<unknown> => {
  try {
    return await value(source$);
  } catch (error) {
    return error;
  }
};

beforeEach(async () => {
  fails = [];
  driver = createMemoryDriver({
    fail: (operation) => (fails.includes(operation) ? new Error(`no ${operation}`) : undefined),
  });
  manager = await openManager({ drivers: [driver] });
  web = await value(manager.create({ name: 'web', image: 'any' }));
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
});

afterEach(() => manager.close());

describe('a signal', () => {
  it('is sent on subscribe, once each time, and is no event', async () => {
    const signal$ = manager.signal('web', 'SIGHUP');
    expect(driver.machine(web.id).signals()).toEqual([]);
    await expect(value(signal$)).resolves.toBe(web);
    await value(signal$);
    await value(manager.signal(web.id, 'SIGUSR1'));

    expect(driver.machine(web.id).signals()).toEqual(['SIGHUP', 'SIGHUP', 'SIGUSR1']);
    expect(events).toEqual([]);
  });

  it('that ends the machine is told as its end', async () => {
    await value(manager.signal('web', 'SIGKILL'));
    await value(manager.waitForState('web', 'Stopped'));
    expect(events.map(({ action, instance }) => [action, instance?.exit])).toEqual([
      ['exit', { code: null, signal: 'SIGKILL' }],
    ]);
  });

  const into: Record<string, () => Promise<unknown>> = {
    Initializing: async () => {
      await value(manager.delete('web'));
      const readiness = { kind: 'tcp', port: 80 } as const;
      web = await value(manager.create({ name: 'web', image: 'any', readiness }));
    },
    Running: () => Promise.resolve(),
    Paused: () => {
      driver.machine(web.id).halt();
      return value(manager.refresh('web'));
    },
    Stopped: () => value(manager.stop('web')),
    Standby: () => value(manager.standby('web')),
    Unknown: async () => {
      fails = ['inspect'];
      await value(manager.refresh('web'));
      fails = [];
    },
  };

  it.each(['Initializing', 'Running', 'Paused'])('is taken while %s', async (state) => {
    await into[state]?.();
    await expect(value(manager.signal('web', 'SIGHUP'))).resolves.toMatchObject({ state });
    expect(driver.machine(web.id).signals()).toEqual(['SIGHUP']);
  });

  it.each(['Stopped', 'Standby', 'Unknown'])('is refused while %s', async (state) => {
    await into[state]?.();
    events = [];
    await expect(failure(manager.signal('web', 'SIGHUP'))).resolves.toMatchObject({
      _tag: 'InvalidState',
      state,
      message: `cannot signal instance ${web.id} while it is ${state}: it has to be Initializing, Running, or Paused`,
    });
    expect(driver.machine(web.id).signals()).toEqual([]);
    expect(events).toEqual([]);
  });

  it('waits for the verbs before it, and finds the instance as they left it', async () => {
    const stopped = value(manager.stop('web'));
    const signalled = failure(manager.signal('web', 'SIGHUP'));
    const started = value(manager.start('web'));
    await stopped;
    await expect(signalled).resolves.toMatchObject({ _tag: 'InvalidState', state: 'Stopped' });
    await started;
    expect(driver.machine(web.id).signals()).toEqual([]);
  });

  it('of a driver that fails is told, and leaves the instance as it is', async () => {
    fails = ['signal'];
    await expect(failure(manager.signal('web', 'SIGHUP'))).resolves.toMatchObject({
      _tag: 'DriverFailed',
      verb: 'signal',
      message: `cannot signal instance ${web.id}: no signal`,
    });
    expect(events).toEqual([]);
  });

  it('is not sent where a beginning of the id is all that is told', async () => {
    await expect(failure(manager.signal(web.id.slice(0, 8), 'SIGHUP'))).resolves.toMatchObject({
      _tag: 'InstanceNotFound',
    });
  });

  it.each<[string, unknown, string]>([
    ['no signal', 'SIGFOO', "'SIGFOO'"],
    ['a name without SIG', 'hup', "'hup'"],
    ['a number', 9, '9'],
    ['nothing', undefined, 'nothing'],
  ])('has to have the name of one that the driver knows, not %s', async (_, name, found) => {
    await expect(failure(manager.signal('web', name as string))).resolves.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [
        { path: 'signal', found, expected: 'one of SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGKILL' },
      ],
    });
  });

  it('is measured as a verb', async () => {
    const measured: unknown[] = [];
    manager.measurements$.subscribe((measurement) => measured.push(measurement));
    await value(manager.signal('web', 'SIGHUP'));
    expect(measured).toEqual([expect.objectContaining({ kind: 'verb', verb: 'signal', result: 'ok' })]);
  });

  it('is refused once the manager is closed', async () => {
    await manager.close();
    await expect(failure(manager.signal('web', 'SIGHUP'))).resolves.toMatchObject({ _tag: 'ManagerClosed' });
  });
});

describe('a signal to an instance that has ended meanwhile', () => {
  it('is refused with the state that it is in then, and the end is told once', async () => {
    // As if the driver heard of the end before its report has had its turn.
    const before = defer(() => {
      driver.machine(web.id).exit({ code: 3, signal: null });
      return EMPTY;
    });
    const slow: Driver = {
      ...driver,
      launch: (plan) =>
        driver.launch(plan).pipe(
          map((machine) => ({
            ...machine,
            signal: (name) => concat(before, machine.signal?.(name) ?? EMPTY),
          })),
        ),
    };
    const other = await openManager({ drivers: [slow] });
    web = await value(other.create({ name: 'web', image: 'any' }));
    const told: [string, State | undefined][] = [];
    other.events('test').subscribe(({ action, instance }) => told.push([action, instance?.state]));

    await expect(failure(other.signal('web', 'SIGHUP'))).resolves.toMatchObject({
      _tag: 'InvalidState',
      state: 'Stopped',
    });
    await value(timer(0));
    expect(told).toEqual([['exit', 'Stopped']]);
    await other.close();
  });
});

describe('a driver whose machines take no signals', () => {
  it('says so, whatever the signal', async () => {
    const deaf: Driver = { ...driver, capabilities: { standbyFrees: 'cpu', logs: ['app'] } };
    const other = await openManager({ drivers: [deaf] });
    await value(other.create({ name: 'web', image: 'any' }));
    for (const name of ['SIGHUP', 'nonsense']) {
      await expect(failure(other.signal('web', name))).resolves.toMatchObject({
        _tag: 'NotSupported',
        message: 'the driver "memory" cannot signal: its machines take no signals',
      });
    }
    await other.close();
  });
});
