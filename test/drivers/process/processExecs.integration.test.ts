import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { join, resolve } from 'node:path';
import type { Machine } from 'rx-instances';
import type { CheckOutcome, CheckProgram } from '../../../src/lifecycle/checkProgram.js';
import { processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { all, createProcessBench, eventually, type Launched } from './processBench.js';

const bench = createProcessBench({ inheritEnv: ['BENCH_INHERITED'] });

const shell = (...lines: readonly string[]): readonly string[] => ['/bin/sh', '-c', lines.join('\n')];

const checked = (
  { check }: Machine,
  command: readonly string[],
  others: Partial<CheckProgram> = {},
): Promise<readonly CheckOutcome[]> =>
  all((check as NonNullable<Machine['check']>)({ command, timeoutMs: 60_000, ...others }));

const lasting = (): Promise<Launched> => bench.launched({ entrypoint: ['sleep', '600'] });

/** A program of several processes that says where it is once it runs, and goes on. */
const family = (file: string): readonly string[] =>
  shell('trap "" TERM HUP', 'setsid sleep 600 &', '(sleep 600 & wait) &', `: > ${file}`, 'wait');

const workOf = ({ plan }: Launched, file: string): string => join(plan.home, 'work', file);

/** Comes once nothing runs of an instance but its own program. */
const alone = async ({ plan, pid }: Launched): Promise<void> => {
  const left = await until(
    () => processesOf(plan.instanceId),
    (pids) => pids.length === 1,
  );
  expect(left).toEqual([pid]);
};

it.each([
  [['true'], { code: 0, signal: null }],
  [shell('exit 7'), { code: 7, signal: null }],
  [shell('kill -SEGV $$'), { code: null, signal: 'SIGSEGV' }],
])('a check by %j tells how that ended', async (command, outcome) => {
  const { machine } = await lasting();
  await expect(checked(machine, command)).resolves.toEqual([outcome]);
});

it('it works where the instance does, as the same user, with its environment and its ports', async () => {
  process.env['BENCH_INHERITED'] = 'inherited';
  const launched = await bench.launched({
    entrypoint: [
      '/bin/sh',
      '-c',
      '{ id; pwd; env; } | grep -v ^_= | sort > part; mv part own; exec sleep 600',
    ],
    env: { ANY: 'thing' },
    ports: [{ guest: 80 }],
  });
  await checked(launched.machine, shell('{ id; pwd; env; } | grep -v ^_= | sort > check'));
  delete process.env['BENCH_INHERITED'];
  await eventually(() => existsSync(workOf(launched, 'own')));
  const [own, check] = ['own', 'check'].map((file) => readFileSync(workOf(launched, file), 'utf8'));
  expect(check).toBe(own);
  expect(check).toContain('ANY=thing');
  expect(check).toMatch(/^PORT=\d+$/m);
  expect(check).toContain('BENCH_INHERITED=inherited');
});

it('it works elsewhere if it is asked to', async () => {
  const launched = await lasting();
  mkdirSync(workOf(launched, 'sub'));
  await checked(launched.machine, shell('pwd > place'), { cwd: 'sub' });
  expect(readFileSync(workOf(launched, 'sub/place'), 'utf8')).toBe(`${workOf(launched, 'sub')}\n`);
});

it('it has nothing open but its three streams, and what it writes comes to nothing', async () => {
  const launched = await lasting();
  const command = shell('yes | head -c 1000000', 'readlink /proc/$$/fd/* > open || true');
  await expect(checked(launched.machine, command)).resolves.toEqual([{ code: 0, signal: null }]);
  const open = readFileSync(workOf(launched, 'open'), 'utf8').trim().split('\n');
  // What the shell itself writes to.
  expect(open.map((path) => path.replace(workOf(launched, 'open'), devNull))).toEqual(Array(3).fill(devNull));
  await expect(bench.log(launched.plan)).resolves.toEqual([]);
  expect(readdirSync(join(launched.plan.home, 'work'))).toEqual(['open']);
});

it('it is killed with all that it has started when its time is over', async () => {
  const launched = await lasting();
  const outcome = { code: null, signal: 'SIGKILL', timedOut: true };
  await expect(checked(launched.machine, family('runs'), { timeoutMs: 200 })).resolves.toEqual([outcome]);
  await alone(launched);
});

it('what it leaves behind is killed when it ends', async () => {
  const launched = await lasting();
  await checked(launched.machine, shell('sleep 600 &', 'exit 0'));
  await alone(launched);
});

it('it is killed when nobody waits for it any more', async () => {
  const launched = await lasting();
  const program = { command: family('runs'), timeoutMs: 60_000 };
  const checking = launched.machine.check?.(program).subscribe();
  await eventually(() => existsSync(workOf(launched, 'runs')));
  checking?.unsubscribe();
  await alone(launched);
});

it('it ends with the machine, without an outcome, and nothing of it is left when the home is removed', async () => {
  const launched = await lasting();
  const checking = checked(launched.machine, family('runs'));
  await eventually(() => existsSync(workOf(launched, 'runs')));
  await all(launched.machine.kill());
  await expect(checking).resolves.toEqual([]);
  await all(bench.driver.discard(launched.plan.home));
  expect(processesOf(launched.plan.instanceId)).toEqual([]);
  await expect(checked(launched.machine, ['true'])).resolves.toEqual([]);
});

it.each([
  [['/no/such/program'], {}, 'there is no program "/no/such/program"'],
  [['true'], { cwd: 'none' }, 'there is no directory none in the working directory'],
])('a check by %j with %j that cannot be started fails', async (command, others, reason) => {
  const { machine } = await lasting();
  await expect(checked(machine, command, others)).rejects.toThrow(reason);
});

it('of more than run at a time the others have their turn, and their time begins with it', async () => {
  const launched = await lasting();
  const outcomes = await Promise.all(
    Array.from({ length: 80 }, () => checked(launched.machine, ['sleep', '0.1'], { timeoutMs: 30_000 })),
  );
  expect(outcomes.flat().filter(({ code }) => code === 0)).toHaveLength(80);
}, 60_000);

it('it ends when this process is killed', async () => {
  const plan = { ...bench.plan({ entrypoint: ['sleep', '600'] }), outlives: false };
  const file = join(bench.folder, 'runs');
  const script = join(__dirname, 'checkAndDie.ts');
  const signal = await new Promise((done) => {
    const args = ['--require', resolve('scripts/typescript.cjs'), script, JSON.stringify(plan), file];
    execFile('node', args, (error) => {
      done(error?.signal);
    });
  });
  expect(signal).toBe('SIGKILL');
  await eventually(() => processesOf(plan.instanceId).length === 0);
}, 30_000);
