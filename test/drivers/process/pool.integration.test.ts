import { lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY, firstValueFrom } from 'rxjs';
import { createProcessDriver, type Driver, type LaunchPlan, type Machine } from 'rx-instances';
import { ownMark } from '../../../src/drivers/driver.js';
import { runProgram } from '../../../src/drivers/host/runProgram.js';
import { all, createProcessBench, eventually, exitOf, script } from './processBench.js';

const bench = createProcessBench();

const pool = join(bench.folder, 'pool');
let driver: Driver;
beforeEach(() => {
  driver = createProcessDriver({ pollMs: 5 });
});
afterEach(async () => {
  await all(driver.close?.() ?? EMPTY);
  rmSync(pool, { recursive: true, force: true });
});

const pipesIn = (folder: string): readonly number[] =>
  readdirSync(folder)
    .map((name) => lstatSync(join(folder, name)))
    .filter((entry) => entry.isFIFO())
    .map(({ ino }) => ino);

const prepared = async (...lines: readonly string[]): Promise<LaunchPlan> => ({
  ...(await bench.prepared(script(...lines))),
  pool,
});

const launched = async (plan: LaunchPlan): Promise<Machine> => firstValueFrom(driver.launch(plan));

/** Runs a process to its end, and tells what it has written. */
async function said(plan: LaunchPlan): Promise<readonly string[]> {
  const machine = await launched(plan);
  await exitOf(machine);
  return bench.log(plan);
}

it('moves pipes that were made ahead into the home of the next', async () => {
  await expect(said(await prepared('echo first'))).resolves.toEqual(['first']);
  await eventually(() => pipesIn(pool).length > 2);
  const ahead = pipesIn(pool);
  const plan = await prepared('read -r line < in; echo "$line"');
  await runProgram('mkfifo', [join(plan.home, 'work', 'in')]);
  const machine = await launched(plan);
  const used = pipesIn(join(plan.home, 'run'));
  writeFileSync(join(plan.home, 'work', 'in'), 'second\n');
  await exitOf(machine);
  expect(ahead).toEqual(expect.arrayContaining([...used]));
  expect(used).toHaveLength(2);
  await expect(bench.log(plan)).resolves.toEqual(['second']);
});

it('makes more once few are left, and never runs out', async () => {
  const plans = await Promise.all(
    Array.from({ length: 80 }, (_, index) => prepared(`echo ${String(index)}`)),
  );
  await said(await prepared('true'));
  await eventually(() => pipesIn(pool).length > 2);
  const written = await Promise.all(plans.map(said));
  expect(written).toEqual(plans.map((_, index) => [String(index)]));
  await eventually(() => pipesIn(pool).length > 32);
});

it('leaves nothing of them behind', async () => {
  await said(await prepared('true'));
  await all(driver.close?.() ?? EMPTY);
  expect(readdirSync(bench.folder)).not.toContain('pool');
});

it('leaves nothing of them behind either where a process runs on', async () => {
  const machine = await launched({ ...(await prepared('exec sleep 600')), outlives: true });
  machine.detach?.();
  await all(driver.close?.() ?? EMPTY);
  expect(readdirSync(bench.folder)).not.toContain('pool');
  process.kill(Number(machine.handle.pid), 'SIGKILL');
});

it('goes on with those that somebody has left who was killed, and leaves alone what is no pipe of its own', async () => {
  mkdirSync(pool, { mode: 0o700 });
  writeFileSync(join(pool, ownMark), '');
  await runProgram(
    'mkfifo',
    ['12.1', '12.2', 'mine'].map((name) => join(pool, name)),
  );
  writeFileSync(join(pool, '12.3'), 'a file');
  const left = ['12.1', '12.2'].map((name) => lstatSync(join(pool, name)).ino);
  const plan = await prepared('sleep 600');
  const machine = await launched(plan);
  expect(pipesIn(join(plan.home, 'run')).toSorted()).toEqual(left.toSorted());
  await all(machine.kill());
  await all(driver.close?.() ?? EMPTY);
  expect(readdirSync(pool).toSorted()).toEqual([ownMark, '12.3', 'mine'].toSorted());
});

it.each<[string, () => void]>([
  [
    'a folder of somebody',
    () => {
      mkdirSync(pool, { mode: 0o755 });
      writeFileSync(join(pool, 'mine'), 'a file');
    },
  ],
  [
    'a file of somebody',
    () => {
      writeFileSync(pool, 'a file');
    },
  ],
  [
    'a link',
    () => {
      symlinkSync('/nowhere', pool);
    },
  ],
])('leaves alone what stands in the place of the pool and is %s', async (_, lay) => {
  lay();
  const before = lstatSync(pool);
  const entries = before.isDirectory() ? readdirSync(pool) : [];
  await expect(said(await prepared('echo here'))).resolves.toEqual(['here']);
  await all(driver.close?.() ?? EMPTY);
  expect(lstatSync(pool)).toMatchObject({ ino: before.ino, mode: before.mode, size: before.size });
  expect(before.isDirectory() ? readdirSync(pool) : []).toEqual(entries);
});

it.each([
  [
    'a file stands in its place',
    () => {
      rmSync(pool, { recursive: true });
      writeFileSync(pool, '');
    },
  ],
  [
    'it is taken away meanwhile',
    () => {
      rmSync(pool, { recursive: true, force: true });
    },
  ],
  [
    'it is emptied meanwhile',
    () => {
      for (const name of readdirSync(pool)) rmSync(join(pool, name));
    },
  ],
])('starts though %s', async (_, damage) => {
  await said(await prepared('true'));
  await eventually(() => pipesIn(pool).length > 2);
  damage();
  await expect(said(await prepared('echo here'))).resolves.toEqual(['here']);
});
