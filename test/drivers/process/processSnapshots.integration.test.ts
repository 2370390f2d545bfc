import { execFileSync } from 'node:child_process';
import fs, {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { ownMark, type LaunchPlan, type SnapshotContent } from '../../../src/drivers/driver.js';
import { createProcessSnapshots } from '../../../src/drivers/process/processSnapshots.js';
import { removeTree } from '../../../src/drivers/host/removeTree.js';

const snapshots = createProcessSnapshots({ maxBytes: 1_000, maxEntries: 10 });
const done = (work$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(work$, { defaultValue: undefined });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'snapshots-'));
});
afterEach(() => removeTree(folder));

const planOf = (name: string): LaunchPlan & { readonly folder: string; readonly kind: 'Stopped' } => ({
  ...{ instanceId: name, name, home: join(folder, 'homes', name) },
  spec: { driver: 'process', image: 'scratch', env: {}, tags: {} },
  folder: join(folder, 'snapshot'),
  kind: 'Stopped',
});

/** A snapshot of a working directory with files, one of which nobody may write to, nor to where it lies. */
async function taken(): Promise<SnapshotContent> {
  const { home } = planOf('source');
  mkdirSync(join(home, 'work', 'deep', 'empty'), { recursive: true });
  mkdirSync(join(home, 'logs'));
  for (const name of ['one', 'deep/two']) writeFileSync(join(home, 'work', name), name, { mode: 0o400 });
  symlinkSync('one', join(home, 'work', 'link'));
  chmodSync(join(home, 'work', 'deep'), 0o500);
  await done(snapshots.take(planOf('source')));
  return firstValueFrom(snapshots.seal(planOf('source').folder));
}

/** The paths of all that is brought to disk meanwhile, as they are then. */
async function flushedBy(work: () => Promise<unknown>): Promise<readonly string[]> {
  const any = await open(folder);
  const prototype = Object.getPrototypeOf(any) as FileHandle;
  await any.close();
  const flushed: string[] = [];
  const note = (fd: number): void => {
    flushed.push(readlinkSync(`/proc/self/fd/${String(fd)}`).replace(`${folder}/`, ''));
  };
  const { sync } = prototype;
  const { fsync } = fs;
  const spies = [
    jest.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      note(this.fd);
      await sync.call(this);
    }),
    jest.spyOn(fs, 'fsync').mockImplementation((fd, done) => {
      note(fd);
      fsync(fd, done);
    }),
  ];
  await work().finally(() => {
    for (const spy of spies) spy.mockRestore();
  });
  return flushed;
}

const parts = (work: string): readonly string[] =>
  ['', '/deep', '/deep/empty', '/deep/two', '/one'].map((part) => `${work}${part}`);

it('what is laid out of a snapshot is on disk, and so is its home', async () => {
  const content = await taken();
  const flushed = await flushedBy(() => done(snapshots.layOut(planOf('fork'), content)));
  expect(flushed.slice(0, -2).toSorted()).toEqual(parts('homes/fork/work'));
  expect(flushed.slice(-2)).toEqual(['homes/fork', 'homes']);
});

it('what replaces a working directory is on disk before it does, and so is that it did', async () => {
  const content = await taken();
  const { home } = planOf('source');
  let names: readonly string[] = [];
  const flushed = await flushedBy(async () => {
    const replacement = await firstValueFrom(snapshots.replace(planOf('source'), content));
    names = readdirSync(home).toSorted();
    await done(replacement.keep());
  });
  expect(flushed.slice(0, -1).toSorted()).toEqual(parts('homes/source/work.next'));
  expect(flushed.at(-1)).toBe('homes/source');
  expect(names).toEqual(['logs', 'work', 'work.former']);
});

it('what comes back in place of a replacement is on disk', async () => {
  const content = await taken();
  const replacement = await firstValueFrom(snapshots.replace(planOf('source'), content));
  expect(await flushedBy(() => done(replacement.undo()))).toEqual(['homes/source']);
  expect(readdirSync(planOf('source').home).toSorted()).toEqual(['logs', 'work']);
});

