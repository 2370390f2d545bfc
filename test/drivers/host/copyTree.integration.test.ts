import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyTree } from '../../../src/drivers/host/copyTree.js';
import { removeTree } from '../../../src/drivers/host/removeTree.js';
import { startSwapper } from '../../support/swapper.js';
import { until } from '../../support/until.js';

const mebibyte = 1_024 * 1_024;

let folder: string;
let source: string;
let target: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'copy-tree-'));
  [source, target] = [join(folder, 'source'), join(folder, 'target')];
  mkdirSync(source);
});
afterEach(() => removeTree(folder));

/** All that lies in a folder, with texts, targets of links and modes. */
const contentOf = (path: string): readonly string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const [each, found] = [join(path, name), lstatSync(join(path, name))];
      const what = found.isFile()
        ? readFileSync(each, 'utf8')
        : found.isSymbolicLink()
          ? `-> ${readlinkSync(each)}`
          : '/';
      return `${name} ${what} ${(found.mode & 0o7777).toString(8)}`;
    });

function laid(): void {
  mkdirSync(join(source, 'a', 'b'), { recursive: true });
  mkdirSync(join(source, 'c'));
  for (const name of ['one', 'a/two', 'a/b/three', 'c/four']) writeFileSync(join(source, name), name);
  symlinkSync('/nowhere', join(source, 'a', 'link'));
  chmodSync(join(source, 'a', 'b'), 0o500);
}

it.each(['linux', 'darwin'] as const)('copies all that there is (%s)', async (platform) => {
  laid();
  await copyTree(source, target, { platform });
  expect(contentOf(target)).toEqual(contentOf(source));
});

it('leaves out the bits by which a program has the rights of another', async () => {
  laid();
  chmodSync(join(source, 'one'), 0o6755);
  chmodSync(join(source, 'a/two'), 0o1644);
  chmodSync(join(source, 'c'), 0o3777);
  await copyTree(source, target);
  const modes = ['one', 'a/two', 'c'].map((name) => lstatSync(join(target, name)).mode & 0o7777);
  expect(modes).toEqual([0o755, 0o644, 0o1777]);
});

it('belongs to whoever copies', async () => {
  laid();
  // Only the superuser can give a file to others; what an ordinary user copies is of others or his own.
  if (process.geteuid?.() === 0)
    for (const name of ['one', 'a']) chownSync(join(source, name), 65_534, 65_534);
  await copyTree(source, target);
  for (const name of ['one', 'a']) expect(statSync(join(target, name)).uid).toBe(process.geteuid?.());
});

it('leaves out pipes, whoever waits at their other end', async () => {
  laid();
  execFileSync('mkfifo', [join(source, 'a', 'pipe')]);
  await copyTree(source, target);
  expect(existsSync(join(target, 'a', 'pipe'))).toBe(false);
});

it('keeps holes, and what lies between them', async () => {
  const [large, size] = [join(source, 'large'), 64 * mebibyte + 5];
  const file = await open(large, 'w');
  await file.write('begins', 0);
  await file.write('in between', 33 * mebibyte - 4);
  await file.truncate(size);
  await file.close();
  utimesSync(large, 1_000, 2_000);
  await copyTree(source, target);

  const copy = statSync(join(target, 'large'));
  expect([copy.size, copy.mtimeMs]).toEqual([size, 2_000_000]);
  expect(copy.blocks * 512).toBeLessThan(mebibyte);
  expect(readFileSync(join(target, 'large')).equals(readFileSync(large))).toBe(true);
});

it('copies trees that are deeper than a path can be long, and removes them', async () => {
  const [levels, name] = [950, 'a-directory'];
  // By itself a program of the system gets no further either.
  execFileSync('python3', [
    '-c',
    `import os, sys
os.chdir(sys.argv[1])
for level in range(${String(levels)}):
    os.mkdir('${name}'); os.chdir('${name}')
open('last', 'w').write('deep')`,
    source,
  ]);
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, descriptors())), 1);
  await copyTree(source, target).finally(() => {
    clearInterval(timer);
  });
  expect(most - before).toBeLessThan(40);

  const found = execFileSync('find', [target, '-name', 'last', '-printf', '%d'], { encoding: 'utf8' });
  expect(Number(found)).toBe(levels + 1);
  await removeTree(source);
  await removeTree(target);
  expect(readdirSync(folder)).toEqual([]);
  expect(descriptors()).toBeLessThanOrEqual(before);
});

