import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { homeIdOf, readRun, runPathOf } from '../../../src/drivers/host/runRecord.js';

const home = mkdtempSync(join(tmpdir(), 'record-'));

afterAll(() => {
  rmSync(home, { recursive: true });
});

const path = runPathOf(home);
mkdirSync(dirname(path));
const run = {
  handle: { pid: 2 ** 30, startTime: '1', bootId: 'boot', logStart: 0, home: homeIdOf(home) },
  spawner: { pid: 2, startTime: '1' },
};
const end = { exit: { code: 7, signal: null } };

describe('the record of a run', () => {
  it('tells in its second line how that ended', async () => {
    writeFileSync(path, `${JSON.stringify(run)}\n${JSON.stringify(end)}\n`);
    await expect(readRun(home)).resolves.toEqual({ ...run, ...end });
  });

  it('tells no end before that line is whole', async () => {
    const line = JSON.stringify(end);
    for (let length = 0; length <= line.length; length += 1) {
      writeFileSync(path, `${JSON.stringify(run)}\n${line.slice(0, length)}`);
      await expect(readRun(home)).resolves.toEqual(run);
    }
  });

  it('tells no end where the machine stopped before the bytes of that line were on the disk', async () => {
    writeFileSync(path, `${JSON.stringify(run)}\n${'\0'.repeat(100)}`);
    await expect(readRun(home)).resolves.toEqual(run);
  });

  it('is none where a line is something else', async () => {
    writeFileSync(path, `${JSON.stringify(run)}\nnothing\n`);
    await expect(readRun(home)).resolves.toBeUndefined();
  });
});
