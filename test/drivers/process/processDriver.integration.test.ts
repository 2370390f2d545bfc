import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EMPTY, first, firstValueFrom, NEVER, ReplaySubject, take } from 'rxjs';
import {
  createProcessDriver,
  type InstanceSpec,
  type LaunchPlan,
  type Machine,
  type ProcessDriverOptions,
} from 'rx-instances';
import { decodeProcessHandle, type ProcessHandle } from '../../../src/drivers/host/processHandle.js';
import { processTable } from '../../../src/drivers/host/processTable.js';
import {
  formerRunPathOf,
  homeIdOf,
  readRun,
  type RunRecord,
  runPathOf,
} from '../../../src/drivers/host/runRecord.js';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { thrownBy } from '../../support/thrownBy.js';
import { until } from '../../support/until.js';
import {
  all,
  createProcessBench,
  eventually,
  exitOf,
  isReady,
  readyScript,
  script,
  texts,
} from './processBench.js';

/** Somewhat less than 150 lines of it take, with their times. */
const logMaxBytes = 8_000;
const bench = createProcessBench({ logMaxBytes, logKeep: 2 });
const { driver } = bench;

const lasting = { entrypoint: ['sleep', '600'] };

describe('its options', () => {
  it.each<[object | null, string]>([
    [null, ''],
    [{ logMaxBytes: 0 }, 'logMaxBytes'],
    [{ logMaxBytes: 1.5 }, 'logMaxBytes'],
    [{ logKeep: 0 }, 'logKeep'],
    [{ logKeep: 1_001 }, 'logKeep'],
    [{ pollMs: 0 }, 'pollMs'],
    [{ pollMs: 2 ** 31 }, 'pollMs'],
    [{ pollMs: NaN }, 'pollMs'],
    [{ shell: true }, 'shell'],
    [{ inheritEnv: ['A=B'] }, 'inheritEnv'],
    [{ inheritEnv: false }, 'inheritEnv'],
  ])('are refused when they are %j', (options, path) => {
    expect(thrownBy(() => createProcessDriver(options as ProcessDriverOptions))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path }],
    });
  });
});

describe('a launch that fails', () => {
  it.each<[string, Partial<InstanceSpec>, string]>([
    ['without a program', { entrypoint: ['/no/such/program'] }, 'ENOENT'],
    ['with one that may not be executed', { entrypoint: ['/etc/passwd'] }, 'EACCES'],
  ])('%s tells so and its cause, and leaves no process and no listener', async (_, fields, code) => {
    const plan = await bench.prepared(fields);
    const listeners = process.listenerCount('exit');
    await expect(all(driver.launch(plan))).rejects.toMatchObject({ _tag: 'LaunchFailed', cause: { code } });
    expect(processesOf(plan.instanceId)).toEqual([]);
    expect(process.listenerCount('exit')).toBe(listeners);
  });

  it('without an image leaves no home', async () => {
    const plan = bench.plan({ ...lasting, image: join(bench.folder, 'none') });
    await expect(all(driver.prepare(plan))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      cause: { code: 'ENOENT' },
    });
    expect(existsSync(plan.home)).toBe(false);
  });
});