it('refuses a link in the place of the folder', async () => {
  symlinkSync(source, join(folder, 'link'));
  await expect(copyTree(join(folder, 'link'), target)).rejects.toMatchObject({
    code: expect.stringMatching(/^(ENOTDIR|ELOOP)$/) as string,
  });
  expect(existsSync(target)).toBe(false);
});

it('names the file that may not be read, not how it was reached', async () => {
  laid();
  rmSync(join(source, 'c'), { recursive: true });
  mkdirSync(join(target, 'one'), { recursive: true });
  rmSync(target, { recursive: true });
  const error: unknown = await copyTree(join(source, 'none'), target).catch((failure: unknown) => failure);
  expect(String(error)).toContain(join(source, 'none'));
});

describe('of which files vanish once it has begun', () => {
  const names = Array.from({ length: 300 }, (_, index) => `file-${String(index)}`);
  const removed = names.filter((_, index) => index >= 150);

  /** Begins to copy, and removes the half whose turn comes later; both in this process, so that it is half of them in every run. */
  async function copyWhatVanishes(isLive: boolean): Promise<void> {
    for (const name of names) writeFileSync(join(source, name), name);
    const copied = copyTree(source, target, { isLive });
    const outcome = copied.catch((failure: unknown) => failure);
    const copies = (): number => (existsSync(target) ? readdirSync(target).length : 0);
    await until(copies, (count) => count > 0);
    const late = readdirSync(source).filter((name) => removed.includes(name));
    for (const name of late) rmSync(join(source, name));
    await outcome;
    return copied;
  }

  it('copies the others, if somebody may change it', async () => {
    await copyWhatVanishes(true);
    const copy = contentOf(target);
    expect(copy).toEqual(expect.arrayContaining([...contentOf(source)]));
    expect(copy.length).toBeLessThan(names.length);
  });

  it('fails, if nobody may, and tells which', async () => {
    await expect(copyWhatVanishes(false)).rejects.toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining(join(source, 'file-')) as string,
    });
  });
});

describe('of many files, which threads copy', () => {
  const names = Array.from({ length: 400 }, (_, index) => `file-${String(index)}`);

  beforeEach(() => {
    for (const name of names) writeFileSync(join(source, name), name);
  });

  it.each(['linux', 'darwin'] as const)('copies all that there is (%s)', async (platform) => {
    laid();
    await copyTree(source, target, { platform });
    expect(contentOf(target)).toEqual(contentOf(source));
  });

  it('leaves out pipes and the bits by which a program has the rights of another', async () => {
    chmodSync(join(source, 'file-1'), 0o6755);
    execFileSync('mkfifo', [join(source, 'pipe')]);
    await copyTree(source, target);
    expect(lstatSync(join(target, 'file-1')).mode & 0o7777).toBe(0o755);
    expect(existsSync(join(target, 'pipe'))).toBe(false);
  });

  it('keeps times, holes, what lies between them, and the last bytes of small files', async () => {
    const [large, size] = [join(source, 'large'), 8 * mebibyte + 5];
    writeFileSync(large, 'begins');
    truncateSync(large, size);
    writeFileSync(join(source, 'zeros'), Buffer.alloc(1_000));
    writeFileSync(join(source, 'middle'), Buffer.alloc(100_000, 'm'));
    writeFileSync(join(source, 'empty'), '');
    for (const name of ['large', 'middle']) utimesSync(join(source, name), 1_000, 2_000);
    await copyTree(source, target);
    for (const name of ['large', 'zeros', 'middle', 'empty']) {
      expect(readFileSync(join(target, name)).equals(readFileSync(join(source, name)))).toBe(true);
    }
    for (const name of ['large', 'middle']) expect(statSync(join(target, name)).mtimeMs).toBe(2_000_000);
    expect(statSync(join(target, 'large')).blocks * 512).toBeLessThan(mebibyte);
  });

  it('refuses more bytes, telling the file that is too much', async () => {
    const copied = copyTree(source, target, { limits: { maxBytes: 1_000, maxEntries: 2_000 } });
    await expect(copied).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [
        {
          path: expect.stringMatching(/^file-/) as string,
          expected: 'at most 1000 bytes in all (copyMaxBytes)',
        },
      ],
    });
  });

  it('refuses a link whose target is not UTF-8, telling which', async () => {
    symlinkSync(Buffer.from([0x66, 0xff]), join(source, 'link'));
    await expect(copyTree(source, target)).rejects.toThrow(`${join(source, 'link')} is a link to`);
  });

  it('gives modes by which nobody may read any more', async () => {
    const modes = new Map(['', ...names].map((name) => [name, name === '' ? 0o700 : 0o200]));
    await copyTree(source, target, { modes });
    const found = names.map((name) => lstatSync(join(target, name)).mode & 0o7777);
    expect([...new Set(found)]).toEqual([0o200]);
  });

  it('passes over what is gone when its turn comes, if somebody may change it, and else tells which', async () => {
    const vanishing = async (isLive: boolean): Promise<void> => {
      const copied = copyTree(source, target, { isLive });
      const outcome = copied.catch((failure: unknown) => failure);
      await until(
        () => existsSync(target) && readdirSync(target).length > 0,
        (hasBegun) => hasBegun,
      );
      for (const name of readdirSync(source).slice(100)) rmSync(join(source, name));
      await outcome;
      return copied;
    };
    await vanishing(true);
    expect(contentOf(target)).toEqual(expect.arrayContaining([...contentOf(source)]));
    await removeTree(target);
    for (const name of names) writeFileSync(join(source, name), name);
    // All may have been copied before the first was gone.
    const failure = await vanishing(false).then(
      () => join(source, 'file-'),
      (error: unknown) => String(error),
    );
    expect(failure).toContain(join(source, 'file-'));
  });

  it('copies nothing of what lies outside while a program swaps folders and links', async () => {
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    mkdirSync(join(source, 'within'));
    writeFileSync(join(outside, 'canary'), 'outside');
    const swapper = await startSwapper(join(source, 'within'), outside);
    const texts = new Set<string>();
    for (let times = 0; times < 4; times += 1) {
      await copyTree(source, target, { isLive: true }).catch(() => undefined);
      const within = join(target, 'within');
      const isFolder = lstatSync(within, { throwIfNoEntry: false })?.isDirectory() ?? false;
      const copied = isFolder ? readdirSync(within, { recursive: true, withFileTypes: true }) : [];
      for (const entry of copied) {
        if (entry.isFile()) texts.add(readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      }
      await removeTree(target);
    }
    await swapper.stop();
    expect(texts).not.toContain('outside');
  });
});

