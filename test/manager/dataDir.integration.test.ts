import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { filter, firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import {
  createProcessDriver,
  type InstanceManager,
  type LifecycleEvent,
  type ManagerOptions,
  openManager,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { openDataDir } from '../../src/store/openDataDir.js';
import { defaults } from '../store/changes.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

// Disks and processes that others use too.
jest.setTimeout(120_000);

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

let dataDir: string;
let driver: MemoryDriver;
let managers: InstanceManager[];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'data-'));
  driver = createMemoryDriver();
  managers = [];
});

afterEach(async () => {
  await Promise.all(managers.map((manager) => manager.close()));
  rmSync(dataDir, { recursive: true });
});

async function open(options: Partial<ManagerOptions> = {}): Promise<InstanceManager> {
  const manager = await openManager({ drivers: [driver], dataDir, ...options });
  managers.push(manager);
  return manager;
}

const image = 'any';

it.each([
  ['outlives a manager with a data directory', () => ({ dataDir }), true],
  ['ends with a manager without one', () => ({}), false],
])('whatever is launched %s', async (_, storage, outlives) => {
  const launched: (readonly [string, boolean | undefined])[] = [];
  const launch: MemoryDriver['launch'] = (plan) => {
    launched.push([plan.name, plan.outlives]);
    return driver.launch(plan);
  };
  const manager = await openManager({ drivers: [{ ...driver, launch }], ...storage() });
  managers.push(manager);
  const targetState = 'Running';
  await value(manager.create({ name: 'create', image }));
  await value(manager.restart('create'));
  await value(manager.fork('create', { name: 'fork', fromRunning: true, targetState }));
  await value(manager.stop('create'));
  const { id } = await value(manager.createSnapshot('create', { kind: 'Stopped' }));
  await value(manager.start('create'));
  await value(manager.stop('create'));
  await value(manager.forkSnapshot(id, { name: 'fork-of-snapshot', targetState }));
  await value(manager.restoreSnapshot('create', id, { targetState }));
  const names = ['create', 'create', 'fork', 'create', 'fork-of-snapshot', 'create'];
  expect(launched).toEqual(names.map((name) => [name, outlives]));
  await manager.close({ stopInstances: true });
});