describe('the log', () => {
  /** Writes 150 lines, each with its number, whenever it is told to by a file. */
  const burst = readyScript(
    'n=0; round=0; echo ready',
    'while :; do',
    '  while [ ! -e go.$round ]; do sleep 0.02; done; round=$((round+1))',
    '  i=0; while [ $i -lt 150 ]; do i=$((i+1)); n=$((n+1)); echo "line number $n"; done',
    'done',
  );
  const told = ['ready', ...Array.from({ length: 600 }, (_, index) => `line number ${String(index + 1)}`)];

  it('is laid aside at its limit while it is written and followed, and only the oldest parts are lost', async () => {
    const { plan, machine } = await bench.launched(burst);
    const logDir = join(plan.home, 'logs');
    const followed$ = new ReplaySubject<string>(Infinity);
    const following = driver
      .logs(plan.home, { source: 'app', tail: 1_000, followUntil$: NEVER })
      .pipe(texts)
      .subscribe(followed$);

    for (let round = 0; round < 4; round += 1) {
      writeFileSync(join(plan.home, 'work', `go.${String(round)}`), '');
      await firstValueFrom(followed$.pipe(first((line) => line === told[150 * (round + 1)])));
      await eventually(() => statSync(join(logDir, 'app.cri.log')).size < logMaxBytes);
    }
    await firstValueFrom(machine.kill());
    following.unsubscribe();

    await expect(all(followed$.pipe(take(told.length)))).resolves.toEqual(told);
    // Those that are too old are removed after the log was emptied.
    await eventually(() => readdirSync(logDir).length === 3);
    const kept = await bench.log(plan);
    expect(kept.length).toBeGreaterThanOrEqual(150);
    expect(kept.length).toBeLessThan(600);
    expect(kept).toEqual(told.slice(-kept.length));
  }, 30_000);

  it('of a home that is not there is empty, and followed until it comes', async () => {
    const plan = bench.plan(script('echo hello; exec sleep 600'));
    await expect(bench.log(plan)).resolves.toEqual([]);
    const reading = { source: 'app', tail: 5, followUntil$: NEVER };
    const hello = firstValueFrom(driver.logs(plan.home, reading).pipe(texts));
    await all(driver.prepare(plan));
    bench.hold(await firstValueFrom(driver.launch(plan)));
    await expect(hello).resolves.toBe('hello');
  });

  it('holds every line that was written before the exit is told', async () => {
    const { plan, machine } = await bench.launched(
      script('i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; done'),
    );
    await exitOf(machine);
    await expect(bench.log(plan)).resolves.toHaveLength(500);
  });
});

describe('a home that is made from another', () => {
  it('has a copy of its working directory as it is by then, and logs of its own', async () => {
    const { plan, machine } = await bench.launched(
      readyScript(
        'echo mine > file; ln -s file link; mkfifo pipe; mkdir -m 500 closed',
        'echo ready',
        'exec sleep 600',
      ),
    );
    await all(machine.freezing?.freeze() ?? EMPTY);
    const copy = bench.plan(lasting);
    await all(driver.prepare({ ...copy, copyOf: plan.home }));

    const work = join(copy.home, 'work');
    expect(readdirSync(work).sort()).toEqual(['closed', 'file', 'link']);
    expect(readlinkSync(join(work, 'link'))).toBe('file');
    expect(readFileSync(join(work, 'file'), 'utf8')).toBe('mine\n');
    expect(statSync(join(work, 'closed')).mode & 0o777).toBe(0o500);
    expect(readdirSync(join(copy.home, 'logs'))).toEqual([]);
    expect(statSync(copy.home).mode & 0o777).toBe(0o700);
    await expect(firstValueFrom(machine.inspect())).resolves.toEqual({ kind: 'frozen' });
  });
});

describe('adopt', () => {
  it.each<[string, object]>([
    ['started at another time', { startTime: '1' }],
    ['of another boot', { bootId: 'another' }],
    ['of another home', { home: '1' }],
  ])('takes no process for its own that has the pid, but %s', async (_, change) => {
    const { plan, machine, pid } = await bench.launched(lasting);
    await expect(all(driver.adopt(plan, { ...machine.handle, ...change }))).rejects.toThrow(
      /^the process (has ended|is of another home)$/,
    );
    expect(kernelViewOf(pid)?.state).toMatch(/^[SR]$/);
  });

  it('refuses what is no handle of a process', async () => {
    await expect(all(driver.adopt(bench.plan(lasting), { pid: 0 }))).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: ['pid', 'startTime', 'bootId', 'logStart', 'home'].map((path) => ({ path })),
    });
  });

  it('hears of the end, but not how it came about, and ends the rest of the group', async () => {
    const { plan, machine, pid } = await bench.launched(
      readyScript(
        '(trap "" HUP TERM; sleep 600 & wait) &',
        'echo ready',
        'while :; do sleep 600 & wait $!; done',
      ),
    );
    machine.detach?.();
    const adopted = bench.hold(await firstValueFrom(driver.adopt(plan, machine.handle)));
    process.kill(pid, 'SIGKILL');
    await expect(exitOf(adopted)).resolves.toEqual({ code: null, signal: null });
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('finds readiness in what was written before, but not by the run before', async () => {
    const plan = await bench.prepared(readyScript('echo ready; exec sleep 600'));
    const first = await firstValueFrom(driver.launch(plan));
    await isReady(first);
    await firstValueFrom(first.kill());

    const silent = { ...plan, spec: { ...plan.spec, ...lasting } };
    const second = bench.hold(await firstValueFrom(driver.launch(silent)));
    const adopted = bench.hold(await firstValueFrom(driver.adopt(silent, second.handle)));
    await firstValueFrom(adopted.kill());
    await expect(all(adopted.signals$)).resolves.toEqual([expect.objectContaining({ kind: 'exit' })]);

    const third = bench.hold(await firstValueFrom(driver.launch(plan)));
    await isReady(third);
    const known = bench.hold(await firstValueFrom(driver.adopt(plan, third.handle)));
    await isReady(known);
  });
});