it('a name that is not UTF-8 is told, and nothing of its working directory is taken', async () => {
  const { home, ...plan } = planOf('source');
  mkdirSync(join(home, 'work'), { recursive: true });
  writeFileSync(Buffer.from(join(home, 'work', 'caf\xe9'), 'latin1'), '');
  await expect(firstValueFrom(snapshots.take({ ...plan, home }))).rejects.toMatchObject({
    message: `the name of ${join(home, 'work', 'caf\ufffd')} is not UTF-8`,
  });
  expect(readdirSync(folder)).toEqual(['homes']);
});

it('a snapshot bears our mark, which is not of its content', async () => {
  const content = await taken();
  const { folder } = planOf('source');
  expect(readdirSync(folder).toSorted()).toEqual([ownMark, 'manifest.json', 'work']);
  expect(await firstValueFrom(snapshots.check(folder, content))).toEqual([]);
  rmSync(join(folder, ownMark));
  // Those of older versions have none.
  expect(await firstValueFrom(snapshots.check(folder, content))).toEqual([]);
});

it('what was changed in it is told though it has its time again', async () => {
  const content = await taken();
  const file = join(planOf('source').folder, 'work', 'one');
  expect(await firstValueFrom(snapshots.check(planOf('source').folder, content))).toEqual([]);
  const { atime, mtime } = statSync(file);
  chmodSync(file, 0o600);
  writeFileSync(file, 'two');
  chmodSync(file, 0o400);
  utimesSync(file, atime, mtime);
  const faults = await firstValueFrom(snapshots.check(planOf('source').folder, content));
  expect(faults.map(({ path }) => path)).toEqual(['work/one']);
});

it('a pipe in the place of a file or of the manifest is told, and nothing waits for its other end', async () => {
  const content = await taken();
  const { folder } = planOf('source');
  for (const [path, told] of [
    ['work/one', 'work/one'],
    ['manifest.json', ''],
  ] as const) {
    rmSync(join(folder, path));
    execFileSync('mkfifo', [join(folder, path)]);
    const faults = await firstValueFrom(snapshots.check(folder, content));
    expect(faults.map((fault) => fault.path)).toEqual([told]);
  }
});

it('a link in the place of a working directory is not taken', async () => {
  const { home } = planOf('source');
  mkdirSync(home, { recursive: true });
  mkdirSync(join(folder, 'elsewhere'));
  writeFileSync(join(folder, 'elsewhere', 'canary'), '');
  symlinkSync(join(folder, 'elsewhere'), join(home, 'work'));
  await expect(firstValueFrom(snapshots.take(planOf('source')))).rejects.toMatchObject({
    code: expect.stringMatching(/^(ENOTDIR|ELOOP)$/) as string,
  });
  expect(readdirSync(folder).toSorted()).toEqual(['elsewhere', 'homes']);
});

it('the working directory of a home in whose place a link stands is not taken', async () => {
  const { home } = planOf('source');
  mkdirSync(join(folder, 'homes'));
  mkdirSync(join(folder, 'elsewhere', 'work'), { recursive: true });
  writeFileSync(join(folder, 'elsewhere', 'work', 'canary'), '');
  symlinkSync(join(folder, 'elsewhere'), home);
  await expect(firstValueFrom(snapshots.take(planOf('source')))).rejects.toMatchObject({
    code: expect.stringMatching(/^(ENOTDIR|ELOOP)$/) as string,
  });
  expect(readdirSync(folder).toSorted()).toEqual(['elsewhere', 'homes']);
});

it('a working directory that holds too much is not taken, and told by its file', async () => {
  const { home } = planOf('source');
  mkdirSync(join(home, 'work'), { recursive: true });
  writeFileSync(join(home, 'work', 'large'), 'x'.repeat(1_001));
  await expect(firstValueFrom(snapshots.take(planOf('source')))).rejects.toMatchObject({
    faults: [{ path: 'large', expected: 'at most 1000 bytes in all (copyMaxBytes)' }],
  });
  expect(readdirSync(folder)).toEqual(['homes']);
});
