import {
  defer,
  EMPTY,
  firstValueFrom,
  lastValueFrom,
  map,
  type Observable,
  Subject,
  throwError,
  toArray,
} from 'rxjs';
import {
  type Driver,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  type ManagerOptions,
  openManager,
  type Replacement,
  SnapshotIncompatible,
  type Snapshotting,
  type Store,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { createMemoryStore } from '../../src/store/memoryStore.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let driver: MemoryDriver;
let manager: InstanceManager;
let events: LifecycleEvent[];
let warnings: string[];
/** What fails, and with what. */
let broken: Map<string, Error>;

async function open(
  options: Partial<ManagerOptions> = {},
  wrapped: (inner: MemoryDriver) => Driver = (inner) => inner,
): Promise<void> {
  broken = new Map();
  warnings = [];
  driver = createMemoryDriver({ standbyFrees: 'memory', fail: (operation) => broken.get(operation) });
  manager = await openManager({
    drivers: [wrapped(driver)],
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (_, message) => void warnings.push(message),
    },
    ...options,
  });
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
}

/** A store that keeps no change of this action any more. */
const storeThatFailsAt = (action: string, error: Error): Store => {
  const store = createMemoryStore();
  return {
    ...store,
    commit: (change) => (change.action === action ? throwError(() => error) : store.commit(change)),
  };
};

/** What was told since the last look. */
const told = (): string[] =>
  events
    .splice(0)
    .map(({ action, previousState, instance }) =>
      [action, previousState, instance?.state].filter((part) => part !== undefined).join(' '),
    );

const numbers = (name: string): Promise<readonly string[]> =>
  lastValueFrom(
    manager.logs(name).pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );

/** Lets the machine of an instance count, if it has one that runs. */
async function count(name = 'web'): Promise<readonly string[]> {
  const { id } = await value(manager.get(name));
  driver.machine(id).count();
  return numbers(name);
}

const counted = (upTo: number): string[] =>
  Array.from({ length: upTo }, (_, index) => `count ${String(index + 1)}.`);

/** An instance that has counted to 1, in a state. */
async function given(state: 'Running' | 'Standby' | 'Stopped' = 'Running'): Promise<Instance> {
  await value(manager.create({ name: 'web', image: 'any' }));
  await count();
  if (state === 'Standby') await value(manager.standby('web'));
  if (state === 'Stopped') await value(manager.stop('web'));
  told();
  return value(manager.get('web'));
}

/** All that could be gone on from is gone from the home of an instance, of which no machine runs. */
async function holdsNoMemory(name = 'web'): Promise<void> {
  const { id: instanceId, spec } = await value(manager.get(name));
  const home = driver.homes().find((path) => path.endsWith(instanceId)) ?? '';
  const resumed$ = driver.resume?.({ instanceId, name, spec, home }) ?? EMPTY;
  await expect(value(resumed$)).rejects.toThrow('the home holds no memory to go on from');
}

beforeEach(() => open());
afterEach(() => manager.close().catch(() => undefined));

describe('standby', () => {
  it('frees the memory: no machine is left, no handle, and no exit is told', async () => {
    const { startedAt } = await given();
    const standby = await value(manager.standby('web'));
    expect(standby).toMatchObject({ state: 'Standby', startedAt });
    expect(standby).not.toHaveProperty('handle');
    expect(standby).not.toHaveProperty('exit');
    expect(driver.running()).toEqual([]);
    expect(await value(manager.refresh('web'))).toBe(standby);
    expect(told()).toEqual(['standby Running Standby']);
  });

  it('that fails leaves the machine running', async () => {
    const before = await given();
    broken.set('suspend', new Error('disk full'));
    await expect(value(manager.standby('web'))).rejects.toMatchObject({
      ...{ _tag: 'DriverFailed', verb: 'standby', cause: { message: 'disk full' } },
    });
    expect(await value(manager.get('web'))).toBe(before);
    expect(told()).toEqual([]);
    expect(await count()).toEqual(counted(2));
  });

  it('that cannot be kept is undone: the machine goes on, and what was kept of it is void', async () => {
    const full = new Error('disk full');
    await open({ store: storeThatFailsAt('standby', full) });
    const before = await given();
    await expect(value(manager.standby('web'))).rejects.toBe(full);
    expect(await value(manager.refresh('web'))).toBe(before);
    expect(told()).toEqual([]);
    expect(await count()).toEqual(counted(2));
    driver.machine(before.id).exit({ code: 1, signal: null });
    await holdsNoMemory();
  });

  it('whose machine cannot be ended is one all the same, and that is written to the log', async () => {
    await given();
    broken.set('kill', new Error('it is stuck'));
    expect((await value(manager.standby('web'))).state).toBe('Standby');
    expect(warnings).toEqual(['a machine that is not needed any more could not be ended']);
    expect(told()).toEqual(['standby Running Standby']);
    broken.clear();
  });
});

