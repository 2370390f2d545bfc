import { createId } from '@paralleldrive/cuid2';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
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
import { join, relative } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { createProcessDriver, type Driver, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import {
  claimTemporaryFolder,
  sweepTemporaryFolders,
  temporaryFolder,
} from '../../src/manager/temporaryFolder.js';
import { noLogger } from '../../src/manager/noLogger.js';

const mark = '.rx-instances';
let own: string;

beforeEach(() => {
  own = mkdtempSync(join(tmpdir(), 'sweep-'));
});
afterEach(() => {
  rmSync(own, { recursive: true });
});

const drivers = (): ReadonlyMap<string, Driver> => new Map([['process', createProcessDriver({ pollMs: 5 })]]);

/** What a manager has left that is gone: a home with a file, and its folder; its lock is the kernel's again. */
async function left(root = own): Promise<{ readonly folder: string; readonly home: string }> {
  const folder = temporaryFolder(createId(), root);
  const lock = await claimTemporaryFolder(folder, drivers(), Date.now);
  await lock.release();
  const home = join(folder, 'instances', createId());
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, mark), '');
  writeFileSync(join(home, 'file'), 'of somebody');
  return { folder, home };
}

const sweep = (all = drivers()): Promise<void> => sweepTemporaryFolders(all, Date.now, noLogger, own);

describe('a manager without a data directory', () => {
  const request = { name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] };
  const driver = (): Driver => createProcessDriver({ pollMs: 5 });

  /** The folder in which the home of an instance lies. */
  const folderOf = (instanceId: string): string =>
    readdirSync(tmpdir())
      .map((name) => join(tmpdir(), name))
      .find((folder) => existsSync(join(folder, 'instances', instanceId))) ?? '';

  it('removes what one has left that is gone, and leaves nothing itself', async () => {
    const { folder } = await left(tmpdir());
    const manager = await openManager({ drivers: [driver()] });
    expect(existsSync(folder)).toBe(false);
    const { id } = await firstValueFrom(manager.create(request));
    const mine = folderOf(id);
    await sweepTemporaryFolders(drivers(), Date.now, noLogger);
    expect(existsSync(join(mine, mark))).toBe(true);
    await manager.close();
    expect(existsSync(mine)).toBe(false);
  });

  it('that leaves its instances running has them left alone by the next', async () => {
    const manager = await openManager({ drivers: [driver()] });
    const { id, handle } = await firstValueFrom(manager.create(request));
    const mine = folderOf(id);
    await manager.close({ stopInstances: false });
    await sweepTemporaryFolders(drivers(), Date.now, noLogger);
    expect(existsSync(join(mine, 'instances', id))).toBe(true);
    expect(process.kill(handle?.pid ?? NaN, 'SIGKILL')).toBe(true);
    rmSync(mine, { recursive: true });
  });

  it('closes while others look at what it leaves', async () => {
    const looking = new AbortController();
    const looks = Array.from({ length: 8 }, async () => {
      while (!looking.signal.aborted) await sweepTemporaryFolders(drivers(), Date.now, noLogger);
    });
    const failures: unknown[] = [];
    for (let round = 0; round < 60; round += 1) {
      const manager = await openManager({ drivers: [driver()] });
      await manager.close().catch((error: unknown) => failures.push(error));
    }
    looking.abort();
    await Promise.all(looks);
    expect(failures).toEqual([]);
  });

  it('of which no driver leaves anything touches no disk', async () => {
    const { folder } = await left(tmpdir());
    const manager = await openManager({ drivers: [createMemoryDriver()] });
    expect(existsSync(folder)).toBe(true);
    await manager.close();
    await sweepTemporaryFolders(drivers(), Date.now, noLogger);
    expect(existsSync(folder)).toBe(false);
  });
});

describe('where temporary files lie', () => {
  it('may be told by a path from here on', () => {
    const managerId = createId();
    expect(temporaryFolder(managerId, relative(process.cwd(), own))).toBe(temporaryFolder(managerId, own));
  });

  it.each<[string, () => string]>([
    ['is not made where it is missing', () => join(own, 'missing', 'deep')],
    [
      'is not where a file is',
      () => {
        writeFileSync(join(own, 'file'), '');
        return join(own, 'file');
      },
    ],
  ])('%s: that is told', async (_, root) => {
    const path = root();
    const before = readdirSync(own, { recursive: true });
    await expect(sweepTemporaryFolders(drivers(), Date.now, noLogger, path)).rejects.toMatchObject({
      _tag: 'StoreFailed',
      reason: expect.stringContaining(`TMPDIR is ${path};`) as string,
    });
    expect(readdirSync(own, { recursive: true })).toEqual(before);
  });
});

describe('a sweep', () => {
  it('ends what still runs in a home', async () => {
    const { home } = await left();
    const INSTANCE_ID = home.slice(home.lastIndexOf('/') + 1);
    const child = spawn('sleep', ['600'], {
      cwd: home,
      env: { ...process.env, INSTANCE_ID },
      detached: true,
    });
    const exit = once(child, 'exit');
    await once(child, 'spawn');
    await sweep();
    expect(await exit).toEqual([null, 'SIGKILL']);
    expect(readdirSync(own)).toEqual([]);
  });

  it.each<[string, (folder: string) => void]>([
    [
      'bears no mark',
      (folder) => {
        rmSync(join(folder, mark));
      },
    ],
    [
      'bears a mark that is a link',
      (folder) => {
        renameSync(join(folder, mark), join(folder, 'other'));
        symlinkSync('other', join(folder, mark));
      },
    ],
    [
      'bears a mark that says nothing',
      (folder) => {
        writeFileSync(join(folder, mark), 'x');
      },
    ],
    [
      'bears a mark without end',
      (folder) => {
        writeFileSync(join(folder, mark), `["process"${' '.repeat(5_000)}]`);
      },
    ],
    [
      'was used with a driver that is not at hand',
      (folder) => {
        writeFileSync(join(folder, mark), '["process","qemu"]');
      },
    ],
    [
      'others have a way into',
      (folder) => {
        chmodSync(folder, 0o755);
      },
    ],
    [
      'is called otherwise',
      (folder) => {
        renameSync(folder, join(own, 'rx-instances-1'));
      },
    ],
    [
      'is a link',
      (folder) => {
        renameSync(folder, join(own, 'elsewhere'));
        symlinkSync('elsewhere', folder);
      },
    ],
  ])('leaves alone what %s', async (_, change) => {
    const { folder } = await left();
    change(folder);
    const before = readdirSync(own, { recursive: true });
    await sweep();
    expect(readdirSync(own, { recursive: true })).toEqual(before);
  });

  it("leaves alone what is another user's", async () => {
    const { folder } = await left();
    const euid = jest.spyOn(process, 'geteuid').mockReturnValue(12_345);
    await sweep();
    euid.mockRestore();
    expect(existsSync(folder)).toBe(true);
  });

  it('leaves alone what a manager holds, and goes together with others', async () => {
    const folder = temporaryFolder(createId(), own);
    const lock = await claimTemporaryFolder(folder, drivers(), Date.now);
    await sweep();
    expect(existsSync(join(folder, mark))).toBe(true);
    await lock.release();
    await Promise.all([sweep(), sweep(), sweep()]);
    expect(readdirSync(own)).toEqual([]);
  });
});
