import { execFile } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { createProcessDriver, openManager } from 'rx-instances';
import { type Compiled, compile } from '../support/compiled.js';
import { until } from '../support/until.js';

let compiled: Compiled;
let folder: string;

beforeAll(() => {
  compiled = compile('test/manager', 'test/support');
});
afterAll(() => {
  compiled.remove();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'in-place-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const secret = 'only-for-the-instance';

/** Every file below a folder. */
const filesIn = (at: string): readonly string[] =>
  readdirSync(at, { recursive: true })
    .map((name) => join(at, name as string))
    .filter((path) => lstatSync(path).isFile());

it('an instance that is used in place outlives its manager, and its directory outlives the instance', async () => {
  const [dataDir, cwd] = [join(folder, 'data'), join(folder, 'theirs')];
  mkdirSync(cwd);
  const signal = await new Promise((done) => {
    const env = { ...process.env, TOLD: secret };
    const child = compiled.pathOf('test/manager/usedInPlaceChild.ts');
    execFile('node', [child, dataDir, cwd], { env }, (error) => {
      done(error?.signal);
    });
  });
  expect(signal).toBe('SIGKILL');
  const pids = await until(
    () => readdirSync(cwd).map((name) => readFileSync(join(cwd, name), 'utf8').split(' ')),
    (told) => told.length === 2 && told.every(([, second]) => second === `${secret}\n`),
  );

  const manager = await openManager({ dataDir, drivers: [createProcessDriver()] });
  try {
    const instances = await firstValueFrom(manager.list());
    expect(instances.map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
      'other Running',
      'web Running',
    ]);
    expect(new Set(instances.map(({ handle }) => String(handle?.pid)))).toEqual(
      new Set(pids.map(([pid]) => pid)),
    );
    // What it has inherited stands nowhere but in the instance.
    expect(filesIn(dataDir).filter((path) => readFileSync(path).includes(secret))).toEqual([]);

    await firstValueFrom(manager.stop('web'));
    await expect(firstValueFrom(manager.createSnapshot('web', { kind: 'Stopped' }))).rejects.toMatchObject({
      _tag: 'NotSupported',
      verb: 'createSnapshot',
      reason: `the instance works in ${cwd}, of which nothing is copied`,
    });
    await firstValueFrom(manager.delete('web'));
    await firstValueFrom(manager.delete('other'));
    expect(readdirSync(cwd)).toEqual(['other', 'web']);
  } finally {
    await manager.close({ stopInstances: true });
  }
}, 60_000);
