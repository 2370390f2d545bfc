import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { LogFiles } from '../../../src/drivers/host/logFiles.js';
import { until } from '../../support/until.js';
import { createLogBench, layAside } from './logBench.js';

const createLog = createLogBench();

const partsOf = (log: LogFiles): readonly string[] => readdirSync(join(log.path, '..')).sort();

describe('a log is laid aside', () => {
  it('when it has grown to the limit, and not before', async () => {
    const log = createLog('12345');
    await log.rotate({ maxBytes: 6, keep: 3 });
    expect(partsOf(log)).toEqual(['app.log']);
    await log.rotate({ maxBytes: 5, keep: 3 });
    expect(partsOf(log)).toEqual(['app.log', 'app.log.0-5']);
    await expect(log.end()).resolves.toBe(5);
  });

  it('and the oldest parts are removed', async () => {
    const log = createLog('');
    for (const word of ['a', 'bb', 'ccc', 'dddd']) {
      appendFileSync(log.path, word);
      await layAside(log, 2);
    }
    expect(partsOf(log)).toEqual(['app.log', 'app.log.3-6', 'app.log.6-10']);
    await expect(Promise.all([log.start(), log.end()])).resolves.toEqual([3, 10]);
  });

  it('unless it cannot be, and then stays whole', async () => {
    const log = createLog('12345');
    // Stands where the copy would.
    mkdirSync(`${log.path}.copy`);
    await expect(layAside(log)).rejects.toThrow();
    rmSync(`${log.path}.copy`, { recursive: true, force: true });
    expect(partsOf(log)).toEqual(['app.log']);
    expect(readFileSync(log.path, 'utf8')).toBe('12345');
  });
});

describe('the mark of a log differs', () => {
  it('once other bytes are written in the place of as many, and the time of the last write is set back', async () => {
    const log = createLog('12345');
    utimesSync(log.path, 1_000, 1_000);
    const [before, { ctimeMs }] = [log.mark(), statSync(log.path)];
    // A clock of files stands still for some milliseconds.
    await until(
      () => {
        writeFileSync(log.path, 'abcde');
        utimesSync(log.path, 1_000, 1_000);
        return statSync(log.path).ctimeMs;
      },
      (changed) => changed !== ctimeMs,
    );
    expect(log.mark()).not.toBe(before);
  });

  it('once another file is there that was written at the same time', async () => {
    const log = createLog('12345');
    const folder = dirname(log.path);
    const timesOf = (path: string): readonly number[] => {
      const { size, mtimeMs, ctimeMs } = statSync(path);
      return [size, mtimeMs, ctimeMs];
    };
    mkdirSync(`${folder}.other`);
    const [one, other] = await until(
      () => {
        const paths = [log.path, join(`${folder}.other`, 'app.log')];
        for (const path of paths) rmSync(path, { force: true });
        for (const path of paths) writeFileSync(path, '12345');
        return paths.map(timesOf);
      },
      ([one, other]) => isDeepStrictEqual(one, other),
    );
    expect(other).toEqual(one);
    const before = log.mark();
    // A file that is moved itself has another time of its last change.
    renameSync(folder, `${folder}.before`);
    renameSync(`${folder}.other`, folder);
    expect(log.mark()).not.toBe(before);
  });
});
