import { createId } from '@paralleldrive/cuid2';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  concatWith,
  defer,
  EMPTY,
  finalize,
  firstValueFrom,
  ignoreElements,
  map,
  NEVER,
  type Observable,
  of,
  throwError,
  timer,
} from 'rxjs';
import {
  type Driver,
  type Instance,
  type InstanceManager,
  type Machine,
  type MachineHandle,
  type MachineStatus,
  openManager,
  type Snapshotting,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver, type MemoryOperation } from 'rx-instances/testing';
import { ownMark } from '../../src/drivers/driver.js';
import { pathsIn } from '../../src/store/dataDirPaths.js';
import { openDataDir } from '../../src/store/openDataDir.js';
import type { Store } from '../../src/store/store.js';
import { defaults, done, wholeLog } from '../store/changes.js';
import { anInstance } from '../support/lifecycleEvents.js';

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let dataDir: string;
let driver: MemoryDriver;
let broken: Set<MemoryOperation>;
let warnings: string[];
/** What drivers were asked for, in that order. */
let asked: string[];
let manager: InstanceManager | undefined;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'records-'));
  broken = new Set();
  driver = createMemoryDriver({
    fail: (operation) => (broken.has(operation) ? new Error(`${operation} fails`) : undefined),
  });
  warnings = [];
  asked = [];
});
afterEach(async () => {
  await manager?.close();
  rmSync(dataDir, { recursive: true });
});

async function inStore<T>(work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openDataDir(dataDir, { ...defaults, onDamaged: () => undefined });
  try {
    return await work(store);
  } finally {
    await done(store.close());
  }
}

/** A record as a manager left it that was killed, and what it had written down before a verb. */
async function left(
  fields: Partial<Instance>,
  intent?: { readonly verb: string; readonly revision: number },
): Promise<string> {
  const instance = anInstance({ id: createId(), ...fields });
  await inStore(async (store) => {
    await value(
      store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: instance.id, instance }),
    );
    if (intent !== undefined) await done(store.saveRuntime('manager', instance.id, intent));
  });
  return instance.id;
}

/** A machine that runs in the home of an instance. */
async function machine(instanceId: string, fields: Partial<Instance['spec']> = {}): Promise<MachineHandle> {
  const spec = { ...anInstance().spec, ...fields };
  const plan = { instanceId, name: 'web', spec, home: join(pathsIn(dataDir).homes, instanceId) };
  await done(driver.prepare(plan));
  return (await value(driver.launch(plan))).handle;
}

const asks = <T>(what: string, work: () => Observable<T>): Observable<T> =>
  defer(() => {
    asked.push(what);
    return work();
  });

async function open(change: Partial<Driver> = {}, ...others: readonly Driver[]): Promise<InstanceManager> {
  const { adopt, reclaim, discard, snapshots } = { ...driver, ...change };
  const watched: Driver = {
    ...driver,
    ...change,
    adopt: (...args) => asks('adopt', () => adopt(...args)),
    ...(reclaim !== undefined && { reclaim: (home) => asks('reclaim', () => reclaim(home)) }),
    discard: (home) => asks('discard', () => discard(home)),
    snapshots: {
      ...(snapshots as Snapshotting),
      mend: (home) => asks('mend', () => (snapshots as Snapshotting).mend(home)),
    },
  };
  return (manager = await openManager({
    dataDir,
    drivers: [watched, ...others],
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (_, message) => void warnings.push(message),
    },
  }));
}

async function close(): Promise<void> {
  await manager?.close();
  manager = undefined;
}

/** The states of all instances, with their revisions. */
const found = async (): Promise<readonly string[]> =>
  (await value((manager as InstanceManager).list()))
    .map(({ state, revision }) => `${state} ${String(revision)}`)
    .toSorted();

const failing = (message: string): Observable<never> => throwError(() => new Error(message));

