import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { open as openLmdb } from 'lmdb';
import { created, done, idOf } from './changes.js';
import { createDataDirs } from './dataDir.js';
import { fileOf, filledDir, seen, whole } from './filledDir.js';

// Disks that others use too.
jest.setTimeout(120_000);

const dataDirs = createDataDirs();

/** All that lies in a folder, as it is; what listens in `lock` comes and goes. */
const lookAt = (folder: string): readonly unknown[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('lock'))
    .toSorted()
    .map((path) => {
      const stats = lstatSync(join(folder, path));
      return [
        path,
        stats.mode,
        stats.ino,
        stats.size,
        stats.isFile() && readFileSync(join(folder, path), 'latin1'),
      ];
    });

const markerOf = (dataDir: string): string => join(dataDir, 'rx-instances.json');

/** Resolves with the reason for which a directory is not opened, of which nothing has changed. */
async function refusalOf(dataDir: string): Promise<string> {
  const before = lookAt(dataDir);
  const error: unknown = await dataDirs.open(dataDir).then(
    () => 'opened',
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ _tag: 'StoreFailed' });
  expect(lookAt(dataDir)).toStrictEqual(before);
  return (error as { readonly reason: string }).reason;
}

/** Leaves a socket as a holder does that is killed: whoever closes his own removes it. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer().listen(`${path}.live`);
  await once(server, 'listening');
  renameSync(`${path}.live`, path);
  server.close();
  await once(server, 'close');
}

/** As version 0.1.0 left one: without a marker. */
async function oldDir(): Promise<string> {
  const dataDir = await filledDir(dataDirs);
  rmSync(markerOf(dataDir));
  return dataDir;
}

