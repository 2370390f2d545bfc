import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  ignoreElements,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  Subject,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import {
  type Driver,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  type ManagerOptions,
  type Measurement,
  openManager,
  type Snapshot,
  type Snapshotting,
  type Store,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { createMemoryStore } from '../../src/store/memoryStore.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);
const id = expect.stringMatching(/^[a-z][a-z0-9]{23}$/) as string;

let memory: MemoryDriver;
let driver: Driver;
let manager: InstanceManager;
let events: LifecycleEvent[];
let broken: Set<string>;

/** A driver that can keep memory, as far as a manager can tell; machines in memory have none. */
const keepingMemory = (given: MemoryDriver): Driver => ({
  ...given,
  snapshots: { ...(given.snapshots as Snapshotting), kinds: ['Stopped', 'Standby'] },
});

const changed =
  (fault: (snapshots: Snapshotting) => Partial<Snapshotting>) =>
  (given: MemoryDriver): Driver => {
    const { snapshots, ...driver } = keepingMemory(given);
    return { ...driver, snapshots: { ...(snapshots as Snapshotting), ...fault(snapshots as Snapshotting) } };
  };

/** Looks for a fault with each call. */
const lazily = (whole: Snapshotting, fault: () => Partial<Snapshotting>): Partial<Snapshotting> => ({
  seal: (...args) => ({ ...whole, ...fault() }).seal(...args),
  check: (...args) => ({ ...whole, ...fault() }).check(...args),
  replace: (...args) => ({ ...whole, ...fault() }).replace(...args),
});

async function open(
  change: (given: MemoryDriver) => Driver = keepingMemory,
  options: Partial<ManagerOptions> = {},
): Promise<void> {
  broken = new Set();
  memory = createMemoryDriver({
    fail: (operation) => (broken.has(operation) ? new Error(`${operation} fails`) : undefined),
  });
  driver = change(memory);
  manager = await openManager({ drivers: [driver], ...options });
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
}

/** What was told since the last look. */
const told = (): string[] =>
  events
    .splice(0)
    .map(({ action, previousState, instance }) =>
      [action, previousState, instance?.state].filter((part) => part !== undefined).join(' '),
    );

/** An instance with a line in its log, in a state. */
async function made(state: 'Running' | 'Stopped' | 'Standby' = 'Stopped', name = 'web'): Promise<Instance> {
  const created = await value(manager.create({ name, image: 'any', env: { A: '1' } }));
  memory.machine(created.id).print('first');
  if (state === 'Stopped') await value(manager.stop(name));
  if (state === 'Standby') await value(manager.standby(name));
  told();
  return value(manager.get(name));
}

const log = (name: string): Promise<readonly string[]> =>
  lastValueFrom(
    manager.logs(name).pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );

const listed = (): Promise<readonly Snapshot[]> => value(manager.listSnapshots());

beforeEach(() => open());
afterEach(() => manager.close().catch(() => undefined));

describe('createSnapshot', () => {
  it('keeps what a Stopped instance was, and tells that it was taken', async () => {
    const { spec, ...web } = await made();
    const snapshot = await value(
      manager.createSnapshot('web', { kind: 'Stopped', name: 'one', tags: { a: 'b' } }),
    );
    expect(snapshot).toEqual({
      ...{
        id,
        instanceId: web.id,
        instanceName: 'web',
        name: 'one',
        kind: 'Stopped',
        spec,
        tags: { a: 'b' },
      },
      ...{ createdAt: expect.any(Number) as number, size: 5, hash: expect.any(String) as string, data: null },
    });
    expect(Object.isFrozen(snapshot.tags)).toBe(true);
    expect(told()).toEqual(['create_snapshot']);
    expect(await value(manager.getSnapshot(snapshot.id))).toBe(snapshot);
    expect(await listed()).toEqual([snapshot]);
    expect(memory.snapshotFolders()).toEqual([expect.stringMatching(`/snapshots/${snapshot.id}$`)]);
  });

  it('puts a Running source on standby for the time of the copy, and tells both', async () => {
    let during: string | undefined;
    await open((given) => {
      const snapshots = keepingMemory(given).snapshots as Snapshotting;
      const look$ = defer(() => manager.get('web')).pipe(
        tap(({ state }) => (during = state)),
        ignoreElements(),
      );
      return { ...given, snapshots: { ...snapshots, take: (plan) => concat(look$, snapshots.take(plan)) } };
    });
    await made('Running');
    const { kind } = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    expect(kind).toBe('Standby');
    expect(during).toBe('Standby');
    expect(told()).toEqual(['standby Running Standby', 'restore Standby Running', 'create_snapshot']);
  });

  it('leaves one on Standby as it is', async () => {
    await made('Standby');
    await value(manager.createSnapshot('web', { kind: 'Standby' }));
    expect(told()).toEqual(['create_snapshot']);
    expect((await value(manager.get('web'))).state).toBe('Standby');
  });

  it.each([
    ['Stopped', 'Running'],
    ['Stopped', 'Standby'],
    ['Standby', 'Stopped'],
  ] as const)('of kind %s is refused while %s', async (kind, state) => {
    await made(state);
    await expect(value(manager.createSnapshot('web', { kind }))).rejects.toMatchObject({
      ...{ _tag: 'InvalidState', state, verb: 'createSnapshot' },
    });
    expect(told()).toEqual([]);
    expect(memory.snapshotFolders()).toEqual([]);
  });

  it('is not supported of a kind that the driver cannot keep, nor by one without snapshots', async () => {
    await open((given) => given);
    await made('Running');
    const standby$ = manager.createSnapshot('web', { kind: 'Standby' });
    await expect(value(standby$)).rejects.toMatchObject({ _tag: 'NotSupported', driver: 'memory' });
    await open(({ snapshots: _, ...rest }) => rest);
    await made();
    const stopped$ = manager.createSnapshot('web', { kind: 'Stopped' });
    await expect(value(stopped$)).rejects.toMatchObject({ _tag: 'NotSupported', verb: 'createSnapshot' });
    expect(told()).toEqual([]);
  });

  it('takes a name once per instance, also when asked at once', async () => {
    await made();
    await made('Stopped', 'db');
    const both = ['web', 'web', 'db'].map((name) =>
      value(manager.createSnapshot(name, { kind: 'Stopped', name: 'one' })),
    );
    const results = await Promise.allSettled(both);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { _tag: 'NameTaken', taken: 'one' } });
    expect(memory.snapshotFolders()).toHaveLength(2);
  });

  it('that fails leaves no file, and restores a source that ran', async () => {
    await made('Running');
    broken.add('take');
    await expect(value(manager.createSnapshot('web', { kind: 'Standby' }))).rejects.toMatchObject({
      ...{
        _tag: 'DriverFailed',
        verb: 'createSnapshot',
        message: expect.stringContaining('take fails') as string,
      },
    });
    expect(told()).toEqual(['standby Running Standby', 'restore Standby Running']);
    expect(await listed()).toEqual([]);
  });

  it('is frozen whatever keeps its record, and has no name that it was not given', async () => {
    const store = createMemoryStore();
    const commit: Store['commit'] = (change) =>
      change.action === 'create_snapshot' ? EMPTY : store.commit(change);
    await open(keepingMemory, { store: { ...store, commit } });
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    expect([Object.isFrozen(snapshot), Object.isFrozen(snapshot.tags)]).toEqual([true, true]);
    expect(Object.keys(snapshot)).not.toContain('name');
  });

  it('whose record cannot be kept leaves no file', async () => {
    const store = createMemoryStore();
    const failure = new Error('disk full');
    await open(keepingMemory, {
      store: {
        ...store,
        commit: (change) =>
          change.action === 'create_snapshot' ? throwError(() => failure) : store.commit(change),
      },
    });
    await made();
    await expect(value(manager.createSnapshot('web', { kind: 'Stopped' }))).rejects.toBe(failure);
    expect(memory.snapshotFolders()).toEqual([]);
    expect(await listed()).toEqual([]);
  });

  it.each<[unknown, readonly string[]]>([
    [undefined, ['']],
    [{}, ['kind']],
    [
      { kind: 'Running', name: 'Not a name', tags: { '': 'x' }, more: 1 },
      ['more', 'kind', 'name', "tags['']"],
    ],
  ])('names every fault of %j', async (request, paths) => {
    await made();
    const failure = await value(manager.createSnapshot('web', request as never)).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ _tag: 'InvalidRequest' });
    expect((failure as { faults: { path: string }[] }).faults.map(({ path }) => path)).toEqual(paths);
  });
});