/** Finds machines again, changed. */
const adopting = (fault: (found: Machine) => Partial<Machine>): Partial<Driver> => ({
  adopt: (plan, handle) => driver.adopt(plan, handle).pipe(map((it) => ({ ...it, ...fault(it) }))),
});

const seen = (status: MachineStatus): Partial<Driver> => adopting(() => ({ inspect: () => of(status) }));

describe('a delete that was written down', () => {
  it('is finished, and the machine is killed that is found by its handle', async () => {
    const id = createId();
    await left({ id, handle: await machine(id), revision: 3 }, { verb: 'delete', revision: 3 });
    await open({ reclaim: () => EMPTY });
    expect([await found(), driver.running(), driver.homes()]).toEqual([[], [], []]);
  });

  it.each<[string, (handle: MachineHandle) => Partial<Instance>]>([
    ['is not found by its handle', () => ({ handle: { machine: 1_000 } })],
    ['nobody kept the handle of', () => ({ state: 'Stopped' })],
  ])('is finished, and what runs in the home is killed that %s', async (_, fields) => {
    const id = createId();
    await left({ id, revision: 3, ...fields(await machine(id)) }, { verb: 'delete', revision: 3 });
    await open();
    expect([await found(), driver.running(), driver.homes()]).toEqual([[], [], []]);
  });

  it('and cannot be finished is told, and is not tried again', async () => {
    const id = createId();
    await left({ id, handle: await machine(id) }, { verb: 'delete', revision: 1 });
    broken.add('discard');
    await open();
    expect([await found(), warnings]).toEqual([
      ['Running 1'],
      ['a verb that was cut off could not be finished'],
    ]);
    await close();
    broken.clear();
    await open();
    expect(await found()).toEqual(['Stopped 2']);
  });

  it.each([2, 3, 5])('at revision 1 is past at revision %i, whatever the instance does', async (revision) => {
    const intent = { verb: 'delete', revision: 1 };
    const id = createId();
    await left({ id, revision, handle: await machine(id) }, intent);
    await left({ revision, state: 'Stopped' }, intent);
    await open();
    expect(await found()).toEqual([`Running ${String(revision)}`, `Stopped ${String(revision)}`]);
  });
});

describe('a verb of two steps that was written down', () => {
  it.each<[string, Partial<Instance>, string, string]>([
    ['a restart goes on from its stop', { state: 'Stopped', revision: 2 }, 'restart', 'Running 3'],
    ['a restart goes on from an end that was its stop', { revision: 1 }, 'restart', 'Running 3'],
    ['a restart that was done before is past', { state: 'Stopped', revision: 3 }, 'restart', 'Stopped 3'],
    ['a standby for a copy starts nothing that ended', { revision: 1 }, 'still', 'Stopped 2'],
    ['nor what was stopped', { state: 'Stopped', revision: 2 }, 'still', 'Stopped 2'],
  ])('%s', async (_, fields, verb, expected) => {
    const id = createId();
    await machine(id);
    driver.machine(id).exit({ code: 1, signal: null });
    const handle = fields.state === 'Stopped' ? {} : { handle: { machine: 1_000 } };
    await left({ id, ...handle, ...fields }, { verb, revision: 1 });
    await open();
    expect([await found(), warnings]).toEqual([[expected], []]);
  });

  it.each<[string, number, string, string]>([
    ['a standby for a copy ends', 2, 'still', 'Running 3'],
    ['one that was done before is past', 4, 'still', 'Standby 4'],
    ['a restart thaws nothing', 2, 'restart', 'Standby 2'],
  ])('of an instance on Standby: %s', async (_, revision, verb, expected) => {
    const id = createId();
    const handle = await machine(id);
    driver.machine(id).halt();
    await left({ id, handle, revision, state: 'Standby' }, { verb, revision: 1 });
    await open();
    expect(await found()).toEqual([expected]);
  });

  it.each<[string, 'stop' | 'standby', string]>([
    ['restart', 'stop', 'Stopped 2'],
    ['still', 'standby', 'Standby 2'],
  ])(
    'and not begun, %s, is forgotten: it does not come after a %s of later',
    async (verb, later, expected) => {
      const id = createId();
      await left({ id, handle: await machine(id) }, { verb, revision: 1 });
      const opened = await open();
      expect(await found()).toEqual(['Running 1']);
      await value(opened[later](id));
      await close();
      await open();
      expect(await found()).toEqual([expected]);
    },
  );

  it('and cannot be finished is told, and the manager opens', async () => {
    await left({ state: 'Stopped', revision: 2 }, { verb: 'restart', revision: 1 });
    broken.add('launch');
    await open();
    expect([await found(), warnings]).toEqual([
      ['Stopped 2'],
      ['a verb that was cut off could not be finished'],
    ]);
  });

  it('in words that nobody understands is passed over', async () => {
    await left({ state: 'Stopped', revision: 2 }, { verb: 'dance', revision: 1 });
    await open();
    expect([await found(), warnings]).toEqual([['Stopped 2'], []]);
  });
});

