import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import {
  createProcessDriver,
  type Instance,
  type InstanceManager,
  type Logger,
  type MachineHandle,
  openManager,
} from 'rx-instances';
import { ownMark } from '../../src/drivers/driver.js';
import { type ProcessEntry, processTable } from '../../src/drivers/host/processTable.js';
import { runPathOf } from '../../src/drivers/host/runRecord.js';
import { noLogger } from '../../src/manager/noLogger.js';
import { openDataDir } from '../../src/store/openDataDir.js';
import { defaults, done, wholeLog } from '../store/changes.js';
import { kernelViewOf, processesOf } from '../support/processes.js';

let folder: string;
let dataDir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'worlds-'));
  dataDir = join(folder, 'data');
});
afterEach(async () => {
  const manager = await open();
  await manager.close({ stopInstances: true });
  rmSync(folder, { recursive: true });
});

const open = (path = dataDir, logger: Logger = noLogger): Promise<InstanceManager> =>
  openManager({ dataDir: path, logger, drivers: [createProcessDriver({ pollMs: 5 })] });

const request = (name: string) => ({ name, image: 'scratch', entrypoint: ['sleep', '600'] });

const left = async (): Promise<Instance> => {
  const manager = await open();
  const instance = await firstValueFrom(manager.create(request('web')));
  await manager.close();
  return instance;
};

const look = async (path = dataDir): Promise<Instance> => {
  const manager = await open(path);
  const instance = await firstValueFrom(manager.get('web'));
  await manager.close();
  return instance;
};

const store = () => openDataDir(dataDir, { ...defaults, onDamaged: () => undefined });

describe('what is not ours is left alone:', () => {
  it('the processes of the directory that this one is a copy of', async () => {
    const { id, handle } = await left();
    const copy = join(folder, 'copy');
    // Node copies no pipes.
    const filter = (path: string): boolean => !path.includes('/lock') && !lstatSync(path).isFIFO();
    cpSync(dataDir, copy, { recursive: true, filter });
    await expect(look(copy)).resolves.toMatchObject({ state: 'Stopped', exit: { code: null, signal: null } });

    // Also where the copy knows nothing but the home.
    const manager = await open(copy);
    await firstValueFrom(manager.start('web'));
    await firstValueFrom(manager.delete('web'));
    await manager.close();
    cpSync(join(dataDir, 'instances'), join(copy, 'instances'), { recursive: true, filter });
    await (await open(copy)).close();
    expect(existsSync(join(copy, 'instances', id))).toBe(false);

    expect(processesOf(id)).toEqual([handle?.pid]);
    await expect(look()).resolves.toMatchObject({ state: 'Running', handle });
  });

  it.each<[string, MachineHandle]>([
    ['a process that has got the pid', { startTime: '1' }],
    ['a process of this boot, when the handle is of another', { bootId: 'another' }],
    ["a process that the store and the home both name, though it is not the instance's", {}],
  ])('%s', async (_, change) => {
    const { id, handle } = await left();
    const stranger = spawn('sleep', ['600'], { detached: true });
    const pid = stranger.pid as number;
    const { startTime } = (await processTable.find(pid)) as ProcessEntry;
    const kept = await store();
    const [event] = await wholeLog(kept);
    const planted = { ...handle, pid, startTime, group: undefined, ...change };
    const forged = { ...(event?.instance as Instance), revision: 2, handle: planted };
    await firstValueFrom(
      kept.commit({
        action: 'update',
        cause: { by: 'caller' },
        instanceId: id,
        instance: forged,
        previousState: 'Running',
      }),
    );
    await done(kept.close());
    // So does the home, with the token and all, and says that this process has started it.
    const { token, ...rest } = planted as { readonly token?: string };
    const tokenHash = createHash('sha256').update(String(token)).digest('hex');
    const here = await processTable.find(process.pid);
    const record = { handle: rest, spawner: { pid: here?.pid, startTime: here?.startTime }, tokenHash };
    writeFileSync(runPathOf(join(dataDir, 'instances', id)), JSON.stringify(record));

    await expect(look()).resolves.toMatchObject({ state: 'Stopped', exit: { code: null, signal: null } });
    expect(kernelViewOf(pid)?.state).toMatch(/^[SRD]$/);
    stranger.kill('SIGKILL');
    // The instance's own process is ended: nobody holds it any more.
    expect(processesOf(id)).toEqual([]);
  });

  it('a process that the file of a home without an instance names, but another start time', async () => {
    const stranger = spawn('sleep', ['600'], { detached: true });
    await (await open()).close();
    const home = join(dataDir, 'instances', 'a'.repeat(24));
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, ownMark), '');
    const handle = { pid: stranger.pid, startTime: '1', bootId: 'any', logStart: 0, home: 'any' };
    writeFileSync(join(home, 'run.json'), JSON.stringify({ handle, spawner: { pid: 2, startTime: '1' } }));
    writeFileSync(join(dataDir, 'instances', 'notes.txt'), 'mine');
    await (await open()).close();
    expect(existsSync(home)).toBe(false);
    expect(existsSync(join(dataDir, 'instances', 'notes.txt'))).toBe(true);
    expect(kernelViewOf(stranger.pid as number)?.state).toMatch(/^[SRD]$/);
    stranger.kill('SIGKILL');
  });
});