describe('when Node ends without a word', () => {
  interface Left {
    readonly plan: LaunchPlan;
    readonly handle: ProcessHandle;
  }

  /** Runs a Node that launches a line of the shell, and is killed. */
  const leftBy = async (outlives: boolean, line: string): Promise<Left> => {
    const plan = { ...bench.plan(script(line)), outlives };
    const file = join(__dirname, 'launchAndDie.ts');
    const { signal, printed } = await new Promise<{ signal: unknown; printed: string }>((done) => {
      const told = JSON.stringify(plan);
      execFile('node', ['--require', resolve('scripts/typescript.cjs'), file, told], (error, stdout) => {
        done({ signal: error?.signal, printed: stdout });
      });
    });
    expect(signal).toBe('SIGKILL');
    return { plan, handle: decodeProcessHandle(JSON.parse(printed)) };
  };

  const adopted = async ({ plan, handle }: Left): Promise<Machine> =>
    bench.hold(await firstValueFrom(driver.adopt(plan, handle)));

  it('what it launched is killed, with its group', async () => {
    const { handle } = await leftBy(false, 'sleep 600 & sleep 600');
    await eventually(() => groupOf(handle.pid).length === 0);
  }, 30_000);

  it('what is to outlive it runs on, and how it ends later is known', async () => {
    const left = await leftBy(true, 'sleep 600 & while [ ! -e go ]; do sleep 0.02; done; exit 7');
    const machine = await adopted(left);
    writeFileSync(join(left.plan.home, 'work', 'go'), '');
    await expect(exitOf(machine)).resolves.toEqual({ code: 7, signal: null });
    expect(groupOf(left.handle.pid)).toEqual([]);
  }, 30_000);

  it.each<[string, number, string, boolean]>([
    ['has its whole time when it is stopped', 10_000, 'sleep 0.1; echo saved; exit', true],
    ['has no more than that', 200, '', false],
  ])(
    'what outlives it %s, also under a shell',
    async (_, graceMs, heed, isSaved) => {
      const loop = 'while :; do sleep 0.02; done';
      const left = await leftBy(true, `(trap "${heed}" TERM; touch heeds; ${loop}) & wait`);
      await eventually(() => existsSync(join(left.plan.home, 'work', 'heeds')));
      const machine = await adopted(left);
      await expect(all(machine.stop({ graceMs }))).resolves.toEqual([{ code: null, signal: 'SIGTERM' }]);
      expect(groupOf(left.handle.pid)).toEqual([]);
      expect((await bench.log(left.plan)).includes('saved')).toBe(isSaved);
    },
    30_000,
  );

  it('what a stop spares that was cut off is killed by who adopts it', async () => {
    const left = await leftBy(true, '(trap "" TERM; touch heeds; while :; do sleep 0.02; done) & wait');
    await eventually(() => existsSync(join(left.plan.home, 'work', 'heeds')));
    const first = await adopted(left);
    const stop = first.stop({ graceMs: 60_000 }).subscribe();
    await eventually(
      () => groupOf(left.handle.pid).length > 0 && kernelViewOf(left.handle.pid) === undefined,
    );
    first.detach?.();
    stop.unsubscribe();
    await expect(exitOf(await adopted(left))).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    expect(groupOf(left.handle.pid)).toEqual([]);
  }, 30_000);

  it('how it ended meanwhile is known too, and what it has left is killed', async () => {
    const left = await leftBy(true, 'sleep 600 & kill -USR1 $$');
    await eventually(() => groupOf(left.handle.pid).length === 0);
    const machine = await adopted(left);
    const exit = { code: null, signal: 'SIGUSR1' };
    await expect(all(machine.signals$)).resolves.toEqual([{ kind: 'exit', exit }]);
    await expect(all(machine.inspect())).resolves.toEqual([{ kind: 'ended', exit }]);
    await expect(all(machine.kill())).resolves.toEqual([exit]);
    await expect(all(machine.stop({ graceMs: 0 }))).resolves.toEqual([exit]);
  }, 30_000);

  it('how it ended is never taken from another run', async () => {
    const { plan, handle } = await leftBy(true, 'exit 7');
    await eventually(() => groupOf(handle.pid).length === 0);
    const other = { ...handle, startTime: '1' };
    await expect(all(driver.adopt(plan, other))).rejects.toThrow('the process has ended');
    await expect(all(driver.adopt(plan, handle))).resolves.toHaveLength(1);

    const next = { ...plan, spec: { ...plan.spec, ...lasting } };
    bench.hold(await firstValueFrom(driver.launch(next)));
    await expect(all(driver.adopt(plan, handle))).rejects.toThrow('the process has ended');
  }, 30_000);

  it('and its starter too, nobody knows how it ended', async () => {
    const left = await leftBy(true, 'sleep 600');
    const machine = await adopted(left);
    const { spawner } = (await readRun(left.plan.home)) as RunRecord;
    process.kill(spawner.pid, 'SIGKILL');
    process.kill(left.handle.pid, 'SIGTERM');
    await expect(exitOf(machine)).resolves.toEqual({ code: null, signal: null });
    await expect(all(driver.adopt(left.plan, left.handle))).rejects.toThrow('the process has ended');
  }, 30_000);

  it('and its starter too, what its process leaves behind later is ended with its home', async () => {
    const { plan, handle } = await leftBy(true, 'cd /; sleep 600 & echo ready; wait');
    await eventually(() => groupOf(handle.pid).length === 2);
    const { spawner } = (await readRun(plan.home)) as RunRecord;
    process.kill(spawner.pid, 'SIGKILL');
    process.kill(handle.pid, 'SIGKILL');
    await eventually(() => kernelViewOf(handle.pid) === undefined);
    expect(groupOf(handle.pid)).toHaveLength(1);
    await all(driver.reclaim?.(plan.home) ?? EMPTY);
    expect(groupOf(handle.pid)).toEqual([]);
  }, 30_000);
});

