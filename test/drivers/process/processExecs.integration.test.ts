import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { firstValueFrom, mergeMap, type Observable } from 'rxjs';
import { type ExecOutput, type Machine } from 'rx-instances';
import type { Execution, ExecProgram } from '../../../src/lifecycle/execution.js';
import { processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import { all, createProcessBench, eventually, type Launched } from './processBench.js';

const bench = createProcessBench({ inheritEnv: ['BENCH_INHERITED'] });

const shell = (...lines: readonly string[]): readonly string[] => ['/bin/sh', '-c', lines.join('\n')];

const execOf = (
  { exec }: Machine,
  command: readonly string[],
  others: Partial<ExecProgram> = {},
): Observable<Execution> =>
  (exec as NonNullable<Machine['exec']>)({ command, hasInput: false, hasOutput: true, ...others });

async function everything(execution: Execution): Promise<readonly ExecOutput[]> {
  const outputs: ExecOutput[] = [];
  for (;;) {
    const output = await execution.read();
    if (output === undefined) return outputs;
    outputs.push(output);
  }
}

/** What a program wrote, as text, and how it ended. */
async function ran(
  ...asked: Parameters<typeof execOf>
): Promise<{ readonly stdout: string; readonly stderr: string; readonly exit: unknown }> {
  const outputs = await firstValueFrom(execOf(...asked).pipe(mergeMap(everything)));
  const [stdout = '', stderr = ''] = ['stdout', 'stderr'].map((kind) =>
    Buffer.concat(
      outputs.flatMap((output) => ('data' in output && output.kind === kind ? [output.data] : [])),
    ).toString(),
  );
  const exits = outputs.flatMap((output) => {
    const { kind, ...exit } = output;
    return kind === 'exit' ? [exit] : [];
  });
  expect(exits).toHaveLength(1);
  return { stdout, stderr, exit: exits[0] };
}

const lasting = (): Promise<Launched> => bench.launched({ entrypoint: ['sleep', '600'] });

/** A program of several processes that says where it is once it runs, and goes on. */
const family = (file: string): readonly string[] =>
  shell('trap "" TERM HUP', 'setsid sleep 600 &', '(sleep 600 & wait) &', `: > ${file}`, 'wait');

const workOf = ({ plan }: Launched, file: string): string => join(plan.home, 'work', file);

const killed = { code: null, signal: 'SIGKILL' };

/** Comes once nothing runs of an instance but its own program, and nothing lies in its home but what was there before. */
const alone = async ({ plan, pid }: Launched): Promise<void> => {
  const left = await until(
    () => processesOf(plan.instanceId),
    (pids) => pids.length === 1,
  );
  expect(left).toEqual([pid]);
  await eventually(() => !readdirSync(plan.home).some((name) => name.startsWith('exec')));
};

it.each([
  [['true'], { code: 0, signal: null }],
  [shell('exit 7'), { code: 7, signal: null }],
  [shell('kill -SEGV $$'), { code: null, signal: 'SIGSEGV' }],
])('%j tells how it ended', async (command, exit) => {
  const launched = await lasting();
  await expect(ran(launched.machine, command)).resolves.toEqual({ stdout: '', stderr: '', exit });
  await alone(launched);
});

it('it works where the instance does, as the same user, with its environment and its ports', async () => {
  process.env['BENCH_INHERITED'] = 'inherited';
  const launched = await bench.launched({
    entrypoint: [
      '/bin/sh',
      '-c',
      '{ id; pwd; env; } | grep -v ^_= | sort > part; mv part own; exec sleep 600',
    ],
    env: { ANY: 'thing', OTHER: 'thing' },
    ports: [{ guest: 80 }],
  });
  const command = shell('{ id; pwd; env; } | grep -v ^_= | sort');
  const { stdout } = await ran(launched.machine, command);
  const changed = await ran(launched.machine, command, { env: { OTHER: 'one' } });
  delete process.env['BENCH_INHERITED'];
  await eventually(() => existsSync(workOf(launched, 'own')));
  expect(stdout).toBe(readFileSync(workOf(launched, 'own'), 'utf8'));
  expect(stdout).toContain('ANY=thing');
  expect(stdout).toMatch(/^PORT=\d+$/m);
  expect(stdout).toContain('BENCH_INHERITED=inherited');
  expect(changed.stdout).toBe(stdout.replace('OTHER=thing', 'OTHER=one'));
});

it('it works elsewhere if it is asked to', async () => {
  const launched = await lasting();
  mkdirSync(workOf(launched, 'sub'));
  const { stdout } = await ran(launched.machine, ['pwd'], { cwd: 'sub' });
  expect(stdout).toBe(`${workOf(launched, 'sub')}\n`);
});

it('it has nothing open but its three streams, can open its outputs once more, and nothing of it is logged', async () => {
  const launched = await lasting();
  const command = shell('echo again > /dev/stdout', 'cat', 'ls /proc/$$/fd');
  const program = execOf(launched.machine, command, { hasInput: true });
  const outputs = await firstValueFrom(
    program.pipe(
      mergeMap(async (execution) => {
        await execution.write(Buffer.from('handed\n'));
        execution.endInput();
        return everything(execution);
      }),
    ),
  );
  const text = Buffer.concat(outputs.flatMap((output) => ('data' in output ? [output.data] : []))).toString();
  expect(text).toBe('again\nhanded\n0\n1\n2\n');
  await expect(bench.log(launched.plan)).resolves.toEqual([]);
  await alone(launched);
});

it('none of a million lines of both streams is lost or out of order, also where the reader stalls', async () => {
  const launched = await lasting();
  const numbers = (of: string): string => `seq 1 500000 | sed s/^/${of}/`;
  const command = shell(`${numbers('e')} >&2 &`, numbers('o'), 'wait');
  const seen = { stdout: { lines: 0, rest: '' }, stderr: { lines: 0, rest: '' } };
  await firstValueFrom(
    execOf(launched.machine, command).pipe(
      mergeMap(async (execution) => {
        for (;;) {
          const output = await execution.read();
          if (output?.kind === 'exit') expect(output).toEqual({ kind: 'exit', code: 0, signal: null });
          if (output === undefined || output.kind === 'exit') return;
          const it = seen[output.kind];
          const lines = (it.rest + Buffer.from(output.data).toString()).split('\n');
          it.rest = lines.pop() ?? '';
          for (const line of lines) {
            it.lines += 1;
            const expected = `${output.kind === 'stdout' ? 'o' : 'e'}${String(it.lines)}`;
            if (line !== expected) throw new Error(`expected ${expected}, found ${line}`);
          }
          // The pipe fills up meanwhile.
          if (it.lines % 10 === 0) await new Promise((turn) => setImmediate(turn));
        }
      }),
    ),
    { defaultValue: undefined },
  );
  expect(seen).toEqual({ stdout: { lines: 500_000, rest: '' }, stderr: { lines: 500_000, rest: '' } });
}, 60_000);

it('what it leaves behind is killed when it ends', async () => {
  const launched = await lasting();
  const { exit } = await ran(launched.machine, shell('sleep 600 &', 'setsid sleep 600 &', 'exit 0'));
  expect(exit).toEqual({ code: 0, signal: null });
  expect(processesOf(launched.plan.instanceId)).toEqual([launched.pid]);
});

it('it is killed with all that it has started when it is unsubscribed', async () => {
  const launched = await lasting();
  const running = execOf(launched.machine, family('runs')).subscribe();
  await eventually(() => existsSync(workOf(launched, 'runs')));
  running.unsubscribe();
  await alone(launched);
});

it('one that is unsubscribed while it is started does not stay', async () => {
  const launched = await lasting();
  for (let count = 0; count < 10; count += 1)
    execOf(launched.machine, ['sleep', '600']).subscribe().unsubscribe();
  // By then it is their turn to be started.
  await ran(launched.machine, ['true']);
  await alone(launched);
});

it('it ends with the machine, and nothing of it is left when the home is removed', async () => {
  const launched = await lasting();
  const running = ran(launched.machine, family('runs'));
  await eventually(() => existsSync(workOf(launched, 'runs')));
  await all(launched.machine.kill());
  await expect(running).resolves.toMatchObject({ exit: killed });
  await all(bench.driver.discard(launched.plan.home));
  expect(processesOf(launched.plan.instanceId)).toEqual([]);
  await expect(ran(launched.machine, ['true'])).rejects.toThrow('the process has ended');
});

it('it stands still with the machine, also if it is started then, and goes on with it', async () => {
  const launched = await lasting();
  const freezing = launched.machine.freezing as NonNullable<Machine['freezing']>;
  const first = ran(launched.machine, shell(': > runs', 'while [ ! -e go ]; do sleep 0.01; done', 'echo on'));
  await eventually(() => existsSync(workOf(launched, 'runs')));
  await all(freezing.freeze());
  const second = ran(launched.machine, shell('while [ ! -e go ]; do sleep 0.01; done', 'echo on'));
  const states = await until(
    () => processesOf(launched.plan.instanceId).filter((pid) => pid !== launched.pid),
    (pids) => pids.length >= 2 && pids.every(isStill),
  );
  expect(states.every(isStill)).toBe(true);
  await all(freezing.thaw());
  mkdirSync(workOf(launched, 'go'));
  for (const { stdout } of await Promise.all([first, second])) expect(stdout).toBe('on\n');
});

it('it goes on with a machine that is thawed while it is halted', async () => {
  const launched = await lasting();
  const freezing = launched.machine.freezing as NonNullable<Machine['freezing']>;
  const others = (): readonly number[] =>
    processesOf(launched.plan.instanceId).filter((pid) => pid !== launched.pid);
  for (let round = 0; round < 20; round += 1) {
    await all(freezing.freeze());
    const running = ran(launched.machine, ['sleep', '0.5']);
    await eventually(() => others().some(isStill));
    await all(freezing.thaw());
    await expect(running).resolves.toMatchObject({ exit: { code: 0 } });
  }
});

/** Halted by a signal, or frozen with its control group. */
const isStill = (pid: number): boolean => {
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${String(pid)}/${file}`, 'utf8');
    } catch {
      return '';
    }
  };
  if (/^State:\s+T/m.test(read('status'))) return true;
  const group = /^0::(.*)$/m.exec(read('cgroup'))?.[1];
  if (group === undefined) return false;
  return ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].some((at) => {
    const events = join(at, group, 'cgroup.events');
    return existsSync(events) && readFileSync(events, 'utf8').includes('frozen 1');
  });
};

it.each([
  [['/no/such/program'], {}, 127, 'there is no program "/no/such/program"'],
  [['no-such-program'], {}, 127, 'there is no program "no-such-program" in PATH'],
  [['/etc/passwd'], {}, 126, '"/etc/passwd" may not be executed'],
  [['true'], { cwd: 'none' }, 126, 'there is no directory none in the working directory'],
])('%j with %j that cannot be started fails with code %d', async (command, others, code, message) => {
  const launched = await lasting();
  await expect(ran(launched.machine, command, others)).rejects.toMatchObject({
    ...{ _tag: 'ExecFailed', code, message },
  });
  await alone(launched);
});

it('a thousand, 16 at a time, leave nothing', async () => {
  const launched = await lasting();
  const open = (): number => readdirSync('/proc/self/fd').length;
  await ran(launched.machine, ['true']);
  const before = open();
  let [begun, sum] = [0, 0];
  const lane = async (): Promise<void> => {
    while (begun < 1_000) {
      begun += 1;
      const { stdout } = await ran(launched.machine, ['echo', String(begun)]);
      sum += Number(stdout);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  expect(sum).toBe(500_500);
  await alone(launched);
  expect(open()).toBeLessThanOrEqual(before + 2);
}, 120_000);

it('it ends when this process is killed', async () => {
  const plan = { ...bench.plan({ entrypoint: ['sleep', '600'] }), outlives: true };
  const file = join(bench.folder, 'runs');
  const script = join(__dirname, 'execAndDie.ts');
  const signal = await new Promise((done) => {
    const args = ['--require', resolve('scripts/typescript.cjs'), script, JSON.stringify(plan), file];
    execFile('node', args, (error) => {
      done(error?.signal);
    });
  });
  expect(signal).toBe('SIGKILL');
  // The instance itself outlives it.
  await eventually(() => processesOf(plan.instanceId).length === 1);
  await all(bench.driver.reclaim?.(plan.home) as Observable<never>);
  expect(processesOf(plan.instanceId)).toEqual([]);
}, 30_000);