describe('restore', () => {
  it('goes on where the machine was, by another handle', async () => {
    const { id, handle, startedAt } = await given();
    await value(manager.standby('web'));
    const restored = await value(manager.restore('web'));
    expect(restored).toMatchObject({ state: 'Running', startedAt });
    expect(restored.handle).toEqual(expect.any(Object));
    expect(restored.handle).not.toEqual(handle);
    expect(driver.running()).toEqual([id]);
    expect(told()).toEqual(['standby Running Standby', 'restore Standby Running']);
    expect(await count()).toEqual(counted(2));
  });

  it('can be done as often as it was put on standby', async () => {
    await given();
    for (let times = 2; times < 5; times += 1) {
      await value(manager.standby('web'));
      await value(manager.restore('web'));
      expect(await count()).toEqual(counted(times));
    }
  });

  it('hears how what it resumed ends', async () => {
    const { id } = await given('Standby');
    await value(manager.restore('web'));
    driver.machine(id).exit({ code: 3, signal: null });
    expect(await value(manager.get('web'))).toMatchObject({ state: 'Stopped', exit: { code: 3 } });
    expect(told()).toEqual(['restore Standby Running', 'exit Running Stopped']);
  });

  it.each<[string, Error, object]>([
    ['a failure', new Error('no room'), { _tag: 'LaunchFailed', message: 'no room' }],
    [
      'a memory that cannot be gone on from',
      new SnapshotIncompatible({ differences: [{ path: 'qemu', found: "'8.0.0'", expected: "'7.2.0'" }] }),
      { _tag: 'SnapshotIncompatible', differences: [{ path: 'qemu' }] },
    ],
  ])('that meets %s leaves the instance on standby, to be restored later', async (_, error, expected) => {
    const before = await given('Standby');
    broken.set('resume', error);
    await expect(value(manager.restore('web'))).rejects.toMatchObject(expected);
    expect(await value(manager.get('web'))).toBe(before);
    expect(told()).toEqual([]);
    expect(driver.running()).toEqual([]);
    broken.clear();
    await value(manager.restore('web'));
    expect(await count()).toEqual(counted(2));
  });

  it('hands on the very error that says why a memory cannot be gone on from', async () => {
    await given('Standby');
    const error = new SnapshotIncompatible({ differences: [] });
    broken.set('resume', error);
    await expect(value(manager.restore('web'))).rejects.toBe(error);
  });

  it('that cannot be kept is undone: no machine is left, and the memory is as it was', async () => {
    const full = new Error('disk full');
    let isFull = true;
    const [whole, failing] = [createMemoryStore(), storeThatFailsAt('restore', full)];
    await open({
      store: { ...whole, commit: (change) => (isFull ? failing : whole).commit(change) },
    });
    isFull = false;
    const before = await given('Standby');
    isFull = true;
    await expect(value(manager.restore('web'))).rejects.toBe(full);
    expect(driver.running()).toEqual([]);
    expect(await value(manager.get('web'))).toBe(before);
    isFull = false;
    await value(manager.restore('web'));
    expect(await count()).toEqual(counted(2));
  });

  it('after which the machine does not go on leaves it Paused, from where it can be restored', async () => {
    await given('Standby');
    broken.set('thaw', new Error('stuck'));
    await expect(value(manager.restore('web'))).rejects.toMatchObject({
      ...{ _tag: 'DriverFailed', verb: 'restore', cause: { message: 'stuck' } },
    });
    expect(told()).toEqual(['restore Standby Running', 'update Running Paused']);
    const paused = await value(manager.get('web'));
    expect(paused.state).toBe('Paused');
    expect(await value(manager.refresh('web'))).toBe(paused);
    broken.clear();
    expect((await value(manager.restore('web'))).state).toBe('Running');
    expect(await count()).toEqual(counted(2));
  });

  it('after which the machine can not be looked at either tells why it does not go on, and that', async () => {
    await given('Standby');
    broken.set('thaw', new Error('stuck'));
    broken.set('inspect', new Error('silent'));
    await expect(value(manager.restore('web'))).rejects.toMatchObject({ cause: { message: 'stuck' } });
    expect(await value(manager.get('web'))).toMatchObject({ state: 'Unknown', stateError: 'silent' });
  });

  it('lets nothing go on before it is kept', async () => {
    const kept$ = new Subject<never>();
    const store = createMemoryStore();
    await open({
      store: { ...store, commit: (change) => (change.action === 'restore' ? kept$ : store.commit(change)) },
    });
    const { id } = await given('Standby');
    const restored = value(manager.restore('web')).catch((error: unknown) => error);
    driver.machine(id).count();
    expect(await numbers('web')).toEqual(counted(1));
    expect(driver.running()).toEqual([id]);
    kept$.error(new Error('disk full'));
    await restored;
  });
});