interface Forged {
  readonly handle: object;
  readonly spawner: object;
}

/** Writes what an instance of the same user might write in the place of its record. */
function forge(home: string, { handle, ...rest }: Partial<RunRecord> | Forged): void {
  mkdirSync(dirname(runPathOf(home)), { recursive: true });
  writeFileSync(runPathOf(home), JSON.stringify({ handle: { ...handle, home: homeIdOf(home) }, ...rest }));
}

describe('a record that an instance has forged', () => {
  it('gets nobody killed whom it names, though it knows all of it', async () => {
    const plan = await bench.prepared(lasting);
    const stranger = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    const pid = stranger.pid as number;
    const entry = await processTable.find(pid);
    const here = await processTable.find(process.pid);
    const handle = { pid, startTime: entry?.startTime, bootId: await processTable.bootId(), logStart: 0 };
    forge(plan.home, { handle, spawner: { pid: process.pid, startTime: here?.startTime } });
    await all(driver.reclaim?.(plan.home) ?? EMPTY);
    expect(kernelViewOf(pid)?.state).toMatch(/^[SR]$/);
    stranger.kill('SIGKILL');
    await once(stranger, 'exit');
  });

  it('gets no other instance killed that it names', async () => {
    const [mine, other] = [
      await bench.prepared(lasting),
      { ...(await bench.prepared(lasting)), outlives: true },
    ];
    const machine = bench.hold(await firstValueFrom(driver.launch(other)));
    const record = JSON.parse(readFileSync(runPathOf(other.home), 'utf8')) as RunRecord;
    forge(mine.home, record);
    await all(driver.reclaim?.(mine.home) ?? EMPTY);
    await expect(firstValueFrom(machine.inspect())).resolves.toMatchObject({ kind: 'running' });
  });

  it.each<[string, object]>([
    ['without a proof', {}],
    ['with a proof of something else', { mac: 'f'.repeat(64) }],
  ])('tells no end %s', async (_, more) => {
    const plan = { ...(await bench.prepared(lasting)), outlives: true };
    const machine = bench.hold(await firstValueFrom(driver.launch(plan)));
    const record = JSON.parse(readFileSync(runPathOf(plan.home), 'utf8')) as RunRecord;
    await firstValueFrom(machine.kill());
    forge(plan.home, { ...record, exit: { code: 0, signal: null }, ...more });
    await expect(all(driver.adopt(plan, machine.handle))).rejects.toThrow('the process has ended');
  });

  it('hides nothing that runs in its home', async () => {
    const plan = { ...(await bench.prepared(lasting)), outlives: true };
    const machine = bench.hold(await firstValueFrom(driver.launch(plan)));
    machine.detach?.();
    const isGone = (): boolean => {
      try {
        rmSync(dirname(runPathOf(plan.home)), { recursive: true });
        return true;
      } catch {
        // The reader of its output has just written its name there.
        return false;
      }
    };
    expect(await until(isGone, Boolean)).toBe(true);
    await all(driver.reclaim?.(plan.home) ?? EMPTY);
    expect(processesOf(plan.instanceId)).toEqual([]);
  });
});