describe('a manager with a data directory', () => {
  it('finds again what was there, as it was', async () => {
    const first = await open();
    const web = await value(first.create({ name: 'web', image, tags: { tier: 'front' } }));
    await value(first.create({ name: 'db', image }));
    await value(first.create({ name: 'gone', image }));
    await value(first.delete('gone'));
    await value(first.standby('db'));
    const before = await value(first.list());
    await first.close();

    const second = await open();
    expect(await value(second.list())).toStrictEqual(before);
    expect(await value(second.get(web.id.slice(0, 20)))).toStrictEqual(web);
    await expect(value(second.create({ name: 'web', image }))).rejects.toMatchObject({ _tag: 'NameTaken' });
  });

  it('goes on with the same log', async () => {
    const first = await open();
    const last = value(first.events('test'));
    await value(first.create({ name: 'web', image }));
    const { epoch, sequence } = await last;
    await first.close();

    const second = await open();
    const next = value(second.events('test'));
    await value(second.stop('web'));
    expect(await next).toMatchObject({ epoch, sequence: sequence + 1, action: 'stop' });
  });

  it('leaves instances running when it is closed, and the next one takes them over', async () => {
    const first = await open();
    const { id } = await value(first.create({ name: 'web', image }));
    await first.close();
    expect(driver.running()).toStrictEqual([id]);

    const second = await open();
    const next = value(second.events('test'));
    driver.machine(id).exit({ code: 3, signal: null });
    expect(await next).toMatchObject({ action: 'exit', instanceId: id, instance: { exit: { code: 3 } } });
  });

  it('stops a machine that it took over', async () => {
    const first = await open();
    const { id } = await value(first.create({ name: 'web', image }));
    await first.close();

    const second = await open();
    expect(await value(second.refresh(id))).toMatchObject({ state: 'Running', revision: 1 });
    expect(await value(second.stop(id))).toMatchObject({ state: 'Stopped' });
    expect(driver.running()).toStrictEqual([]);
  });

  it('tells of a machine that is gone that it has ended, and nobody saw how', async () => {
    const first = await open();
    const { id } = await value(first.create({ name: 'web', image }));
    await value(first.create({ name: 'idle', image }));
    await value(first.stop('idle'));
    const idle = await value(first.get('idle'));
    await first.close();

    driver = createMemoryDriver();
    const second = await open();
    expect(await value(second.get(id))).toMatchObject({
      state: 'Stopped',
      revision: 2,
      exit: { code: null, signal: null },
    });
    expect(await value(second.get('idle'))).toStrictEqual(idle);
  });

  it('stops everything when it is told so, and keeps it', async () => {
    const first = await open();
    const { id } = await value(first.create({ name: 'web', image }));
    await first.close({ stopInstances: true });
    expect(driver.running()).toStrictEqual([]);
    expect(driver.homes()).toHaveLength(1);

    const second = await open();
    expect(await value(second.get(id))).toMatchObject({ state: 'Stopped' });
    expect(await value(second.start(id))).toMatchObject({ state: 'Running' });
  });

  it('holds it alone, until it is closed', async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({
      _tag: 'DataDirLocked',
      dataDir,
      holder: { pid: process.pid },
    });
    await first.close();
    await expect(open()).resolves.toBeDefined();
  });

  it('lets go of it when it cannot be opened', async () => {
    const first = await open();
    await value(first.create({ name: 'web', image }));
    await first.close();

    await expect(open({ drivers: [createProcessDriver()] })).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      message: 'drivers: found process, expected also memory, of which instances or snapshots are kept',
    });
    await expect(open()).resolves.toBeDefined();
  });

  it('keeps as much of the log as it is told to', async () => {
    const config = {
      instances: { lifecycleEventBufferSize: 1 },
      storage: { logMaxEvents: 2, logMaxAgeMs: 1_000_000 },
    };
    const manager = await open({ config });
    await value(manager.create({ name: 'web', image }));
    for (const verb of ['stop', 'start', 'stop'] as const) await value(manager[verb]('web'));
    await manager.close();

    const store = await openDataDir(dataDir, { ...defaults, onDamaged: () => undefined });
    const { epoch } = store;
    const { events, oldest } = await value(store.read({ epoch, sequence: 2 }, 10));
    await lastValueFrom(store.close(), { defaultValue: undefined });
    expect([oldest, events.map(({ action }: LifecycleEvent) => action)]).toStrictEqual([
      3,
      ['start', 'stop'],
    ]);
  });

  it('makes everything in it for the owner only', async () => {
    rmSync(dataDir, { recursive: true });
    const manager = await open({ drivers: [createProcessDriver()], dataDir: relative('', dataDir) });
    const { id } = await value(
      manager.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '60'] }),
    );
    expect(readdirSync(join(dataDir, 'instances'))).toStrictEqual([id]);
    const paths = ['', ...readdirSync(dataDir, { recursive: true, encoding: 'utf8' })];
    // What lies in a home or a pool is its driver's business, and behind a folder that nobody else may enter.
    const ours = paths.filter(
      (path) => ![join('instances', id), join('pool', '/')].some((its) => path.startsWith(its)),
    );
    expect(ours.length).toBeGreaterThan(5);
    expect(ours.filter((path) => (statSync(join(dataDir, path)).mode & 0o077) !== 0)).toStrictEqual([]);
    await manager.close({ stopInstances: true });
  });

  it('takes an instance that was ready for one that is', async () => {
    const drivers = [createProcessDriver()];
    const first = await open({ drivers });
    const readiness = { kind: 'log', pattern: '^ready$' } as const;
    await value(
      first.create({
        name: 'web',
        image: 'scratch',
        entrypoint: ['sh', '-c', 'echo ready; exec sleep 60'],
        readiness,
      }),
    );
    const { instance } = await value(first.waitForState('web', 'Running'));
    await first.close();

    const second = await open({ drivers: [createProcessDriver()] });
    expect(await value(second.refresh('web'))).toStrictEqual(instance);
    await second.close({ stopInstances: true });
  });

  it('tells by itself what became ready while nobody was there', async () => {
    const first = await open({ drivers: [createProcessDriver()] });
    const readiness = { kind: 'log', pattern: '^ready$' } as const;
    const waits = 'while [ ! -e go ]; do sleep 0.02; done';
    const { id } = await value(
      first.create({
        name: 'web',
        image: 'scratch',
        entrypoint: ['sh', '-c', `${waits}; echo ready; exec sleep 60`],
        readiness,
      }),
    );
    await first.close();
    const home = join(dataDir, 'instances', id);
    writeFileSync(join(home, 'work', 'go'), '');

    const second = await open({ drivers: [createProcessDriver()] });
    // A watch never polls.
    const becameRunning$ = second
      .watch('test')
      .pipe(
        filter(
          (change) =>
            (change.kind === 'upsert' && change.instance.state === 'Running') ||
            (change.kind === 'snapshot' && change.instances[0]?.state === 'Running'),
        ),
      );
    await expect(value(becameRunning$)).resolves.toBeDefined();
    await second.close({ stopInstances: true });
  });

  it('leaves processes running, and the next one finds and stops them', async () => {
    const drivers = [createProcessDriver()];
    const first = await open({ drivers });
    const { id, handle } = await value(
      first.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '60'] }),
    );
    await first.close();
    expect(processesOf(id)).toContain(handle?.pid);

    const second = await open({ drivers: [createProcessDriver()] });
    expect(await value(second.get(id))).toMatchObject({ state: 'Running', handle, revision: 1 });
    expect(await value(second.stop(id))).toMatchObject({ state: 'Stopped' });
    expect(
      await until(
        () => processesOf(id),
        (pids) => pids.length === 0,
      ),
    ).toStrictEqual([]);
  });
});
