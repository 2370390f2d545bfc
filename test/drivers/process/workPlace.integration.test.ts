import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import type { LaunchPlan } from 'rx-instances';
import { decodeProcessHandle } from '../../../src/drivers/host/processHandle.js';
import { readRun, type RunRecord, runPathOf } from '../../../src/drivers/host/runRecord.js';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { all, createProcessBench, eventually, exitOf, script } from './processBench.js';

const bench = createProcessBench();
const { driver } = bench;
let made = 0;

/** A directory of somebody, with these files in it. */
function directoryOf(files: Readonly<Record<string, string>> = {}): string {
  const directory = join(bench.folder, `directory-${String((made += 1))}`);
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
    chmodSync(join(directory, name), 0o755);
  }
  return directory;
}

/** What a program has printed that was launched and has ended. */
async function printed(plan: LaunchPlan): Promise<readonly string[]> {
  await exitOf(bench.hold(await firstValueFrom(driver.launch(plan))));
  return bench.log(plan);
}

const program = { 'bin/where': '#!/bin/sh\npwd\n' };

describe('a program works', () => {
  it.each<[string]>([['bin'], ['./bin/'], ['bin/.']])(
    'in a directory of its image, %s, and is found from there',
    async (cwd) => {
      const plan = await bench.prepared({ image: directoryOf(program), cwd, entrypoint: ['./where'] });
      await expect(printed(plan)).resolves.toEqual([join(plan.home, 'work', 'bin')]);
    },
  );

  it('in a directory of this host, of which nothing is copied, and which stays when its home is removed', async () => {
    const directory = directoryOf({ 'bin/where': '#!/bin/sh\npwd; touch made\n' });
    const plan = await bench.prepared({ cwd: directory, entrypoint: ['bin/where'] });
    await expect(printed(plan)).resolves.toEqual([directory]);
    expect(readdirSync(join(plan.home, 'work'))).toEqual([]);
    await all(driver.discard(plan.home));
    expect(existsSync(plan.home)).toBe(false);
    expect(readdirSync(directory)).toEqual(['bin', 'made']);
  });

  it('as a fork in the same directory of this host', async () => {
    const directory = directoryOf(program);
    const source = await bench.prepared({ cwd: directory, entrypoint: ['bin/where'] });
    const fork = { ...bench.plan(source.spec), copyOf: source.home };
    await all(driver.prepare(fork));
    await expect(printed(fork)).resolves.toEqual([directory]);
    expect(readdirSync(directory)).toEqual(['bin']);
  });

  it('where a link of this host leads to at each start', async () => {
    const [former, next] = [directoryOf(program), directoryOf(program)];
    const link = join(bench.folder, 'current');
    symlinkSync(former, link);
    const plan = await bench.prepared({ cwd: link, entrypoint: ['bin/where'] });
    await expect(printed(plan)).resolves.toEqual([former]);
    unlinkSync(link);
    symlinkSync(next, link);
    await expect(printed(plan)).resolves.toEqual([former, next]);
  });
});