describe('listSnapshots', () => {
  it('gives those for which all conditions hold', async () => {
    const web = await made();
    await made('Standby', 'db');
    const one = await value(
      manager.createSnapshot('web', { kind: 'Stopped', name: 'one', tags: { a: '1' } }),
    );
    const two = await value(manager.createSnapshot('web', { kind: 'Stopped', name: 'two' }));
    const three = await value(
      manager.createSnapshot('db', { kind: 'Standby', name: 'one', tags: { a: '2' } }),
    );
    const of = (filter: object): Promise<unknown> => value(manager.listSnapshots(filter));
    expect(await of({})).toEqual([one, two, three]);
    expect(await of({ instanceId: web.id })).toEqual([one, two]);
    expect(await of({ kind: 'Standby' })).toEqual([three]);
    expect(await of({ name: 'one' })).toEqual([one, three]);
    expect(await of({ tags: { a: '1' } })).toEqual([one]);
    expect(await of({ name: 'one', kind: 'Standby', tags: { a: '1' } })).toEqual([]);
    await expect(of({ state: 'Stopped' })).rejects.toMatchObject({ faults: [{ path: 'state' }] });
  });
});

describe('deleteSnapshot', () => {
  it('removes record and files, emits it as it was, and tells that', async () => {
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped', name: 'one' }));
    expect(await value(manager.deleteSnapshot(snapshot.id))).toBe(snapshot);
    expect(memory.snapshotFolders()).toEqual([]);
    expect(told()).toEqual(['create_snapshot', 'delete_snapshot']);
    for (const verb$ of [manager.getSnapshot(snapshot.id), manager.deleteSnapshot(snapshot.id)]) {
      await expect(value(verb$)).rejects.toMatchObject({ _tag: 'SnapshotNotFound', snapshotId: snapshot.id });
    }
    await value(manager.createSnapshot('web', { kind: 'Stopped', name: 'one' }));
  });

  it('removes the record before the files, so that no record is of files that are gone', async () => {
    const store = createMemoryStore();
    const kept: number[] = [];
    await open(
      changed(({ discard }) => ({
        discard: (folder) =>
          concat(
            store.load().pipe(
              tap(({ snapshots }) => kept.push(snapshots.length)),
              ignoreElements(),
            ),
            discard(folder),
          ),
      })),
      { store },
    );
    await made();
    const { id: snapshotId } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await value(manager.deleteSnapshot(snapshotId));
    expect(kept).toEqual([0]);
  });

  it('waits until a fork has read the files', async () => {
    const go$ = new Subject<never>();
    await open((given) => {
      const { snapshots = {} as Snapshotting, ...rest } = given;
      return {
        ...rest,
        snapshots: { ...snapshots, layOut: (plan, content) => concat(go$, snapshots.layOut(plan, content)) },
      };
    });
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    const fork = value(manager.forkSnapshot(snapshot.id, { name: 'fork' }));
    const deleted = value(manager.deleteSnapshot(snapshot.id));
    expect(memory.snapshotFolders()).toHaveLength(1);
    go$.complete();
    expect((await fork).state).toBe('Stopped');
    await deleted;
    expect(memory.snapshotFolders()).toEqual([]);
    expect(await log('fork')).toEqual(['first']);
  });

  it('of files that cannot be removed is written to the log', async () => {
    const warned: object[] = [];
    const logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields: object) => void warned.push(fields),
    };
    await open(
      (given) => ({
        ...given,
        snapshots: {
          ...(given.snapshots as Snapshotting),
          discard: () => throwError(() => new Error('busy')),
        },
      }),
      { logger },
    );
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await value(manager.deleteSnapshot(snapshot.id));
    expect(await listed()).toEqual([]);
    expect(warned).toMatchObject([{ snapshotId: snapshot.id, err: { message: 'busy' } }]);
  });
});