it('a verb that failed is not finished by the next manager', async () => {
  const opened = await open();
  const { id } = await value(opened.create({ name: 'web', image: 'any' }));
  broken.add('kill');
  await expect(value(opened.delete(id))).rejects.toMatchObject({ _tag: 'DriverFailed' });
  broken.clear();
  await close();
  await open();
  expect(await found()).toEqual(['Running 1']);
});

describe('a machine that is found again', () => {
  it.each(['Running', 'Standby'] as const)('was ready when its instance is %s', async (state) => {
    const id = createId();
    const handle = await machine(id);
    if (state === 'Standby') driver.machine(id).halt();
    await left({ id, state, handle });
    // Of what it said in former times nothing is left.
    const opened = await open(
      adopting(({ inspect }) => ({
        signals$: NEVER,
        inspect: () =>
          inspect().pipe(map((it) => (it.kind === 'running' ? { kind: it.kind, ready: false } : it))),
      })),
    );
    expect(await found()).toEqual([`${state} 1`]);
    if (state === 'Standby') await value(opened.restore(id));
    await expect(value(opened.refresh(id))).resolves.toMatchObject({ state: 'Running' });
  });

  it('is still to become ready when its instance is Initializing', async () => {
    const id = createId();
    const handle = await machine(id, { readiness: { kind: 'tcp', port: 80 } });
    await left({ id, state: 'Initializing', handle });
    const opened = await open();
    expect(await found()).toEqual(['Initializing 1']);
    const ready = value(opened.events('test'));
    driver.machine(id).ready();
    await expect(ready).resolves.toMatchObject({ action: 'ready', instance: { state: 'Running' } });
  });

  it('stays halted when it is known that somebody else halted it', async () => {
    const id = createId();
    const handle = await machine(id);
    driver.machine(id).halt();
    await left({ id, state: 'Paused', handle });
    await open();
    expect(await found()).toEqual(['Paused 1']);
  });

  it('and does not go on when it is told to is Paused, and the manager opens', async () => {
    const id = createId();
    const handle = await machine(id);
    driver.machine(id).halt();
    broken.add('thaw');
    await left({ id, handle });
    await open();
    expect([await found(), warnings]).toEqual([
      ['Paused 2'],
      ['a machine could not be brought to the state of its instance'],
    ]);
  });

  it.each<[string, MachineStatus, string]>([
    ['has ended inside', { kind: 'shutdown' }, 'Shutdown 2'],
    ['has ended', { kind: 'ended', exit: { code: 3, signal: null } }, 'Stopped 2'],
  ])('and %s is so before the manager is there', async (_, status, expected) => {
    const id = createId();
    await left({ id, handle: await machine(id) });
    await open(seen(status));
    expect(await found()).toEqual([expected]);
  });

  it('and tells its end while it is looked at has ended once', async () => {
    const id = createId();
    await left({ id, handle: await machine(id) });
    const exit = { code: 3, signal: null };
    await open(
      adopting(() => ({
        signals$: of({ kind: 'exit', exit } as const),
        inspect: () => timer(0).pipe(map(() => ({ kind: 'ended', exit }) as const)),
      })),
    );
    await close();
    const log = await inStore(wholeLog);
    expect(log.map(({ action }) => action)).toEqual(['create', 'exit']);
  });

  it('by a driver that never completes is as good as any', async () => {
    const id = createId();
    await left({ id, handle: await machine(id) });
    driver.machine(id).halt();
    await open({
      adopt: (plan, handle) =>
        driver.adopt(plan, handle).pipe(
          map((it) => ({ ...it, inspect: () => it.inspect().pipe(concatWith(NEVER)) })),
          concatWith(NEVER),
        ),
    });
    expect([await found(), warnings]).toEqual([['Running 1'], []]);
  });
});