describe('a data directory', () => {
  it('bears a marker that tells its layout and its host, and keeps it', async () => {
    const dataDir = await filledDir(dataDirs);
    const marker = readFileSync(markerOf(dataDir), 'utf8');
    expect(JSON.parse(marker)).toEqual({
      layout: 1,
      host: expect.stringMatching(/^[a-z][a-z0-9]{23}$/) as string,
    });
    expect(statSync(markerOf(dataDir)).mode & 0o777).toBe(0o600);
    expect(await seen(await dataDirs.open(dataDir))).toEqual(whole);
    expect(readFileSync(markerOf(dataDir), 'utf8')).toBe(marker);
  });

  it('of version 0.1.0 opens, and bears a marker from then on', async () => {
    const folder = dataDirs.make();
    execFileSync('tar', [
      '-xzf',
      'test/fixtures/dataDirectory-0.1.0.tar.gz',
      '-C',
      folder,
      '--no-same-owner',
    ]);
    const dataDir = join(folder, 'data');
    const store = await dataDirs.open(dataDir);
    const { instances, snapshots, damaged } = await firstValueFrom(store.load());
    expect([instances.length > 0, snapshots.length > 0, damaged]).toEqual([true, true, []]);
    expect(readdirSync(dataDir)).toContain('rx-instances.json');
  });

  it.each<[string, (dataDir: string) => void]>([
    [
      'files of others',
      (dataDir) => {
        writeFileSync(join(dataDir, 'notes'), 'mine');
      },
    ],
    [
      'a folder of others',
      (dataDir) => {
        mkdirSync(join(dataDir, 'photos'));
      },
    ],
    [
      'homes of others',
      (dataDir) => {
        mkdirSync(join(dataDir, 'instances', 'prod'), { recursive: true });
      },
    ],
    [
      'a store of others',
      (dataDir) => {
        mkdirSync(join(dataDir, 'store'));
        writeFileSync(join(dataDir, 'store', 'goods.txt'), 'mine');
      },
    ],
  ])('is none that holds %s and no marker', async (_, fill) => {
    const dataDir = dataDirs.make();
    fill(dataDir);
    await refusalOf(dataDir);
    expect(readdirSync(dataDir)).not.toContain('lock');
  });

  it.each(['1', 'notes', 'new-'])(
    'is none whose folder lock holds a file of others and that bears no marker: %s',
    async (name) => {
      const dataDir = dataDirs.make();
      const lock = join(dataDir, 'lock');
      mkdirSync(lock);
      writeFileSync(join(lock, name), 'mine');
      chmodSync(lock, 0o755);
      expect(await refusalOf(dataDir)).toContain(`it holds 'lock/${name}'`);
      expect(readdirSync(lock)).toStrictEqual([name]);
      expect(statSync(lock).mode & 0o777).toBe(0o755);
    },
  );

  it('begins where an opening was cut off that had nothing but its lock', async () => {
    const dataDir = dataDirs.make();
    mkdirSync(join(dataDir, 'lock'));
    for (const name of ['1', `new-${'a'.repeat(24)}`]) await leaveSocket(join(dataDir, 'lock', name));
    await firstValueFrom((await dataDirs.open(dataDir)).commit(created('a')));
  });

  it('keeps a folder that is named like a marker that was cut off', async () => {
    const dataDir = dataDirs.make();
    const name = `rx-instances.json.${'a'.repeat(24)}`;
    mkdirSync(join(dataDir, name));
    await done((await dataDirs.open(dataDir)).close());
    expect(readdirSync(dataDir)).toContain(name);
  });

  it('is none with the database of another program', async () => {
    const dataDir = dataDirs.make();
    mkdirSync(join(dataDir, 'store'));
    const database = openLmdb({ path: fileOf(dataDir), noSubdir: true });
    await database.put('key', 'value');
    await database.close();
    expect(await refusalOf(dataDir)).toContain('is of somebody else');
  });

  it('may hold what is not ours, if it is one already', async () => {
    for (const dataDir of [await oldDir(), await filledDir(dataDirs)]) {
      writeFileSync(join(dataDir, 'notes'), 'mine');
      chmodSync(dataDir, 0o755);
      expect(await seen(await dataDirs.open(dataDir))).toEqual(whole);
      expect(statSync(dataDir).mode & 0o777).toBe(0o755);
      await dataDirs.closeAll();
      chmodSync(dataDir, 0o775);
      expect(await refusalOf(dataDir)).toContain('others than its owner may write in it');
    }
  });

  it('may be the root of a file system', async () => {
    const dataDir = dataDirs.make();
    mkdirSync(join(dataDir, 'lost+found'));
    await firstValueFrom((await dataDirs.open(dataDir)).commit(created('a')));
  });

  it('is nobody else’s business, whatever others were allowed before', async () => {
    const dataDir = await filledDir(dataDirs);
    const folders = ['.', 'store', 'instances', 'snapshots', 'lock'].map((name) => join(dataDir, name));
    for (const each of folders) chmodSync(each, 0o777);
    const files = [fileOf(dataDir), `${fileOf(dataDir)}-lock`];
    for (const each of files) chmodSync(each, 0o666);
    await dataDirs.open(dataDir);
    // Instances of other users come to their homes.
    const kept = [0o711, 0o700, 0o711, 0o700, 0o700];
    expect(folders.map((each) => statSync(each).mode & 0o777)).toEqual(kept);
    expect(files.map((each) => statSync(each).mode & 0o777)).toEqual([0o600, 0o600]);
  });

  it.each([
    ['{"layout":2,"host":"a23456789012345678901234"}', 'layout: found 2'],
    ['{"layout":1,"host":"../.."}', 'host: found'],
    ['{"layo', 'expected JSON'],
    ['', 'expected JSON'],
    ['x'.repeat(5_000), 'expected JSON'],
  ])('whose marker cannot be understood is refused (%#)', async (text, reason) => {
    const dataDir = await filledDir(dataDirs);
    writeFileSync(markerOf(dataDir), text);
    expect(await refusalOf(dataDir)).toContain(reason);
  });
});

