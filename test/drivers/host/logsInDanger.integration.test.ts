import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  linkSync,
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
import { dirname, join } from 'node:path';
import { lastValueFrom, map, NEVER, type Observable, take, takeWhile, toArray } from 'rxjs';
import type { LogLine } from '../../../src/lifecycle/logLine.js';
import type { LogFiles } from '../../../src/drivers/host/logFiles.js';
import { followFrom, readLog } from '../../../src/drivers/host/logReader.js';
import { createLogBench, layAside } from './logBench.js';

const createLog = createLogBench();

const all = (lines$: Observable<LogLine>): Promise<string[]> =>
  lastValueFrom(
    lines$.pipe(
      map((line) => line.text),
      toArray(),
    ),
  );

/** Until it is unsubscribed. */
const following = { pollMs: 1, end$: NEVER };

const partsOf = (log: LogFiles): readonly string[] => readdirSync(dirname(log.path)).sort();

/** Counts the bytes that are read of a log. */
function counted(log: LogFiles): { readonly log: LogFiles; read(): number } {
  let bytes = 0;
  return {
    log: {
      ...log,
      read: async (place) => {
        const chunk = await log.read(place);
        bytes += chunk.bytes.length;
        return chunk;
      },
    },
    read: () => bytes,
  };
}

/** A file outside of the home, and a log that is not there yet. */
function beside(): { readonly log: LogFiles; readonly outside: string } {
  const log = createLog();
  const outside = join(dirname(dirname(log.path)), 'outside');
  writeFileSync(outside, 'not ours\n');
  return { log, outside };
}

describe('what stands in the place of a log', () => {
  const others: readonly (readonly [string, (path: string, outside: string) => void, string])[] = [
    ['a link', (path, outside) => symlinkSync(outside, path), 'a link'],
    ['a link to nothing', (path) => symlinkSync('/nowhere', path), 'a link'],
    ['a second name of a file', (path, outside) => linkSync(outside, path), 'a file with several names'],
    ['a pipe', (path) => execFileSync('mkfifo', [path]), 'no plain file'],
    ['a folder', (path) => mkdirSync(path), 'no plain file'],
  ];

  it.each(others)('is not read, nor waited for: %s', async (_, make, found) => {
    const { log, outside } = beside();
    make(log.path, outside);
    const error = { _tag: 'LogUnreadable', path: log.path, found };
    // More than there are threads.
    const tries = Array.from({ length: 8 }, () => [
      log.end(),
      log.read(0),
      all(readLog(log, { tail: 5 })),
    ]).flat();
    for (const tried of tries) await expect(tried).rejects.toMatchObject(error);
  });

  it.each(others)('is not read when it stands in the place of a part: %s', async (_, make, found) => {
    const { log, outside } = beside();
    make(`${log.path}.0-9`, outside);
    appendFileSync(log.path, 'ours\n');
    await expect(all(readLog(log, { tail: 5 }))).rejects.toMatchObject({ _tag: 'LogUnreadable', found });
  });

  it.each(others)('is neither emptied nor copied: %s', async (_, make) => {
    const { log, outside } = beside();
    make(log.path, outside);
    await layAside(log).catch(() => undefined);
    expect(partsOf(log)).toEqual(['app.log']);
    expect(readFileSync(outside, 'utf8')).toBe('not ours\n');
  });

  it.each(others.filter(([name]) => name !== 'a folder'))(
    'is not written to when it stands in the place of the copy: %s',
    async (_, make) => {
      const { log, outside } = beside();
      appendFileSync(log.path, 'ours\n');
      make(`${log.path}.copy`, outside);
      await layAside(log);
      expect(partsOf(log)).toEqual(['app.log', 'app.log.0-5']);
      expect(readFileSync(`${log.path}.0-5`, 'utf8')).toBe('ours\n');
      expect(readFileSync(outside, 'utf8')).toBe('not ours\n');
    },
  );

  it('is not read when the folder of the logs or the home is a link', async () => {
    const log = createLog('ours\n');
    const folder = dirname(log.path);
    const home = dirname(folder);
    renameSync(folder, join(home, 'elsewhere'));
    symlinkSync('elsewhere', folder);
    await expect(log.read(0)).rejects.toMatchObject({ _tag: 'LogUnreadable', path: folder });
    await expect(layAside(log)).rejects.toMatchObject({ _tag: 'LogUnreadable', path: folder });
    expect(readFileSync(log.path, 'utf8')).toBe('ours\n');

    rmSync(folder);
    renameSync(join(home, 'elsewhere'), folder);
    renameSync(home, `${home}-moved`);
    symlinkSync(`${home}-moved`, home);
    await expect(log.read(0)).rejects.toMatchObject({ _tag: 'LogUnreadable' });
    expect(readFileSync(log.path, 'utf8')).toBe('ours\n');
  });

  it('is nothing where the folder of the logs, or the home, is gone', async () => {
    const log = createLog('ours\n');
    rmSync(dirname(log.path), { recursive: true });
    await expect(all(readLog(log, { tail: 5 }))).resolves.toEqual([]);
    rmSync(dirname(dirname(log.path)), { recursive: true });
    await expect(all(readLog(log, { tail: 5 }))).resolves.toEqual([]);
  });
});