describe('forkSnapshot', () => {
  it.each([
    ['Stopped', undefined, 'Stopped'],
    ['Stopped', 'Running', 'Running'],
    ['Standby', undefined, 'Standby'],
    ['Standby', 'Stopped', 'Stopped'],
    ['Standby', 'Running', 'Running'],
  ] as const)('of kind %s to %s makes an instance that is %s', async (kind, targetState, state) => {
    const web = await made(kind);
    const snapshot = await value(manager.createSnapshot('web', { kind }));
    await value(manager.delete('web'));
    told();
    const request = targetState === undefined ? {} : { targetState };
    const fork = await value(manager.forkSnapshot(snapshot.id, { name: 'fork', ...request }));
    expect(fork).toMatchObject({ id, name: 'fork', state, revision: 1, spec: web.spec });
    expect(fork.id).not.toBe(web.id);
    expect(told()).toEqual([`fork ${state}`]);
    expect(await log('fork')).toEqual(['first']);
    expect(memory.running()).toEqual(state === 'Stopped' ? [] : [fork.id]);
  });

  it.each([
    ['layOut', 'DriverFailed'],
    ['launch', 'LaunchFailed'],
  ])('that fails at %s leaves nothing', async (operation, _tag) => {
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    broken.add(operation);
    const fork$ = manager.forkSnapshot(snapshot.id, { name: 'fork', targetState: 'Running' });
    await expect(value(fork$)).rejects.toMatchObject({ _tag });
    expect(memory.homes()).toHaveLength(1);
    expect(told()).toEqual(['create_snapshot']);
    broken.clear();
    await value(fork$);
  });

  it('of a damaged one is refused, and so is a restore; nothing is changed', async () => {
    const web = await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await lastValueFrom((driver.snapshots as Snapshotting).discard(memory.snapshotFolders()[0] as string), {
      defaultValue: undefined,
    });
    for (const verb$ of [
      manager.forkSnapshot(snapshot.id, { name: 'fork' }),
      manager.restoreSnapshot('web', snapshot.id),
    ]) {
      await expect(value(verb$)).rejects.toMatchObject({
        ...{
          _tag: 'SnapshotDamaged',
          snapshotId: snapshot.id,
          differences: [{ path: '', found: 'nothing' }],
        },
      });
    }
    expect(await value(manager.list())).toEqual([web]);
    expect(told()).toEqual(['create_snapshot']);
  });

  it('of one that is not there, under a name that is taken, or by a request that is none, is refused', async () => {
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    const fork = (snapshotId: unknown, request: unknown): Promise<unknown> =>
      value(manager.forkSnapshot(snapshotId as string, request as never));
    await expect(fork('nobody', { name: 'a' })).rejects.toMatchObject({ _tag: 'SnapshotNotFound' });
    await expect(fork(7, { name: 'a' })).rejects.toMatchObject({ faults: [{ path: 'snapshotId' }] });
    await expect(fork(snapshot.id, { name: 'web' })).rejects.toMatchObject({ _tag: 'NameTaken' });
    await expect(fork(snapshot.id, { name: 'A', targetState: 'Paused' })).rejects.toMatchObject({
      faults: [{ path: 'name' }, { path: 'targetState' }],
    });
  });
});