it('the true end is told of a run, though version 0.1.0 kept it elsewhere, and without a proof', async () => {
  const plan = await bench.prepared(lasting);
  const home = homeIdOf(plan.home);
  const handle = { pid: 2 ** 30, startTime: '1', bootId: await processTable.bootId(), logStart: 0, home };
  const exit = { code: 7, signal: null };
  writeFileSync(
    formerRunPathOf(plan.home),
    JSON.stringify({ handle, spawner: { pid: 2, startTime: '1' }, exit }),
  );
  const machine = await firstValueFrom(driver.adopt(plan, handle));
  await expect(all(machine.inspect())).resolves.toEqual([{ kind: 'ended', exit }]);
});

describe('what an instance puts in the place of our files', () => {
  const pipe = (path: string): void => {
    execFileSync('mkfifo', [path]);
  };
  const link = (path: string): void => {
    symlinkSync('/etc/passwd', path);
  };

  it('as its working directory, a link, keeps it from being started there', async () => {
    const plan = await bench.prepared(lasting);
    const work = join(plan.home, 'work');
    rmSync(work, { recursive: true });
    symlinkSync(dirname(plan.home), work);
    await expect(all(driver.launch(plan))).rejects.toMatchObject({
      ...{ _tag: 'LaunchFailed', reason: `${work} is no folder, or a link stands in its place` },
    });
  });

  it.each<[string, (path: string) => void, string]>([
    ['a pipe', pipe, 'no plain file'],
    ['a link', link, 'a link'],
  ])('as its log, %s, keeps it from being started', async (_, put, found) => {
    const plan = await bench.prepared(lasting);
    put(join(plan.home, 'logs', 'app.log'));
    await expect(all(driver.launch(plan))).rejects.toMatchObject({
      ...{ _tag: 'LogUnreadable', found },
    });
  });

  it.each<[string, (path: string) => void]>([
    ['a pipe', pipe],
    ['a link', link],
    [
      'a file',
      (path) => {
        writeFileSync(path, '');
      },
    ],
  ])('as the folder of its record, or as that, %s, is taken away', async (_, put) => {
    const plan = { ...(await bench.prepared(lasting)), outlives: true };
    const folder = dirname(runPathOf(plan.home));
    rmSync(folder, { recursive: true });
    put(folder);
    const run = async (): Promise<RunRecord | undefined> => {
      const machine = bench.hold(await firstValueFrom(driver.launch(plan)));
      const record = await readRun(plan.home);
      await firstValueFrom(machine.kill());
      return record;
    };
    await expect(run()).resolves.toBeDefined();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    rmSync(runPathOf(plan.home));
    put(runPathOf(plan.home));
    put(`${runPathOf(plan.home)}.new`);
    await expect(readRun(plan.home)).resolves.toBeUndefined();
    await expect(run()).resolves.toBeDefined();
    expect(readdirSync(folder)).toEqual(['record.json']);
  });
});

it('what another process leaves behind that has got the pid meanwhile is left alone', async () => {
  const plan = await bench.prepared(lasting);
  const stranger = spawn('/bin/sh', ['-c', 'sleep 600 & exit'], { detached: true, stdio: 'ignore' });
  await once(stranger, 'exit');
  const pid = stranger.pid as number;
  const handle = { pid, startTime: '1', bootId: await processTable.bootId(), logStart: 0 };
  forge(plan.home, { handle, spawner: { pid, startTime: '1' } });
  await all(driver.reclaim?.(plan.home) ?? EMPTY);
  expect(groupOf(pid)).toHaveLength(1);
  process.kill(-pid, 'SIGKILL');
});

/** Processes of a group that have not ended. */
const groupOf = (group: number): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => kernelViewOf(pid)?.group === group);
