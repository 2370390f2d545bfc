import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom, interval } from 'rxjs';
import { copyTree } from '../../../src/drivers/host/copyTree.js';
import { times } from '../../support/inShort.js';

jest.setTimeout(300_000);

const mebibyte = 1_024 * 1_024;
const value = firstValueFrom;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'many-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('a tree of many files', () => {
  const files = times(5_000, 50_000);
  const filesPerFolder = 500;
  let manager: InstanceManager;

  beforeEach(async () => {
    for (let index = 0; index < files; index += 1) {
      const within = join(folder, 'image', String(Math.floor(index / filesPerFolder)));
      if (index % filesPerFolder === 0) mkdirSync(within, { recursive: true });
      writeFileSync(join(within, String(index)), String(index));
    }
    manager = await openManager({ dataDir: join(folder, 'data'), drivers: [createProcessDriver()] });
  });
  afterEach(() => manager.close({ stopInstances: true }));

  const found = (id: string): number =>
    readdirSync(join(folder, 'data/instances', id, 'work'), { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile(),
    ).length;
  const open = (): number => readdirSync('/proc/self/fd').length;

  it('is copied, forked, kept and removed with few descriptors, all of it', async () => {
    const before = open();
    let most = before;
    const looks = interval(2).subscribe(() => (most = Math.max(most, open())));
    const image = join(folder, 'image');
    const source = await value(manager.create({ name: 'source', image, entrypoint: ['true'] }));
    await value(manager.stop('source'));
    const fork = await value(manager.fork('source', { name: 'fork', targetState: 'Stopped' }));
    const snapshot = await value(manager.createSnapshot('source', { kind: 'Stopped' }));
    expect([found(source.id), found(fork.id)]).toEqual([files, files]);
    await value(manager.delete('source'));
    await value(manager.delete('fork'));
    await value(manager.deleteSnapshot(snapshot.id));
    looks.unsubscribe();
    expect(readdirSync(join(folder, 'data/instances'))).toEqual([]);
    // Sixteen copies have two each; threads, and what one instance that runs takes, have some.
    expect(most - before).toBeLessThan(80);
    expect(most).toBeGreaterThan(before);
  });
});

describe('blocks', () => {
  let disk: string;
  let isMounted = false;

  /** A file system that can share blocks, where one may be mounted; else the one that is there. */
  beforeEach(() => {
    disk = join(folder, 'disk');
    mkdirSync(disk);
    const image = join(folder, 'disk.img');
    writeFileSync(image, '');
    truncateSync(image, 320 * mebibyte);
    isMounted = [
      ['mkfs.xfs', '-q', '-m', 'reflink=1', image],
      ['mount', '-o', 'loop', image, disk],
    ].every(([program = '', ...args]) => {
      const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
      return spawnSync(program, args, { env, stdio: 'ignore' }).status === 0;
    });
  });
  afterEach(() => {
    if (isMounted) execFileSync('umount', [disk]);
  });

  const written = async (work: () => unknown): Promise<number> => {
    const free = (): number => {
      execFileSync('sync', ['-f', disk]);
      const { bfree, bsize } = statfsSync(disk);
      return bfree * bsize;
    };
    const before = free();
    await work();
    return before - free();
  };

  it('are shared where cp --reflink=auto shares them, and holes stay holes', async () => {
    const source = join(disk, 'source');
    mkdirSync(source);
    // More than the event loop copies by itself.
    for (let index = 0; index < 600; index += 1) {
      const [name, bytes] = index < 10 ? ['large', 2 * mebibyte] : ['small', 30_000];
      writeFileSync(join(source, `${name}-${String(index)}`), Buffer.alloc(bytes, index + 1));
    }
    const sparse = 2 ** 30;
    writeFileSync(join(source, 'sparse'), 'begins');
    truncateSync(join(source, 'sparse'), sparse);
    const [byCp, byUs] = [join(disk, 'cp'), join(disk, 'us')];
    const expected = await written(() => execFileSync('cp', ['-r', '--reflink=auto', source, byCp]));
    expect(await written(() => copyTree(source, byUs))).toBeLessThan(expected + 2 * mebibyte);
    expect(statSync(join(byUs, 'sparse'))).toMatchObject({ size: sparse });
    expect(statSync(join(byUs, 'sparse')).blocks * 512).toBeLessThan(mebibyte);
    for (const name of ['large-7', 'small-77']) {
      expect(readFileSync(join(byUs, name)).equals(readFileSync(join(source, name)))).toBe(true);
    }
  });
});