describe('a machine that is not found again', () => {
  it.each<[string, () => Observable<never>]>([
    ['tells that it is gone', () => failing('gone')],
    ['says nothing', () => EMPTY],
  ])('by a driver which %s has ended, and nobody saw how', async (_, adopt) => {
    const id = createId();
    await left({ id, handle: { machine: 1_000 } });
    await machine(id);
    const opened = await open({ adopt });
    await expect(value(opened.get(id))).resolves.toMatchObject({
      ...{ state: 'Stopped', revision: 2 },
      exit: { code: null, signal: null },
    });
    // What another start has left there.
    expect(driver.running()).toEqual([]);
  });

  it('has not ended as long as what runs in its home cannot be ended', async () => {
    await left({ handle: { machine: 1_000 } });
    await open({ reclaim: () => failing('it does not end') });
    expect([await found(), warnings]).toEqual([
      ['Running 1'],
      ['what became of an instance could not be kept'],
    ]);
  });
});

describe('homes are brought in order', () => {
  it.each<[string, boolean, readonly string[]]>([
    ['what should not run there is ended', false, ['reclaim', 'mend']],
    ['what should is found again', true, ['adopt', 'mend']],
  ])('once %s', async (_, runs, expected) => {
    const id = createId();
    await left({ id, ...(runs ? { handle: await machine(id) } : { state: 'Stopped' }) });
    await open();
    expect(asked).toEqual(expected);
  });

  it('or that they could not be is told, and the manager opens', async () => {
    const snapshots = { ...(driver.snapshots as Snapshotting), mend: () => failing('it is busy') };
    const id = createId();
    await left({ id, handle: await machine(id) });
    await open({ snapshots });
    expect([await found(), warnings]).toEqual([
      ['Running 1'],
      ['a restore that was cut off could not be finished or undone'],
    ]);
  });

  it('of one instance whatever becomes of the others', async () => {
    await left({ state: 'Stopped' });
    const id = createId();
    await left({ id, state: 'Stopped' });
    await machine(id);
    await open({
      reclaim: (home) => (home.endsWith(id) ? (driver.reclaim?.(home) ?? EMPTY) : failing('it does not end')),
    });
    expect([warnings, driver.running()]).toEqual([['what became of an instance could not be kept'], []]);
  });

  it('32 at a time', async () => {
    await inStore(async (store) => {
      for (let count = 0; count < 40; count += 1) {
        const instance = anInstance({ id: createId(), state: 'Stopped' });
        await value(
          store.commit({ action: 'create', cause: { by: 'caller' }, instanceId: instance.id, instance }),
        );
      }
    });
    let atATime = 0;
    let most = 0;
    await open({
      reclaim: () =>
        defer(() => {
          atATime += 1;
          most = Math.max(most, atATime);
          return timer(0).pipe(
            ignoreElements(),
            finalize(() => (atATime -= 1)),
          );
        }),
    });
    expect(most).toBe(32);
  });
});

