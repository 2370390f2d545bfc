import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LogFiles } from '../../../src/drivers/host/logFiles.js';
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