describe('restoreSnapshot', () => {
  it.each([
    ['Stopped', undefined, 'Stopped'],
    ['Stopped', 'Running', 'Running'],
    ['Standby', undefined, 'Running'],
    ['Standby', 'Standby', 'Standby'],
    ['Standby', 'Stopped', 'Stopped'],
  ] as const)('of kind %s to %s ends %s, files and spec as they were', async (kind, targetState, state) => {
    const web = await made(kind);
    const snapshot = await value(manager.createSnapshot('web', { kind }));
    memory.machine(web.id).print('second');
    await value(manager.update('web', { env: { A: '2' } }));
    const before = await value(manager.get('web'));
    told();
    const request = targetState === undefined ? {} : { targetState };
    const restored = await value(manager.restoreSnapshot('web', snapshot.id, request));
    expect(restored).toMatchObject({
      id: web.id,
      name: 'web',
      state,
      spec: web.spec,
      revision: before.revision + 1,
    });
    expect(restored.createdAt).toBe(web.createdAt);
    expect(restored).not.toHaveProperty('exit');
    expect(restored).not.toHaveProperty('stoppedAt');
    for (const field of ['handle', 'startedAt'] as const) {
      expect(restored[field] === undefined).toBe(state === 'Stopped');
    }
    expect(told()).toEqual([`restore ${kind} ${state}`]);
    expect(await log('web')).toEqual(['first']);
    expect(memory.running()).toEqual(state === 'Stopped' ? [] : [web.id]);
    // The machine that was ended for it is not heard any more.
    expect(await value(manager.refresh('web'))).toEqual(restored);
  });

  it.each(['Running', 'Paused', 'Initializing'] as const)('is refused while %s', async (state) => {
    const web = await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    const readiness = { kind: 'tcp', port: 80 } as const;
    if (state === 'Initializing') await value(manager.update('web', { readiness }));
    await value(manager.start('web'));
    if (state === 'Paused') memory.machine(web.id).halt();
    await value(manager.refresh('web'));
    told();
    await expect(value(manager.restoreSnapshot('web', snapshot.id))).rejects.toMatchObject({
      ...{ _tag: 'InvalidState', state, verb: 'restoreSnapshot' },
    });
    expect(told()).toEqual([]);
  });

  it('of another instance, or to a state that it cannot have, is refused', async () => {
    await made();
    await made('Stopped', 'db');
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    const restore = (...args: readonly unknown[]): Promise<unknown> =>
      value(manager.restoreSnapshot(...(args as [string, string])));
    await expect(restore('db', snapshot.id)).rejects.toMatchObject({ faults: [{ path: 'snapshotId' }] });
    await expect(restore('web', 'nobody')).rejects.toMatchObject({ _tag: 'SnapshotNotFound' });
    await expect(restore('web', snapshot.id, { targetState: 'Standby' })).rejects.toMatchObject({
      faults: [{ path: 'targetState', found: "'Standby'" }],
    });
    await expect(restore('web', snapshot.id, { name: 'x' })).rejects.toMatchObject({
      faults: [{ path: 'name' }],
    });
    expect(told()).toEqual(['create_snapshot']);
  });

  it.each(['replace', 'launch'])(
    'that fails at %s leaves a Stopped instance as it was',
    async (operation) => {
      const web = await made();
      const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
      await value(manager.start('web'));
      memory.machine(web.id).print('second');
      const stopped = await value(manager.stop('web'));
      told();
      broken.add(operation);
      const restore$ = manager.restoreSnapshot('web', snapshot.id, { targetState: 'Running' });
      await expect(value(restore$)).rejects.toHaveProperty('_tag');
      expect(told()).toEqual([]);
      expect(await value(manager.get('web'))).toEqual(stopped);
      expect(await log('web')).toEqual(['first', 'second']);
    },
  );

  it('that cannot be kept ends what it launched before it brings back what was there', async () => {
    const store = createMemoryStore();
    const failure = new Error('disk full');
    const running: (readonly string[])[] = [];
    await open(
      changed(({ replace }) => ({
        replace: (...args) =>
          replace(...args).pipe(
            map((done) => ({
              ...done,
              undo: () =>
                defer(() => {
                  running.push(memory.running());
                  return done.undo();
                }),
            })),
          ),
      })),
      {
        store: {
          ...store,
          commit: (change) =>
            change.action === 'restore' ? throwError(() => failure) : store.commit(change),
        },
      },
    );
    const web = await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    const restore$ = manager.restoreSnapshot('web', snapshot.id, { targetState: 'Running' });
    await expect(value(restore$)).rejects.toBe(failure);
    expect(running).toEqual([[]]);
    expect(await value(manager.get('web'))).toEqual(web);
  });

  it('that leaves behind what it replaced is done all the same, and that is written to the log', async () => {
    const warnings: string[] = [];
    await open(
      changed(({ replace }) => ({
        replace: (...args) =>
          replace(...args).pipe(
            map((done) => ({ ...done, keep: () => throwError(() => new Error('busy')) })),
          ),
      })),
      {
        logger: {
          debug: () => undefined,
          info: () => undefined,
          warn: (_, message) => void warnings.push(message),
        },
      },
    );
    await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    expect((await value(manager.restoreSnapshot('web', snapshot.id))).state).toBe('Stopped');
    expect(told()).toEqual(['create_snapshot', 'restore Stopped Stopped']);
    expect(warnings).toEqual(['what a restore replaced could not be removed']);
  });

  it('that fails once it has ended a machine on Standby tells that', async () => {
    const web = await made('Standby');
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    memory.machine(web.id).print('second');
    broken.add('kill');
    const restore$ = manager.restoreSnapshot('web', snapshot.id);
    await expect(value(restore$)).rejects.toMatchObject({ _tag: 'DriverFailed' });
    expect(told()).toEqual(['create_snapshot']);
    expect(await log('web')).toEqual(['first', 'second']);

    broken = new Set(['launch']);
    await expect(value(restore$)).rejects.toMatchObject({ _tag: 'LaunchFailed' });
    expect(told()).toEqual(['exit Standby Stopped']);
    expect(await log('web')).toEqual(['first', 'second']);
    expect((await value(manager.get('web'))).exit).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('a driver', () => {
  it.each(['Stopped', 'Standby'] as const)(
    'replaces what a home holds with the memory or without, as what is to be %s needs it',
    async (targetState) => {
      const kinds: string[] = [];
      await open(
        changed(({ replace }) => ({
          replace: (plan, content) => {
            kinds.push(plan.kind);
            return replace(plan, content);
          },
        })),
      );
      await made('Standby');
      const snapshot = await value(manager.createSnapshot('web', { kind: 'Standby' }));
      await value(manager.restoreSnapshot('web', snapshot.id, { targetState }));
      expect(kinds).toEqual([targetState]);
    },
  );

  it('that never completes where it has given its value is waited for no longer', async () => {
    await open((given) => ({
      ...changed(({ seal, replace }) => ({
        seal: (folder) => concat(seal(folder), NEVER),
        replace: (...args) => concat(replace(...args), NEVER),
      }))(given),
      launch: (plan) =>
        given
          .launch(plan)
          .pipe(map((machine) => ({ ...machine, kill: () => concat(machine.kill(), NEVER) }))),
    }));
    await made('Standby');
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Standby' }));
    expect((await value(manager.restoreSnapshot('web', snapshot.id))).state).toBe('Running');
  });

  it.each<[string, string, (snapshots: Snapshotting) => Partial<Snapshotting>]>([
    ['createSnapshot', 'seals without a word', () => ({ seal: () => EMPTY })],
    ['restoreSnapshot', 'replaces without a word', () => ({ replace: () => EMPTY })],
    ['restoreSnapshot', 'cannot check', () => ({ check: () => throwError(() => new Error('unreadable')) })],
  ])('fails a %s when it %s, and nothing has changed', async (verb, _, fault) => {
    let isFaulty = false;
    await open(changed((snapshots) => lazily(snapshots, () => (isFaulty ? fault(snapshots) : {}))));
    const web = await made();
    const snapshot = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    isFaulty = true;
    const work$: Observable<unknown> =
      verb === 'createSnapshot'
        ? manager.createSnapshot('web', { kind: 'Stopped' })
        : manager.restoreSnapshot('web', snapshot.id);
    await expect(value(work$)).rejects.toMatchObject({ _tag: 'DriverFailed', verb });
    expect([await listed(), memory.snapshotFolders().length]).toEqual([[snapshot], 1]);
    expect(await value(manager.get('web'))).toEqual(web);
  });
});

describe('a manager with snapshots', () => {
  it('measures their verbs', async () => {
    const measured: Measurement[] = [];
    manager.measurements$.subscribe((each) => measured.push(each));
    await made();
    const { id: snapshotId } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await value(manager.restoreSnapshot('web', snapshotId));
    await value(manager.forkSnapshot(snapshotId, { name: 'fork' }));
    await value(manager.deleteSnapshot(snapshotId));
    const verbs = measured.flatMap((each) => (each.kind === 'verb' ? [`${each.verb} ${each.result}`] : []));
    expect(verbs.slice(-4)).toEqual([
      'createSnapshot ok',
      'restoreSnapshot ok',
      'forkSnapshot ok',
      'deleteSnapshot ok',
    ]);
  });

  it('removes them when nothing is to be left, and refuses their verbs when it is closed', async () => {
    await made();
    const { id: snapshotId } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await manager.close();
    expect(memory.snapshotFolders()).toEqual([]);
    for (const verb$ of [
      manager.createSnapshot('web', { kind: 'Stopped' }),
      manager.listSnapshots(),
      manager.getSnapshot(snapshotId),
      manager.deleteSnapshot(snapshotId),
      manager.forkSnapshot(snapshotId, { name: 'fork' }),
      manager.restoreSnapshot('web', snapshotId),
    ]) {
      await expect(value(verb$ as Observable<unknown>)).rejects.toMatchObject({ _tag: 'ManagerClosed' });
    }
  });

  it('ends what a restore launched that was cut off before it was kept', async () => {
    const store = createMemoryStore();
    const web = await made('Standby');
    const instance = { ...web, handle: { machine: 1_000 } };
    await value(store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: web.id, instance }));
    const reclaimed: string[] = [];
    const reclaim = (home: string): Observable<never> =>
      defer(() => {
        reclaimed.push(home);
        return EMPTY;
      });
    const next = await openManager({ drivers: [{ ...memory, reclaim }], store });
    expect(reclaimed).toEqual([expect.stringMatching(`/instances/${web.id}$`)]);
    expect((await value(next.get('web'))).state).toBe('Stopped');
    await next.close();
  });
});