describe('a program is not started', () => {
  it.each<[string, (directory: string) => void, string, string]>([
    ['that is not there', () => undefined, 'there is no directory', 'ENOENT'],
    [
      'that is a file',
      (path) => {
        writeFileSync(path, '');
      },
      'is no directory',
      'ENOTDIR',
    ],
    [
      'that is a loop of links',
      (path) => {
        symlinkSync(path, path);
      },
      'is a loop of links',
      'ELOOP',
    ],
  ])('in a directory of this host %s', async (_, arrange, reason, code) => {
    const cwd = join(directoryOf(), 'it');
    arrange(cwd);
    const plan = await bench.prepared({ cwd, entrypoint: ['true'] });
    await expect(all(driver.launch(plan))).rejects.toMatchObject({
      ...{ _tag: 'LaunchFailed', cause: { code } },
      reason: reason.startsWith('there') ? `${reason} ${cwd}` : `the directory ${cwd} ${reason}`,
    });
  });

  it('in a directory that its image does not have', async () => {
    const plan = await bench.prepared({ cwd: 'a/b', entrypoint: ['true'] });
    await expect(all(driver.launch(plan))).rejects.toMatchObject({
      ...{ _tag: 'LaunchFailed', reason: 'there is no directory a/b in the working directory' },
    });
  });

  it.each<[string, string]>([
    ['in its place', 'a/b'],
    ['on the way to it', 'a/b/c'],
  ])('in a directory of its own where a link stands %s', async (_, cwd) => {
    const outside = directoryOf({ 'c/file': '' });
    const plan = await bench.prepared({ cwd, entrypoint: ['true'] });
    const work = join(plan.home, 'work');
    mkdirSync(join(work, 'a'));
    symlinkSync(outside, join(work, 'a', 'b'));
    await expect(all(driver.launch(plan))).rejects.toMatchObject({
      ...{ _tag: 'LaunchFailed', reason: `${work}/a/b is no folder that may be entered, or a link` },
    });
    // Whoever starts others has nothing open of it.
    renameSync(join(work, 'a'), join(work, 'former'));
    mkdirSync(join(work, cwd), { recursive: true });
    await expect(printed(plan)).resolves.toEqual([]);
  });
});

it('no snapshot is taken of a directory of this host', async () => {
  const plan = await bench.prepared({ cwd: directoryOf(), entrypoint: ['true'] });
  const folder = join(bench.folder, 'snapshot');
  const taken = driver.snapshots?.take({ ...plan, folder, kind: 'Stopped' });
  await expect(firstValueFrom(taken as NonNullable<typeof taken>)).rejects.toMatchObject({
    ...{ _tag: 'NotSupported', driver: 'process', verb: 'createSnapshot' },
  });
  expect(existsSync(folder)).toBe(false);
});

it('what works in a directory of this host is adopted by that, when it writes elsewhere and nobody else knows it', async () => {
  const directory = directoryOf();
  const plan = bench.plan({
    cwd: directory,
    ...script('exec >/dev/null 2>&1', 'echo $$ >begun', 'while [ ! -e go ]; do sleep 0.02; done'),
  });
  const env = { ...process.env, DISABLE_V8_COMPILE_CACHE: '1' };
  const file = join(__dirname, 'launchAndDie.ts');
  const told = await new Promise<string>((done) => {
    const asked = JSON.stringify({ ...plan, outlives: true });
    execFile('node', ['-r', 'ts-node/register', file, asked], { env }, (_, stdout) => {
      done(stdout);
    });
  });
  await eventually(() => existsSync(join(directory, 'begun')));
  // As on a system without control groups, of whose starter nothing is left.
  const { group, ...handle } = decodeProcessHandle(JSON.parse(told));
  const run = (await readRun(plan.home)) as RunRecord;
  process.kill(run.spawner.pid, 'SIGKILL');
  await eventually(() => kernelViewOf(run.spawner.pid) === undefined);
  const text = readFileSync(runPathOf(plan.home), 'utf8');
  writeFileSync(runPathOf(plan.home), group === undefined ? text : text.replace(group, '/none'));

  const machine = bench.hold(await firstValueFrom(driver.adopt(plan, handle)));
  await expect(all(machine.inspect())).resolves.toEqual([{ kind: 'running', ready: true }]);
  const elsewhere = { ...plan, spec: { ...plan.spec, cwd: directoryOf() } };
  // Only what does not tell where it was started is lost so: an earlier version did not.
  const { place, ...former } = handle;
  expect(place).toBeDefined();
  await expect(all(driver.adopt(elsewhere, former))).rejects.toThrow(
    'cannot be shown to be of this instance',
  );
  const again = bench.hold(await firstValueFrom(driver.adopt(elsewhere, handle)));
  await expect(all(again.inspect())).resolves.toEqual([{ kind: 'running', ready: true }]);
  await firstValueFrom(machine.kill());
  expect(processesOf(plan.instanceId)).toEqual([]);
  rmSync(directory, { recursive: true });
}, 30_000);
