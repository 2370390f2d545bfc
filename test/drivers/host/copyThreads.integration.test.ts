import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CopiedEntry } from '../../../src/drivers/host/copyProgram.js';
import type { CopyDone } from '../../../src/drivers/host/copyThread.js';
import { type CopyThreads, useCopyThreads } from '../../../src/drivers/host/copyThreads.js';
import { copyTree } from '../../../src/drivers/host/copyTree.js';
import { holdFolder } from '../../../src/drivers/host/heldFolder.js';
import { removeTree } from '../../../src/drivers/host/removeTree.js';
import { createSealedFolder } from '../../../src/drivers/host/sealedFolder.js';
import { until } from '../../support/until.js';

let folder: string;
let source: string;
let target: string;
let outside: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'copy-threads-'));
  [source, target, outside] = [join(folder, 'source'), join(folder, 'target'), join(folder, 'outside')];
  for (const each of [source, outside]) mkdirSync(each);
  writeFileSync(join(outside, 'canary'), 'outside');
});
afterEach(() => removeTree(folder));

const threadsOfNode = (): number => readdirSync('/proc/self/task').length;
let others: number;
beforeAll(async () => {
  // With the first of such calls Node starts its pool.
  await stat(tmpdir());
  others = threadsOfNode();
});

/** Node tells of what is open nothing of its threads. */
const running = (): number => threadsOfNode() - others;

describe('the threads end', () => {
  const names = Array.from({ length: 600 }, (_, index) => `file-${String(index)}`);
  const lay = (where: string): void => {
    for (const name of names) writeFileSync(join(where, name), name);
  };

  /** Resolves with how it ended, once threads were seen at work; they have to be gone by then. */
  async function ended(work: Promise<unknown>): Promise<unknown> {
    const outcome = work.then(
      () => 'done',
      (error: unknown) => error,
    );
    expect(await until(running, (count) => count > 0)).toBeGreaterThan(0);
    const found = await outcome;
    expect(running()).toBe(0);
    return found;
  }

  it('with the last who uses them', async () => {
    const file = { path: Buffer.from(join(outside, 'canary')), mode: undefined };
    const [one, other] = [useCopyThreads(), useCopyThreads()];
    await one.hash([file]);
    await one.close();
    expect(running()).toBe(1);
    expect(await other.hash([file])).toMatchObject([{ kind: 'pieces' }]);
    expect(running()).toBe(1);
    await other.close();
    expect(running()).toBe(0);
  });

  it('when a tree was copied', async () => {
    lay(source);
    expect(await ended(copyTree(source, target))).toBe('done');
  });

  it('when a copy has failed, though others were still at work', async () => {
    lay(source);
    // One for the first thread and one for the last.
    for (const name of [names[0], names.at(-1)]) {
      rmSync(join(source, String(name)));
      symlinkSync(Buffer.from([0x66, 0xff]), join(source, String(name)));
    }
    expect(await ended(copyTree(source, target))).toMatchObject({
      message: expect.stringContaining('not UTF-8') as string,
    });
  });

  it('when a folder was sealed, checked and found damaged, and when it could not be sealed', async () => {
    lay(source);
    const sealed = createSealedFolder(source);
    let hash = '';
    const sealing = sealed.seal().then((seal) => {
      hash = seal.hash;
    });
    expect(await ended(sealing)).toBe('done');
    renameSync(join(source, 'file-0'), join(source, 'file-zero'));
    let faults: unknown;
    const checking = sealed.check(hash).then((found) => {
      faults = found;
    });
    expect(await ended(checking)).toBe('done');
    expect(faults).toMatchObject([{ path: 'file-0' }, { path: 'file-zero' }]);

    lay(outside);
    execFileSync('mkfifo', [join(outside, 'z-pipe')]);
    expect(await ended(createSealedFolder(outside).seal())).toMatchObject({
      message: expect.stringContaining('is no file, directory or link') as string,
    });
  });
});

describe('no link is followed in the threads', () => {
  let threads: CopyThreads;

  beforeEach(() => {
    mkdirSync(target);
    threads = useCopyThreads();
  });
  afterEach(() => threads.close());

  const copy = (
    from: string,
    kind: CopiedEntry['kind'],
    { byFd = true, smallBytes = 64 * 1_024 } = {},
  ): Promise<CopyDone | undefined> =>
    threads.copy({
      place: {
        ...{ from: Buffer.from(from), to: Buffer.from(target), byFd, isLive: true, smallBytes },
        ...{ bytes: new BigInt64Array(new SharedArrayBuffer(8)), maxBytes: Infinity },
      },
      entries: [{ name: 'entry', kind, mode: undefined, isFlushed: false }],
      clones: { work: false },
    });

  const ways = [true, false].flatMap((byFd) => [64 * 1_024, -1].map((smallBytes) => ({ byFd, smallBytes })));

  it.each(ways)('in the place of what was a file when the directory was read (%j)', async (way) => {
    symlinkSync(join(outside, 'canary'), join(source, 'entry'));
    expect(await copy(source, 'file', way)).not.toHaveProperty('failed');
    expect(readlinkSync(join(target, 'entry'))).toBe(join(outside, 'canary'));
  });

  it.each(['file', 'link', undefined] as const)(
    'in the place of what was a directory, nor is one copied in the place of a %s',
    async (kind) => {
      mkdirSync(join(source, 'entry'));
      expect(await copy(source, kind)).not.toHaveProperty('failed');
      expect(readdirSync(target)).toEqual([]);
      rmSync(join(source, 'entry'), { recursive: true });
      symlinkSync(outside, join(source, 'entry'));
      expect(await copy(source, kind)).not.toHaveProperty('failed');
      expect(readlinkSync(join(target, 'entry'))).toBe(outside);
    },
  );

  it.each(ways)('where the copy is to be (%j)', async (way) => {
    writeFileSync(join(source, 'entry'), 'inside');
    symlinkSync(join(outside, 'new'), join(target, 'entry'));
    expect(await copy(source, 'file', way)).toMatchObject({
      failed: { index: 0, why: { fields: { code: 'EEXIST' } } },
    });
    expect(existsSync(join(outside, 'new'))).toBe(false);
  });

  it('in the place of a directory that is held', async () => {
    writeFileSync(join(outside, 'entry'), 'outside');
    writeFileSync(join(source, 'entry'), 'inside');
    const held = await holdFolder(source, 'linux');
    renameSync(source, `${source}.aside`);
    symlinkSync(outside, source);
    expect(await copy(held.path.toString(), 'file')).not.toHaveProperty('failed');
    held.close();
    expect(readFileSync(join(target, 'entry'), 'utf8')).toBe('inside');
  });

  it('where something is hashed, and what is no file is not waited for', async () => {
    symlinkSync(join(outside, 'canary'), join(source, 'link'));
    execFileSync('mkfifo', [join(source, 'pipe')]);
    const files = ['link', 'pipe'].map((name) => ({
      path: Buffer.from(join(source, name)),
      mode: undefined,
    }));
    expect(await threads.hash(files)).toMatchObject([
      { kind: 'error', fields: { code: 'ELOOP' } },
      { kind: 'error', fields: { message: 'it is no regular file' } },
    ]);
  });
});
