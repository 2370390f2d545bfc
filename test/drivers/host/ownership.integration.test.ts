import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { directoryId } from '../../../src/drivers/host/directoryId.js';
import { isOurs } from '../../../src/drivers/host/ownership.js';
import { processTable } from '../../../src/drivers/host/processTable.js';

let folder: string;
const ends: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'owned-')));
  for (const name of ['home', 'one', 'one/below', 'two']) mkdirSync(join(folder, name));
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  rmSync(folder, { recursive: true });
});

/** What the store would tell of a process of this home that works there, and whether that is believed. */
async function startedIn(cwd: string, place: string) {
  const home = join(folder, 'home');
  const stored = {
    ...{ startTime: '', bootId: '', logStart: 0, home: '' },
    place: (await directoryId(place)) ?? '',
  };
  const env = { INSTANCE_ID: basename(home) };
  const child = spawn('/bin/sleep', ['600'], { cwd, env, detached: true, stdio: 'ignore' });
  const isOver = once(child, 'exit');
  ends.push(async () => {
    child.kill('SIGKILL');
    await isOver;
  });
  await once(child, 'spawn');
  const pid = child.pid as number;
  return async (told: string): Promise<boolean> => {
    const entry = await processTable.find(pid);
    if (entry === undefined) throw new Error('it has ended');
    return isOurs(entry, { home, stored: { ...stored, pid }, run: undefined, cwd: told });
  };
}

describe('a process that works in a directory outside its home is its own', () => {
  it('while the store names that directory, or another by now', async () => {
    const isBelieved = await startedIn(join(folder, 'one'), join(folder, 'one'));
    await expect(isBelieved(join(folder, 'one'))).resolves.toBe(true);
    await expect(isBelieved(join(folder, 'two'))).resolves.toBe(true);
  });

  it('also where the directory has another name by now, or is gone', async () => {
    const isBelieved = await startedIn(join(folder, 'two'), join(folder, 'two'));
    renameSync(join(folder, 'two'), join(folder, 'three'));
    await expect(isBelieved(join(folder, 'two'))).resolves.toBe(true);
    rmdirSync(join(folder, 'three'));
    await expect(isBelieved(join(folder, 'two'))).resolves.toBe(true);
  });

  it('also where it has gone further down', async () => {
    const isBelieved = await startedIn(join(folder, 'one', 'below'), join(folder, 'one'));
    renameSync(join(folder, 'one'), join(folder, 'three'));
    await expect(isBelieved(join(folder, 'one'))).resolves.toBe(true);
  });

  it('and not if it was started elsewhere, or anywhere below the root', async () => {
    for (const place of ['two', '/']) {
      const isBelieved = await startedIn(join(folder, 'one'), join('/', place === '/' ? '' : folder, place));
      await expect(isBelieved(join(folder, 'two'))).resolves.toBe(false);
    }
  });
});