it('what has ended by itself has, also when what was left of its memory cannot be removed', async () => {
  const { id } = await given();
  broken.set('forget', new Error('busy'));
  driver.machine(id).exit({ code: 1, signal: null });
  const { state, exit } = await value(manager.refresh('web'));
  expect([state, exit]).toEqual(['Stopped', { code: 1, signal: null }]);
  expect(warnings).toEqual(['the memory of an instance could not be removed']);
  expect(told()).toEqual(['exit Running Stopped']);
});

describe('an instance on standby whose memory was kept', () => {
  it('is stopped without a machine, and what was kept is removed', async () => {
    await given('Standby');
    const stopped = await value(manager.stop('web'));
    expect(stopped).toMatchObject({ state: 'Stopped', exit: { code: null, signal: null } });
    expect(told()).toEqual(['stop Standby Stopped']);
    await holdsNoMemory();
  });

  it('is stopped also when what was kept cannot be removed', async () => {
    await given('Standby');
    broken.set('forget', new Error('busy'));
    expect((await value(manager.stop('web'))).state).toBe('Stopped');
    expect(warnings).toEqual(['the memory of an instance could not be removed']);
    await value(manager.start('web'));
    expect(await count()).toEqual([...counted(1), 'count 1.']);
  });

  it('is deleted with all that it has', async () => {
    await given('Standby');
    await value(manager.delete('web'));
    expect(driver.homes()).toEqual([]);
    expect(told()).toEqual(['delete Standby']);
  });

  it('goes with a manager that leaves nothing', async () => {
    await given('Standby');
    await manager.close();
    expect([driver.running(), driver.homes()]).toEqual([[], []]);
  });
});

describe('fork', () => {
  it('of what is on standby has no machine until it is restored, and goes on then', async () => {
    await given('Standby');
    const fork = await value(manager.fork('web', { name: 'fork' }));
    expect(fork.state).toBe('Standby');
    expect(fork).not.toHaveProperty('handle');
    expect(driver.running()).toEqual([]);
    expect(told()).toEqual(['fork Standby']);
    for (const name of ['fork', 'web']) {
      await value(manager.restore(name));
      expect(await count(name)).toEqual(counted(2));
    }
  });

  it('of what is on standby can run at once', async () => {
    await given('Standby');
    const fork = await value(manager.fork('web', { name: 'fork', targetState: 'Running' }));
    expect(fork).toMatchObject({ state: 'Running', startedAt: expect.any(Number) as number });
    expect(driver.running()).toEqual([fork.id]);
    expect(await count('fork')).toEqual(counted(2));
    expect(told()).toEqual(['fork Running']);
  });

  it('of what runs goes on where that stood still for a moment, and so does that', async () => {
    const { id, handle } = await given();
    const fork = await value(manager.fork('web', { name: 'fork', fromRunning: true }));
    expect(fork.state).toBe('Running');
    expect(told()).toEqual(['standby Running Standby', 'restore Standby Running', 'fork Running']);
    expect((await value(manager.get('web'))).handle).toEqual(handle);
    expect(driver.running()).toEqual([id, fork.id]);
    for (const name of ['fork', 'web']) expect(await count(name)).toEqual(counted(2));
  });

  it.each(['Running', 'Standby'] as const)(
    'of what is %s to Stopped leaves the memory out',
    async (state) => {
      await given(state);
      await value(manager.fork('web', { name: 'fork', targetState: 'Stopped', fromRunning: true }));
      await holdsNoMemory('fork');
    },
  );

  it('of what is Stopped to Standby launches it and keeps its memory', async () => {
    await given('Stopped');
    const fork = await value(manager.fork('web', { name: 'fork', targetState: 'Standby' }));
    expect(fork.state).toBe('Standby');
    expect(fork).not.toHaveProperty('handle');
    expect(driver.running()).toEqual([]);
    expect(told()).toEqual(['fork Standby']);
    expect((await value(manager.restore('fork'))).state).toBe('Running');
  });

  it.each([
    ['resume', 'LaunchFailed'],
    ['prepare', 'DriverFailed'],
  ])('that fails at %s leaves nothing, and a source that goes on', async (operation, _tag) => {
    const { id } = await given();
    broken.set(operation, new Error('no room'));
    const fork$ = manager.fork('web', { name: 'fork', fromRunning: true });
    await expect(value(fork$)).rejects.toMatchObject({ _tag });
    expect(driver.homes()).toHaveLength(1);
    expect(driver.running()).toEqual([id]);
    expect(await count()).toEqual(counted(2));
    expect(told()).toEqual(['standby Running Standby', 'restore Standby Running']);
  });

  it('whose machine does not go on is there, Paused, and its source as it was', async () => {
    const source = await given('Standby');
    broken.set('thaw', new Error('stuck'));
    const forking = value(manager.fork('web', { name: 'fork', targetState: 'Running' }));
    await expect(forking).rejects.toMatchObject({ _tag: 'DriverFailed', verb: 'fork' });
    expect(told()).toEqual(['fork Running', 'update Running Paused']);
    expect(await value(manager.get('web'))).toBe(source);
    broken.clear();
    await value(manager.restore('fork'));
    expect(await count('fork')).toEqual(counted(2));
  });

  it('that cannot be kept leaves nothing, and what it was made of as it was', async () => {
    const full = new Error('disk full');
    await open({ store: storeThatFailsAt('fork', full) });
    await given('Standby');
    await expect(value(manager.fork('web', { name: 'fork', targetState: 'Running' }))).rejects.toBe(full);
    expect(driver.homes()).toHaveLength(1);
    expect(driver.running()).toEqual([]);
    await value(manager.restore('web'));
    expect(await count()).toEqual(counted(2));
  });
});

