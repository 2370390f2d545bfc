import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY, first, firstValueFrom, ReplaySubject, take } from 'rxjs';
import { createProcessDriver, type InstanceSpec, type ProcessDriverOptions } from 'rx-instances';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { thrownBy } from '../../support/thrownBy.js';
import { all, createProcessBench, eventually, exitOf, isReady, readyScript, script } from './processBench.js';

const logMaxBytes = 2_000;
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
    [{ killOnExit: 'yes' }, 'killOnExit'],
    [{ shell: true }, 'shell'],
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
      .logs(plan.home, { source: 'app', tail: 1_000, follow: true })
      .subscribe(followed$);

    for (let round = 0; round < 4; round += 1) {
      writeFileSync(join(plan.home, 'work', `go.${String(round)}`), '');
      await firstValueFrom(followed$.pipe(first((line) => line === told[150 * (round + 1)])));
      await eventually(() => statSync(join(logDir, 'app.log')).size < logMaxBytes);
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
    const hello = firstValueFrom(driver.logs(plan.home, { source: 'app', tail: 5, follow: true }));
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
  ])('takes no process for its own that has the pid, but %s', async (_, change) => {
    const { plan, machine, pid } = await bench.launched(lasting);
    await expect(all(driver.adopt(plan, { ...machine.handle, ...change }))).rejects.toThrow(
      'the process has ended',
    );
    expect(kernelViewOf(pid)?.state).toMatch(/^[SR]$/);
  });

  it('refuses what is no handle of a process', async () => {
    await expect(all(driver.adopt(bench.plan(lasting), { pid: 0 }))).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: 'pid' }, { path: 'startTime' }, { path: 'bootId' }, { path: 'logStart' }],
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

describe('when Node exits without a word', () => {
  /** Runs a Node that launches and exits; gives the pid of what it launched. */
  const exitOfNode = (
    home: string,
    killOnExit: boolean,
  ): Promise<{ readonly code: unknown; readonly pid: number }> =>
    new Promise((done) => {
      // ts-node's cache of compiled code would stay among the temporary files.
      const env = { ...process.env, DISABLE_V8_COMPILE_CACHE: '1' };
      const file = join(__dirname, 'launchAndExit.ts');
      execFile('node_modules/.bin/ts-node', [file, home, String(killOnExit)], { env }, (error, printed) => {
        done({ code: error?.code, pid: Number(printed) });
      });
    });

  it('what it launched is killed, with its group', async () => {
    const { code, pid } = await exitOfNode(join(bench.folder, 'killed'), true);
    expect(code).toBe(7);
    expect(pid).toBeGreaterThan(1);
    await eventually(() => groupOf(pid).length === 0);
  }, 30_000);

  it('what it launched runs on, where that is wanted', async () => {
    const { code, pid } = await exitOfNode(join(bench.folder, 'spared'), false);
    expect(code).toBe(7);
    expect(groupOf(pid).length).toBeGreaterThan(0);
    process.kill(-pid, 'SIGKILL');
    await eventually(() => groupOf(pid).length === 0);
  }, 30_000);
});

/** Processes of a group that have not ended. */
const groupOf = (group: number): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => kernelViewOf(pid)?.group === group);