describe('names that somebody else has made', () => {
  it('are no parts when no places can be counted by them', async () => {
    const log = createLog('ours\n');
    for (const name of ['0-9999999999999999', '5-5', '9-3', '0-99999999999999999999', '1e3-2e9', '-1-5']) {
      writeFileSync(`${log.path}.${name}`, 'planted\n');
    }
    await expect(all(readLog(log, { tail: 5 }))).resolves.toEqual(['ours']);
    await expect(Promise.all([log.start(), log.end()])).resolves.toEqual([0, 5]);
  });

  it('keep no reader from what comes after parts that are shorter, longer, or overlap', async () => {
    const log = createLog('ours\n');
    writeFileSync(`${log.path}.0-1000`, 'short\n');
    writeFileSync(`${log.path}.10-2000`, '');
    writeFileSync(`${log.path}.2000-2005`, 'long and longer\n');
    await expect(
      all(followFrom(log, 0, following).pipe(takeWhile((line) => !line.text.includes('ours'), true))),
    ).resolves.toEqual(['short', 'long ours']);
    await expect(log.end()).resolves.toBe(2_010);
  });

  it('are too many at some time', async () => {
    const log = createLog('ours\n');
    const one = join(dirname(dirname(log.path)), 'one');
    writeFileSync(one, '');
    for (let name = 0; name < 2_048; name += 1) linkSync(one, join(dirname(log.path), String(name)));
    await expect(log.read(0)).rejects.toMatchObject({
      _tag: 'LogUnreadable',
      found: 'more than 2048 entries',
    });
  });
});

describe('of a log of any length', () => {
  const terabyte = 2 ** 40;

  it('the last lines are looked for in 16 MiB', async () => {
    const content = Buffer.alloc(40 * 2 ** 20, `${'x'.repeat(1_023)}\n`);
    const { log, read } = counted(createLog(content));
    const lines = await all(readLog(log, { tail: 1_000_000 }));
    expect(lines).toHaveLength(16 * 1_024);
    expect(read()).toBeLessThan(2 * 17 * 2 ** 20);
  });

  it('the tail ends at a hole', async () => {
    const { log, read } = counted(createLog('before\n'));
    truncateSync(log.path, terabyte);
    appendFileSync(log.path, 'after\nthat\n');
    const lines = await all(readLog(log, { tail: 5 }));
    expect(lines.slice(-2)).toEqual([expect.stringMatching(/^\0*after$/), 'that']);
    expect(read()).toBeLessThan(2 ** 20);
  });

  it('who follows passes over a hole to what comes after it', async () => {
    const { log, read } = counted(createLog('before\n'));
    truncateSync(log.path, terabyte);
    appendFileSync(log.path, 'after\nthat\n');
    const lines = await all(
      followFrom(log, 0, following).pipe(takeWhile((line) => line.text !== 'that', true)),
    );
    expect(lines.filter((line) => !line.startsWith('\0'))).toEqual(['before', 'that']);
    expect(lines.some((line) => /^\0+after$/.test(line))).toBe(true);
    expect(read()).toBeLessThan(2 ** 20);
  });

  it('the end is kept when it is laid aside, and places stay what they are', async () => {
    const line = `${'x'.repeat(1_023)}\n`;
    const log = createLog(Buffer.alloc(20 * 2 ** 20, line));
    await log.rotate({ maxBytes: 1, keep: 1 });
    const [from, to] = [4 * 2 ** 20, 20 * 2 ** 20];
    expect(partsOf(log)).toEqual(['app.log', `app.log.${String(from)}-${String(to)}`]);
    appendFileSync(log.path, 'newest\n');
    await expect(Promise.all([log.start(), log.end()])).resolves.toEqual([from, to + 7]);
    await expect(all(readLog(log, { tail: 2 }))).resolves.toEqual(['x'.repeat(1_023), 'newest']);
    await expect(all(followFrom(log, 0, following).pipe(take(1)))).resolves.toEqual(['x'.repeat(1_023)]);
  });

  it('holes stay holes when it is laid aside', async () => {
    const log = createLog('before\n');
    truncateSync(log.path, terabyte);
    appendFileSync(log.path, 'after\n');
    await log.rotate({ maxBytes: 1, keep: 1 });
    const [, part = ''] = partsOf(log);
    const stats = statSync(join(dirname(log.path), part));
    expect(stats.size).toBe(16 * 2 ** 20);
    expect(stats.blocks * 512).toBeLessThan(4 * 2 ** 20);
    expect(statSync(log.path).size).toBe(0);
    expect((await all(readLog(log, { tail: 1 }))).at(-1)?.endsWith('after')).toBe(true);
  });

  it('all others have their turn while it is copied', async () => {
    const log = createLog(Buffer.alloc(16 * 2 ** 20, 'x'));
    let turns = 0;
    let open = true;
    const turn = (): void => {
      turns += 1;
      if (open) setImmediate(turn);
    };
    setImmediate(turn);
    await log.rotate({ maxBytes: 1, keep: 1 });
    open = false;
    expect(turns).toBeGreaterThan(15);
  });

  it('no more is copied than twice what is kept, though it is written to all the while', async () => {
    const log = createLog(Buffer.alloc(17 * 2 ** 20, 'x'));
    let open = true;
    const flood = (): void => {
      // Quicker than any copy.
      truncateSync(log.path, statSync(log.path).size + 64 * 2 ** 20);
      if (open) setImmediate(flood);
    };
    setImmediate(flood);
    await log.rotate({ maxBytes: 1, keep: 1 });
    open = false;
    const [, part = ''] = partsOf(log);
    expect(statSync(join(dirname(log.path), part)).size).toBeLessThan(40 * 2 ** 20);
    await expect(log.read(0)).resolves.toMatchObject({ next: expect.any(Number) as number });
  });
});