describe('a snapshot of kind Standby', () => {
  it.each(['Running', 'Standby'] as const)('of what is %s lets forks go on from there', async (state) => {
    await given(state);
    const { id } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    await value(manager.delete('web'));
    const fork = await value(manager.forkSnapshot(id, { name: 'one' }));
    expect(fork.state).toBe('Standby');
    await value(manager.restore('one'));
    await value(manager.forkSnapshot(id, { name: 'two', targetState: 'Running' }));
    await value(manager.forkSnapshot(id, { name: 'three', targetState: 'Stopped' }));
    for (const name of ['one', 'two']) expect(await count(name)).toEqual(counted(2));
    await holdsNoMemory('three');
  });

  it('brings an instance back to where it was', async () => {
    await given();
    const { id } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    await count();
    await value(manager.standby('web'));
    told();
    const restored = await value(manager.restoreSnapshot('web', id));
    expect(restored.state).toBe('Running');
    expect(await count()).toEqual(counted(2));
    expect(told()).toEqual(['restore Standby Running']);
  });

  it('brings it back to standby, too, from Stopped', async () => {
    await given();
    const { id } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    await value(manager.stop('web'));
    const restored = await value(manager.restoreSnapshot('web', id, { targetState: 'Standby' }));
    expect(restored.state).toBe('Standby');
    expect(restored).not.toHaveProperty('handle');
    expect(driver.running()).toEqual([]);
    await value(manager.restore('web'));
    expect(await count()).toEqual(counted(2));
  });

  it.each<[string, Error, string]>([
    ['a failure', new Error('no room'), 'LaunchFailed'],
    ['what cannot be gone on from', new SnapshotIncompatible({ differences: [] }), 'SnapshotIncompatible'],
  ])('that meets %s when it is restored leaves what was there, memory and all', async (_, error, _tag) => {
    await given();
    const { id } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    await count();
    const before = await value(manager.standby('web'));
    told();
    broken.set('resume', error);
    await expect(value(manager.restoreSnapshot('web', id))).rejects.toMatchObject({ _tag });
    expect(await value(manager.get('web'))).toBe(before);
    expect(told()).toEqual([]);
    broken.clear();
    await value(manager.restore('web'));
    expect(await count()).toEqual(counted(3));
  });

  it('whose machine does not go on when it is restored is in place, Paused, and nothing else is left', async () => {
    const asked: string[] = [];
    await open({}, (inner) => {
      const snapshots = inner.snapshots as Snapshotting;
      const replaced = (replacement: Replacement): Replacement => ({
        keep: () =>
          defer(() => {
            asked.push('keep');
            return replacement.keep();
          }),
        undo: () =>
          defer(() => {
            asked.push('undo');
            return replacement.undo();
          }),
      });
      return {
        ...inner,
        snapshots: {
          ...snapshots,
          replace: (plan, snapshot) => snapshots.replace(plan, snapshot).pipe(map(replaced)),
        },
      };
    });
    await given();
    const { id } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    await count();
    await value(manager.standby('web'));
    told();
    broken.set('thaw', new Error('stuck'));
    await expect(value(manager.restoreSnapshot('web', id))).rejects.toMatchObject({
      ...{ _tag: 'DriverFailed', verb: 'restoreSnapshot', cause: { message: 'stuck' } },
    });
    expect(told()).toEqual(['restore Standby Running', 'update Running Paused']);
    expect(asked).toEqual(['keep']);
    broken.clear();
    await value(manager.restore('web'));
    expect(await count()).toEqual(counted(2));
  });
});