describe('a store that is gone', () => {
  const lost: readonly (readonly [string, (path: string) => void])[] = [
    [
      'missing',
      (path) => {
        rmSync(path);
      },
    ],
    [
      'of 0 bytes',
      (path) => {
        truncateSync(path, 0);
      },
    ],
    [
      'of zeros',
      (path) => {
        writeFileSync(path, Buffer.alloc(8_192));
      },
    ],
    [
      'of as many zeros as it had bytes',
      (path) => {
        writeFileSync(path, Buffer.alloc(statSync(path).size));
      },
    ],
    [
      'of more zeros than are read at a time',
      (path) => {
        truncateSync(path, 0);
        truncateSync(path, 2 ** 20 + 1);
      },
    ],
    [
      'missing with its folder',
      (path) => {
        rmSync(join(path, '..'), { recursive: true });
      },
    ],
  ];

  it.each(lost)('since it is %s is not taken for new', async (_, lose) => {
    for (const dataDir of [await oldDir(), await filledDir(dataDirs)]) {
      mkdirSync(join(dataDir, 'instances', idOf('a')));
      mkdirSync(join(dataDir, 'snapshots', idOf('s')));
      copyFileSync(fileOf(dataDir), join(dataDir, '..', 'copy.mdb'));
      lose(fileOf(dataDir));
      const reason = await refusalOf(dataDir);
      expect(reason).toContain('1 home, 1 snapshot');
      expect(reason).toContain('put back a copy');
      expect(reason).toContain('beginAnew');

      mkdirSync(join(dataDir, 'store'), { recursive: true });
      renameSync(join(dataDir, '..', 'copy.mdb'), fileOf(dataDir));
      expect(await seen(await dataDirs.open(dataDir))).toEqual(whole);
    }
  });

  it('is told of with what lies among the homes and snapshots, but for what a file system has of itself', async () => {
    const dataDir = await filledDir(dataDirs);
    mkdirSync(join(dataDir, 'instances', idOf('a')));
    for (const folder of ['instances', 'snapshots']) {
      mkdirSync(join(dataDir, folder, 'lost+found'));
    }
    rmSync(fileOf(dataDir));
    expect(await refusalOf(dataDir)).toContain('there is 1 home, the mark of a store');
  });

  it('is not taken for new though nothing but a marker is left', async () => {
    const dataDir = await filledDir(dataDirs);
    rmSync(fileOf(dataDir));
    expect(await refusalOf(dataDir)).toContain('the mark of a store');
  });

  it.each(lost)('since it is %s is begun anew where that is said, once all is let go of', async (_, lose) => {
    const dataDir = await filledDir(dataDirs);
    mkdirSync(join(dataDir, 'instances', idOf('a')));
    lose(fileOf(dataDir));
    const asked: string[] = [];
    const beginAnew = (): Promise<void> => {
      asked.push('let go');
      return Promise.resolve();
    };
    const store = await dataDirs.open(dataDir, { beginAnew } as never);
    expect((await firstValueFrom(store.load())).instances).toEqual([]);
    await done(store.close());
    await done((await dataDirs.open(dataDir, { beginAnew } as never)).close());
    expect(asked).toEqual(['let go']);
    expect(readdirSync(join(dataDir, 'instances'))).toEqual([idOf('a')]);
  });
});

describe('a store that is damaged', () => {
  it.each<[string, (path: string) => void]>([
    [
      'cut',
      (path) => {
        truncateSync(path, 5_000);
      },
    ],
    [
      'of something else behind a megabyte of zeros',
      (path) => {
        writeFileSync(path, Buffer.concat([Buffer.alloc(2 ** 20), Buffer.from('kept')]));
      },
    ],
    [
      'longer than what is looked through for zeros',
      (path) => {
        truncateSync(path, 0);
        truncateSync(path, 5 * 2 ** 30);
      },
    ],
  ])(
    'since it is %s is refused and left as it is, also to who begins anew, who is told how to go on',
    async (_, harm) => {
      const dataDir = await filledDir(dataDirs);
      mkdirSync(join(dataDir, 'instances', idOf('a')));
      harm(fileOf(dataDir));
      const { size } = statSync(fileOf(dataDir));
      const beginAnew = (): Promise<void> => Promise.resolve();
      for (const options of [{}, { beginAnew } as never]) {
        await expect(dataDirs.open(dataDir, options)).rejects.toMatchObject({
          _tag: 'StoreFailed',
          reason: expect.stringMatching(
            /damaged: .+; put back a copy of store\/data.mdb, or move it away and begin anew \(beginAnew\)/,
          ) as string,
        });
      }
      expect(statSync(fileOf(dataDir)).size).toBe(size);

      renameSync(fileOf(dataDir), join(dataDirs.make(), 'away'));
      const store = await dataDirs.open(dataDir, { beginAnew } as never);
      expect((await firstValueFrom(store.load())).instances).toEqual([]);
      expect(readdirSync(join(dataDir, 'instances'))).toEqual([idOf('a')]);
    },
  );
});