it('a directory that was moved finds its own processes', async () => {
  const { handle } = await left();
  const moved = join(folder, 'moved');
  renameSync(dataDir, moved);
  await expect(look(moved)).resolves.toMatchObject({ state: 'Running', revision: 1, handle });
  renameSync(moved, dataDir);
});

it('of managers that open at the same time one does, and the others touch nothing', async () => {
  const { id, handle } = await left();
  const opened = await Promise.allSettled(Array.from({ length: 6 }, () => open()));
  const managers = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const refused = opened.flatMap((result) =>
    result.status === 'rejected' ? [(result.reason as { readonly _tag?: unknown })._tag] : [],
  );
  expect(managers).toHaveLength(1);
  expect(refused).toEqual(Array(5).fill('DataDirLocked'));
  const [manager] = managers as [InstanceManager];
  await expect(firstValueFrom(manager.get('web'))).resolves.toMatchObject({
    state: 'Running',
    revision: 1,
    handle,
  });
  expect(processesOf(id)).toEqual([handle?.pid]);
  await manager.close();
});

it('a clock that jumps back changes no order, and loses nothing', async () => {
  const { handle } = await left();
  const clock = jest.spyOn(Date, 'now');
  const real = clock.getMockImplementation() ?? (() => performance.timeOrigin + performance.now());
  clock.mockImplementation(() => Math.floor(real() - 3_600_000));
  try {
    const manager = await open();
    await expect(firstValueFrom(manager.get('web'))).resolves.toMatchObject({ state: 'Running', handle });
    await firstValueFrom(manager.restart('web'));
    await manager.close();
  } finally {
    clock.mockRestore();
  }
  await expect(look()).resolves.toMatchObject({ state: 'Running', revision: 3 });
  const kept = await store();
  const log = await wholeLog(kept);
  await done(kept.close());
  expect(log.map(({ sequence, action }) => [sequence, action])).toEqual([
    [1, 'create'],
    [2, 'stop'],
    [3, 'start'],
  ]);
  expect((log[1]?.time ?? 0) < (log[0]?.time ?? 0)).toBe(true);
});

it('tells how far it has come, with thousands to bring back', async () => {
  const kept = await store();
  const spec = { driver: 'process', image: 'scratch', env: {}, tags: {} };
  await Promise.all(
    Array.from({ length: 1_200 }, (_, index) => {
      const id = `i${String(index).padStart(23, '0')}`;
      const handle = { pid: 2, startTime: '1', bootId: 'another', logStart: 0, home: 'another' };
      const instance: Instance = { id, name: id, spec, state: 'Running', revision: 1, createdAt: 0, handle };
      return lastValueFrom(
        kept.commit({ action: 'create', cause: { by: 'caller' }, instanceId: id, instance }),
      );
    }),
  );
  await done(kept.close());
  const logged: unknown[] = [];
  const info = (fields: object, message: string): void => {
    logged.push([message, { ...fields, seconds: undefined }]);
  };
  const manager = await open(dataDir, { ...noLogger, info });
  await expect(firstValueFrom(manager.list({ state: 'Stopped' }))).resolves.toHaveLength(1_200);
  await manager.close();
  expect(logged).toEqual([
    ['recovering', { recovered: 500, of: 1_200 }],
    ['recovering', { recovered: 1_000, of: 1_200 }],
    ['recovered', { instances: 1_200, homes: 0 }],
  ]);
});