describe('with limits', () => {
  it('copies what just keeps to them', async () => {
    laid();
    const maxBytes = ['one', 'a/two', 'a/b/three', 'c/four'].join('').length;
    await copyTree(source, target, { limits: { maxBytes, maxEntries: 8 } });
    expect(contentOf(target)).toEqual(contentOf(source));
  });

  it('refuses more entries, telling the folder', async () => {
    laid();
    const copied = copyTree(source, target, { limits: { maxBytes: mebibyte, maxEntries: 7 } });
    await expect(copied).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [
        {
          path: source,
          found: 'more than 7 files and directories',
          expected: 'at most 7 (copyMaxEntries)',
        },
      ],
    });
  });

  it('refuses more bytes before it reads them, also where they are a hole, telling the file', async () => {
    writeFileSync(join(source, 'hole'), '');
    truncateSync(join(source, 'hole'), 2 ** 40);
    const copied = copyTree(source, target, { limits: { maxBytes: 2 ** 30, maxEntries: 9 } });
    await expect(copied).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [
        {
          path: 'hole',
          found: '1099511627776 bytes, which makes 1099511627776 so far',
          expected: 'at most 1073741824 bytes in all (copyMaxBytes)',
        },
      ],
    });
    expect(existsSync(join(target, 'hole'))).toBe(false);
  });
});

describe('while a program swaps folders and links', () => {
  let outside: string;

  beforeEach(() => {
    outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'canary'), 'outside');
  });

  it('copies nothing of what lies outside', async () => {
    mkdirSync(join(source, 'within'));
    const swapper = await startSwapper(join(source, 'within'), outside);
    const texts = new Set<string>();
    for (let times = 0; times < 60; times += 1) {
      // It may give up, since what it copies stands not still.
      await copyTree(source, target, { isLive: true }).catch(() => undefined);
      for (const entry of readdirSync(target, { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) texts.add(readFileSync(join(entry.parentPath, entry.name), 'utf8'));
      }
      await removeTree(target);
    }
    await swapper.stop();
    texts.delete('');
    expect([...texts]).toEqual(['inside']);
  });

  it('removes nothing of what lies outside', async () => {
    for (let times = 0; times < 5; times += 1) {
      mkdirSync(join(source, 'within'));
      const swapper = await startSwapper(join(source, 'within'), outside);
      // It may give up: something is put into it again and again.
      await removeTree(join(source, 'within')).catch(() => undefined);
      await swapper.stop();
    }
    expect(readFileSync(join(outside, 'canary'), 'utf8')).toBe('outside');
  });
});