describe('what lies in the place of what is ours', () => {
  const parts = [
    'instances',
    'snapshots',
    'store',
    'lock',
    'store/data.mdb',
    'store/data.mdb-lock',
    'rx-instances.json',
  ];

  it.each(parts)('is not followed when it is a link: %s', async (part) => {
    const dataDir = await filledDir(dataDirs);
    const elsewhere = dataDirs.make();
    renameSync(join(dataDir, part), join(elsewhere, 'moved'));
    symlinkSync(join(elsewhere, 'moved'), join(dataDir, part));
    const before = lookAt(elsewhere);
    expect(await refusalOf(dataDir)).toContain('is a link');
    expect(lookAt(elsewhere)).toEqual(before);
  });

  it.each(parts)('does not hold anybody up when it is a pipe: %s', async (part) => {
    const dataDir = await filledDir(dataDirs);
    rmSync(join(dataDir, part), { recursive: true });
    execFileSync('mkfifo', [join(dataDir, part)]);
    const error: unknown = await dataDirs.open(dataDir).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      _tag: 'StoreFailed',
      reason: expect.stringContaining('is a pipe') as string,
    });
  });

  it.each(['store/data.mdb', 'store/data.mdb-lock'])(
    'is not written when it has another name: %s',
    async (part) => {
      const dataDir = await filledDir(dataDirs);
      linkSync(join(dataDir, part), join(dataDirs.make(), 'other'));
      expect(await refusalOf(dataDir)).toContain('has 2 names');
    },
  );

  it.each(['.', ...parts])('is refused when it belongs to another user: %s', async (part) => {
    const dataDir = await filledDir(dataDirs);
    const own = process.geteuid?.() ?? 0;
    if (own === 0) {
      chownSync(join(dataDir, part), 4_711, 4_711);
      expect(await refusalOf(dataDir)).toMatch(/belongs to user 4711, and has to belong to user 0/);
      return;
    }
    // Nobody else than the superuser can give a file away.
    await expect(dataDirs.open('/etc')).rejects.toMatchObject({ _tag: 'StoreFailed' });
  });
});

describe('a directory that is missing', () => {
  it('is made with those above it, for its owner only', async () => {
    const folder = dataDirs.make();
    const dataDir = join(folder, 'deep', 'below', 'data');
    await dataDirs.open(dataDir);
    for (const path of [dataDir, join(dataDir, '..'), join(dataDir, '..', '..')]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
  });

  it('is refused where nothing can be made, which is named', async () => {
    const folder = dataDirs.make();
    symlinkSync('nowhere', join(folder, 'link'));
    await expect(dataDirs.open(join(folder, 'link', 'deep', 'data'))).rejects.toMatchObject({
      _tag: 'StoreFailed',
      reason: expect.stringContaining(
        `nothing can be made in ${join(folder, 'link')}; name another`,
      ) as string,
    });
    expect(readdirSync(folder)).toEqual(['link']);
  });

  it('is refused where a file is, and left alone', async () => {
    const file = join(dataDirs.make(), 'file');
    writeFileSync(file, 'of somebody');
    for (const path of [file, join(file, 'data')]) {
      await expect(dataDirs.open(path)).rejects.toMatchObject({ _tag: 'StoreFailed' });
    }
    expect(readFileSync(file, 'utf8')).toBe('of somebody');
  });
});

it.each([0o777, 0o277, 0o377])(
  'a directory is not made with the umask %i, which takes the rights of its owner from all that is made',
  async (mask) => {
    const folder = dataDirs.make();
    const before = process.umask(mask);
    const refusal = await dataDirs.open(join(folder, 'data')).then(
      () => 'opened',
      (error: unknown) => error,
    );
    process.umask(before);
    expect(refusal).toMatchObject({
      _tag: 'StoreFailed',
      message: expect.stringContaining('the umask of this process takes the rights of its owner') as string,
    });
    expect(readdirSync(folder)).toEqual([]);
  },
);
