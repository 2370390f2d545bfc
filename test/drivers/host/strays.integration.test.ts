import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { endStrays } from '../../../src/drivers/host/strays.js';
import { kernelViewOf } from '../../support/processes.js';
import { until } from '../../support/until.js';

let home: string;

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'home')));
  mkdirSync(join(home, 'work'));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** A process that works in a folder, in a session of its own. */
const started = (cwd: string, env: NodeJS.ProcessEnv) => {
  const child = spawn('/bin/sleep', ['600'], { cwd, env, detached: true, stdio: 'ignore' });
  return { pid: child.pid as number, ended: once(child, 'exit') };
};

const isRunning = (pid: number): boolean => kernelViewOf(pid) !== undefined;

it('ends what has the id of the instance and works in its home, and nobody else who has the one or the other', async () => {
  const named = { INSTANCE_ID: basename(home) };
  const stray = started(join(home, 'work'), named);
  const others = [started(join(home, 'work'), {}), started('/', named)];
  await endStrays(home);
  await stray.ended;
  expect(others.map(({ pid }) => isRunning(pid))).toEqual([true, true]);
  for (const { pid, ended } of others) {
    process.kill(pid, 'SIGKILL');
    await ended;
  }
});

it('ends a daemon that works in the home, whatever its environment', async () => {
  const shell = spawn('/bin/sh', ['-c', 'env -i setsid sleep 600 > /dev/null 2>&1 & echo $!'], {
    cwd: join(home, 'work'),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [printed] = (await once(shell.stdout, 'data')) as [Buffer];
  const pid = Number(printed.toString());
  // A daemon's parent is gone.
  await once(shell, 'exit');
  await until(
    () => kernelViewOf(pid)?.group,
    (group) => group === pid,
  );
  await endStrays(home);
  expect(isRunning(pid)).toBe(false);
});
