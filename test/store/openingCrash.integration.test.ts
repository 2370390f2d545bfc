import { execFile } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { type Compiled, compile } from '../support/compiled.js';
import { times } from '../support/inShort.js';
import { created, done } from './changes.js';
import { createDataDirs } from './dataDir.js';
import { filledDir, seen, whole } from './filledDir.js';

// Disks and processes that others use too.
jest.setTimeout(300_000);

const dataDirs = createDataDirs();
let compiled: Compiled;

beforeAll(() => {
  compiled = compile('test/store', 'test/support');
});
afterAll(() => {
  compiled.remove();
});

/** Opens a directory in a process that kills itself at a step; resolves with the signal, if it came so far. */
const cutOff = (dataDir: string, step: number): Promise<unknown> =>
  new Promise((resolve) => {
    const child = [compiled.pathOf('test/store/openingChild.ts'), dataDir, String(step)];
    execFile(process.execPath, child, (error) => {
      resolve(error === null ? undefined : (error.signal ?? error));
    });
  });

/** Tries every step of an opening; in short every fourth, others each time. */
async function everyStep(
  make: () => Promise<string>,
  check: (dataDir: string) => Promise<void>,
): Promise<number> {
  const stride = times(4, 1);
  for (let step = 1 + Math.floor(Math.random() * stride); ; step += stride) {
    const dataDir = await make();
    const signal = await cutOff(dataDir, step);
    expect([undefined, 'SIGKILL']).toContain(signal);
    await check(dataDir);
    expect(readdirSync(dataDir).toSorted()).toEqual([
      'instances',
      'lock',
      'rx-instances.json',
      'snapshots',
      'store',
    ]);
    if (signal === undefined) return step;
  }
}

it('who is killed at any step of making a data directory leaves one that opens', async () => {
  const steps = await everyStep(
    () => Promise.resolve(join(dataDirs.make(), 'data')),
    async (dataDir) => {
      const store = await dataDirs.open(dataDir);
      await firstValueFrom(store.commit(created('a')));
      await done(store.close());
      const again = await dataDirs.open(dataDir);
      expect((await firstValueFrom(again.load())).instances).toHaveLength(1);
      await done(again.close());
    },
  );
  expect(steps).toBeGreaterThan(20);
});

it('who is killed at any step of opening one of version 0.1.0 leaves all that is in it', async () => {
  const old = await filledDir(dataDirs);
  rmSync(join(old, 'rx-instances.json'));
  await everyStep(
    () => {
      const dataDir = join(dataDirs.make(), 'data');
      cpSync(old, dataDir, { recursive: true, filter: (path) => !path.includes('/lock') });
      return Promise.resolve(dataDir);
    },
    async (dataDir) => {
      const store = await dataDirs.open(dataDir);
      expect(await seen(store)).toEqual(whole);
      await done(store.close());
    },
  );
});