describe('a home of no instance', () => {
  const home = (): string => {
    const id = createId();
    mkdirSync(join(pathsIn(dataDir).homes, id), { recursive: true });
    writeFileSync(join(pathsIn(dataDir).homes, id, ownMark), '');
    return id;
  };
  const homesLeft = (): readonly string[] => readdirSync(pathsIn(dataDir).homes).toSorted();

  it('is removed once every driver has ended what it has there, by every driver', async () => {
    await inStore(() => Promise.resolve());
    const id = home();
    const other = createMemoryDriver();
    const plan = {
      instanceId: id,
      name: 'web',
      spec: anInstance().spec,
      home: join(pathsIn(dataDir).homes, id),
    };
    await done(other.prepare(plan));
    await value(other.launch(plan));
    await open(
      {},
      {
        ...other,
        kind: 'other',
        reclaim: (path) => asks('other reclaim', () => other.reclaim?.(path) ?? EMPTY),
        discard: (path) => asks('other discard', () => other.discard(path)),
      },
    );
    expect(asked).toEqual(['reclaim', 'other reclaim', 'discard', 'other discard']);
    expect([other.running(), other.homes()]).toEqual([[], []]);
  });

  it('of which the removal was cut off is removed, and one beside it that does not bear our mark is not', async () => {
    await inStore(() => Promise.resolve());
    const [one, other] = [home(), home()];
    for (const id of [one, other]) {
      const path = join(pathsIn(dataDir).homes, id);
      renameSync(path, `${path}.removed`);
    }
    mkdirSync(join(pathsIn(dataDir).homes, other, 'work'), { recursive: true });
    const discarded: string[] = [];
    await open({ discard: (path) => defer(() => (discarded.push(basename(path)), EMPTY)) });
    expect(discarded).toEqual([one]);
  });

  it('is left alone, and told of, unless it bears our mark', async () => {
    await inStore(() => Promise.resolve());
    const { homes } = pathsIn(dataDir);
    const foreign = ['prod', 'backup', createId(), 'x'.repeat(24), `${createId()}.removed`];
    for (const name of foreign) {
      mkdirSync(join(homes, name));
      writeFileSync(join(homes, name, 'file'), 'mine');
    }
    const elsewhere = join(dataDir, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, ownMark), '');
    const [link, linked, piped, file] = [createId(), createId(), createId(), createId()];
    symlinkSync(elsewhere, join(homes, link));
    for (const name of [linked, piped]) mkdirSync(join(homes, name));
    symlinkSync(join(elsewhere, ownMark), join(homes, linked, ownMark));
    execFileSync('mkfifo', [join(homes, piped, ownMark)]);
    writeFileSync(join(homes, file), 'mine');
    const empty = createId();
    mkdirSync(join(homes, empty));

    const left = [...foreign, link, linked, piped, file].toSorted();
    await open();
    expect([asked, homesLeft(), warnings]).toEqual([
      [],
      left,
      left.map(() => 'of no instance and no snapshot, and without our mark: left alone'),
    ]);
    expect(existsSync(join(elsewhere, ownMark))).toBe(true);
  });

  it('beside a store that is gone is left alone for good, once it is begun anew', async () => {
    await inStore(() => Promise.resolve());
    const id = home();
    writeFileSync(join(pathsIn(dataDir).homes, id, 'file'), 'kept');
    rmSync(pathsIn(dataDir).database);
    await expect(open()).rejects.toMatchObject({ _tag: 'StoreFailed' });
    expect(asked).toEqual([]);
    manager = await openManager({
      ...{ dataDir, drivers: [driver], beginAnew: true },
      logger: { debug: () => undefined, info: () => undefined, warn: (_, told) => void warnings.push(told) },
    });
    await close();
    expect(warnings).toEqual(['left alone: its store is gone, and this is another, or a copy from before']);
    await open();
    expect([asked, homesLeft()]).toEqual([[], [id]]);
  });

  it('that cannot be removed is told, and the manager opens', async () => {
    await inStore(() => Promise.resolve());
    home();
    await open({ discard: () => failing('it is busy') });
    expect(warnings).toEqual(['a home of no instance could not be removed']);
  });
});
