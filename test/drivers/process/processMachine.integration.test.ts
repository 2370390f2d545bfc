import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { EMPTY, filter, firstValueFrom, NEVER, of, tap } from 'rxjs';
import type { ExitStatus, InstanceSpec, Machine, MachineSignal } from 'rx-instances';
import { createControlGroup, groupNameOf, groupsPlace } from '../../../src/drivers/host/controlGroup.js';
import { createLogFiles } from '../../../src/drivers/host/logFiles.js';
import { createProcessGroup } from '../../../src/drivers/host/processGroup.js';
import { decodeProcessHandle } from '../../../src/drivers/host/processHandle.js';
import { createProcessMachine } from '../../../src/drivers/process/processMachine.js';
import { kernelViewOf, processesOf } from '../../support/processes.js';
import { until } from '../../support/until.js';
import {
  all,
  createProcessBench,
  eventually,
  exitOf,
  type Launched,
  readyScript,
  script,
} from './processBench.js';

const bench = createProcessBench();

const freezingOf = ({ freezing }: Machine) => freezing as NonNullable<Machine['freezing']>;

/** A signal that comes to a shell between its fork and its `exec` is lost: then the grace is waited for. */
const stop = (machine: Machine, graceMs = 10_000): Promise<ExitStatus> =>
  firstValueFrom(machine.stop({ graceMs }));

/** The states of all processes of an instance, as the kernel tells them. */
const statesOf = (instanceId: string): readonly (string | undefined)[] =>
  processesOf(instanceId).map((pid) => kernelViewOf(pid)?.state);

/** A command of the shell: a Node that does something, says that it is ready, and lasts. */
const node = (what: string): string =>
  `${process.execPath} -e "${what}; setInterval(() => {}, 1e6); console.log('ready')"`;

/** A line of shell that comes to its end once there is a file of that name. */
const waitsFor = (file: string): string => `while [ ! -e ${file} ]; do sleep 0.02; done`;

/** A leader, its two children and a grandchild, none of which ends when it is asked to. */
const deafFamily = readyScript(
  'trap "" TERM HUP INT',
  'sleep 600 &',
  '(sleep 600 & wait) &',
  'echo ready',
  'while :; do sleep 600; done',
);

describe('a machine', () => {
  it('leads a group of its own, in which all is that it starts', async () => {
    const { plan, pid } = await bench.launched(readyScript('(sleep 600 & wait) &', 'echo ready', 'wait'));
    const pids = await until(
      () => processesOf(plan.instanceId),
      ({ length }) => length === 3,
    );

    expect(pids).toHaveLength(3);
    expect(pids.map((member) => kernelViewOf(member)?.group)).toEqual([pid, pid, pid]);
    expect(kernelViewOf(process.pid)?.group).not.toBe(pid);
  });

  it.each<[string, string, ExitStatus]>([
    ['0', 'exit 0', { code: 0, signal: null }],
    ['1', 'exit 1', { code: 1, signal: null }],
    ['255', 'exit 255', { code: 255, signal: null }],
    ['a SIGTERM that nobody sent', 'kill -TERM $$', { code: null, signal: 'SIGTERM' }],
    ['a SIGSEGV', 'kill -SEGV $$', { code: null, signal: 'SIGSEGV' }],
    ['a SIGABRT', 'kill -ABRT $$', { code: null, signal: 'SIGABRT' }],
    ['a SIGKILL', 'kill -KILL $$', { code: null, signal: 'SIGKILL' }],
  ])('that ends with %s says so', async (_, line, exit) => {
    const { machine } = await bench.launched(script(line));
    await expect(all(machine.signals$)).resolves.toEqual([{ kind: 'ready' }, { kind: 'exit', exit }]);
    await expect(firstValueFrom(machine.inspect())).resolves.toEqual({ kind: 'ended', exit });
  });

  it('that waits for a readiness which never comes says only that it has ended', async () => {
    const fields = { ...script('exit 3'), readiness: { kind: 'tcp', port: 1 } } as const;
    const plan = await bench.prepared(fields);
    const machine = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
    await expect(all(machine.signals$)).resolves.toEqual([{ kind: 'exit', exit: { code: 3, signal: null } }]);
  });
});

const hasControlGroups = groupsPlace() !== undefined;

const folderOfGroup = (group: string | undefined): string | undefined => {
  const place = groupsPlace();
  return group === undefined || place === undefined
    ? undefined
    : join(place.dir, relative(place.name, group));
};

const membersOf = (folder: string): readonly number[] =>
  readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);

const isFrozenAt = (folder: string): boolean =>
  readFileSync(join(folder, 'cgroup.events'), 'utf8').includes('frozen 1');

/** Whether the control group of a process stands still. */
function isFrozen(pid: number): boolean {
  const { dir, name } = groupsPlace() ?? { dir: '', name: '' };
  const events = join(dir, relative(name, groupNameOf(pid) ?? ''), 'cgroup.events');
  return hasControlGroups && readFileSync(events, 'utf8').includes('frozen 1');
}

const withRunaways: string[] = [];

/** Where no control group holds them, nothing but the removal of their home ends them. */
afterEach(() => {
  for (const runaway of withRunaways.splice(0).flatMap(processesOf)) process.kill(runaway, 'SIGKILL');
});

/** A machine one of whose processes has left its group. */
async function withRunaway(line = 'sleep 600'): Promise<Launched & { readonly runaway: number }> {
  const launched = await bench.launched(script(`setsid ${line} &`, 'while :; do sleep 600; done'));
  withRunaways.push(launched.plan.instanceId);
  const gone = (): number | undefined =>
    processesOf(launched.plan.instanceId).find((member) => kernelViewOf(member)?.group !== launched.pid);
  const runaway = (await until(gone, (found) => found !== undefined)) as number;
  return { ...launched, runaway };
}

describe('the end of the process that was started is the end of its group:', () => {
  const deafChild = '(trap "" TERM HUP INT; (sleep 600 & wait) & while :; do sleep 600; done) &';
  const lasting = 'while :; do sleep 600 & wait $!; done';

  it.each<[string, Partial<InstanceSpec>, (machine: Machine) => unknown, ExitStatus]>([
    ['by itself', script(deafChild, 'exit 4'), () => undefined, { code: 4, signal: null }],
    [
      'by a stop',
      readyScript(deafChild, 'trap "exit 4" TERM', 'echo ready', lasting),
      (machine) => machine.stop({ graceMs: 50 }).subscribe(),
      { code: 4, signal: null },
    ],
    [
      'by a kill',
      readyScript(deafChild, 'echo ready', lasting),
      (machine) => machine.kill().subscribe(),
      { code: null, signal: 'SIGKILL' },
    ],
    [
      'by a kill -9 from outside',
      readyScript(deafChild, 'echo ready', lasting),
      ({ handle }) => process.kill(handle.pid as number, 'SIGKILL'),
      { code: null, signal: 'SIGKILL' },
    ],
  ])('%s, with what it left behind and does not obey', async (_, fields, end, exit) => {
    const { plan, machine } = await bench.launched(fields);
    const leftAtExit: number[] = [];
    const told = all(
      machine.signals$.pipe(
        tap(({ kind }) => {
          if (kind === 'exit') leftAtExit.push(processesOf(plan.instanceId).length);
        }),
      ),
    );
    end(machine);

    expect((await told).at(-1)).toEqual({ kind: 'exit', exit });
    expect(leftAtExit).toEqual([0]);
  });

  it('and of what has left it for a session of its own: at the latest when its home is removed', async () => {
    const { plan, machine } = await withRunaway();
    await firstValueFrom(machine.kill());
    expect(processesOf(plan.instanceId)).toHaveLength(hasControlGroups ? 0 : 1);
    await all(bench.driver.discard(plan.home));
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('never touches another group that has got the pid meanwhile', async () => {
    const { plan, machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
    // As a machine that was adopted finds it, once its process has ended and the pid is another's.
    const handle = { pid, startTime: 'earlier', bootId: 'any', logStart: 0, home: '' };
    const former = createProcessMachine({
      run: {
        handle,
        group: createProcessGroup(handle),
        ended$: of({ code: null, signal: null }),
        spare: () => Promise.resolve(),
        written: () => Promise.resolve(),
        detach: () => undefined,
      },
      spec: plan.spec,
      log: createLogFiles(plan.home),
      logLimits: { maxBytes: 1_000, keep: 1 },
      pollMs: 5,
      execs: { run: () => NEVER, halt: () => EMPTY, resume: () => EMPTY, kill: () => undefined },
    });

    await expect(exitOf(former)).resolves.toEqual({ code: null, signal: null });
    await expect(firstValueFrom(machine.inspect())).resolves.toMatchObject({ kind: 'running' });
  });
});

describe('a stop', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR1'])(
    'sends %s, where that is its signal, to the whole group',
    async (stopSignal) => {
      const { plan, machine } = await bench.launched({
        ...readyScript(
          `${node(`process.once('${stopSignal}', () => { console.log('child heard'); process.exit(); })`)} &`,
          `trap 'wait $!; echo leader heard; exit 5' ${stopSignal.slice(3)}`,
          'while :; do wait $!; done',
        ),
        stopSignal,
      });
      await expect(stop(machine)).resolves.toEqual({ code: 5, signal: null });
      await expect(bench.log(plan)).resolves.toEqual(['ready', 'child heard', 'leader heard']);
    },
  );

  it('sends SIGTERM when nothing is said of it', async () => {
    const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
    await expect(stop(machine)).resolves.toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('lets a machine take its time within the grace', async () => {
    const end = "() => setTimeout(() => { console.log('done'); process.exit(0); }, 50)";
    const { plan, machine } = await bench.launched(
      readyScript(`exec ${node(`process.on('SIGTERM', ${end})`)}`),
    );
    await expect(stop(machine)).resolves.toEqual({ code: 0, signal: null });
    await expect(bench.log(plan)).resolves.toEqual(['ready', 'done']);
  });

  const slow = node(
    "process.on('SIGTERM', () => setTimeout(() => { console.error('saved'); process.exit(7); }, 100))",
  );

  it.each<[string, string, boolean]>([
    ['a shell that has begun it among others', `cd . && ${slow}; echo after`, true],
    ['a pipeline', `${slow} | cat`, true],
    ['a shell that waits for it', `${slow} & wait`, true],
    ['a shell that is gone when the stop begins', `${slow} & exec sleep 600`, true],
    ['a starter from whose session it has gone', `setsid ${slow} & wait`, hasControlGroups],
  ])('gives what it asks its whole time, also under %s', async (_, line, isReached) => {
    const { plan, machine } = await bench.launched(readyScript(line));
    await expect(stop(machine)).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    const log = await bench.log(plan);
    expect(log.includes('saved')).toBe(isReached);
    expect(processesOf(plan.instanceId)).toHaveLength(isReached ? 0 : 1);
    await all(bench.driver.discard(plan.home));
  });

  it('ends what outlives its leader when it is killed meanwhile', async () => {
    const { plan, machine, pid } = await bench.launched(
      readyScript(`${node("process.on('SIGTERM', () => console.log('heard'))")} & wait`),
    );
    const stopped = stop(machine);
    await until(
      () => kernelViewOf(pid),
      (view) => view === undefined,
    );
    expect(processesOf(plan.instanceId)).toHaveLength(1);
    await expect(firstValueFrom(machine.kill())).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    await expect(stopped).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('that nobody listens to any more still ends all in time', async () => {
    const { plan, machine, pid } = await bench.launched(
      readyScript('(trap "" TERM; while :; do sleep 600; done) &', 'echo ready', 'wait'),
    );
    machine.stop({ graceMs: 100 }).subscribe().unsubscribe();
    await expect(exitOf(machine)).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    expect(kernelViewOf(pid)).toBeUndefined();
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it.each([0, 1, 50])('kills the whole group after a grace of %d ms', async (graceMs) => {
    const { plan, machine } = await bench.launched(deafFamily);
    expect(processesOf(plan.instanceId).length).toBeGreaterThan(1);
    await expect(stop(machine, graceMs)).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('asks once, however often it is called', async () => {
    const { plan, machine } = await bench.launched(
      readyScript(`exec ${node("process.on('SIGTERM', () => console.log('heard'))")}`),
    );
    const heard = firstValueFrom(
      bench.driver
        .logs(plan.home, { source: 'app', tail: 100, followUntil$: NEVER })
        .pipe(filter(({ text }) => text === 'heard')),
    );
    const first = stop(machine);
    await heard;

    await expect(stop(machine, 20)).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    await expect(first).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    await expect(bench.log(plan)).resolves.toEqual(['ready', 'heard']);
  });

  it('is heard by a machine that is frozen', async () => {
    const { machine } = await bench.launched(
      readyScript('trap "exit 5" TERM', 'echo ready', 'while :; do sleep 600 & wait $!; done'),
    );
    await all(freezingOf(machine).freeze());
    await expect(stop(machine)).resolves.toEqual({ code: 5, signal: null });
  });

  it('ends a machine that is frozen and would not obey, with its group', async () => {
    const { plan, machine } = await bench.launched(deafFamily);
    await all(freezingOf(machine).freeze());
    await expect(stop(machine, 20)).resolves.toEqual({ code: null, signal: 'SIGKILL' });
    expect(processesOf(plan.instanceId)).toEqual([]);
  });
});

describe('freezing', () => {
  it('halts every process of the group, and lets every one go on', async () => {
    const { plan, machine } = await bench.launched(deafFamily);
    await until(
      () => processesOf(plan.instanceId),
      ({ length }) => length === 5,
    );
    await all(freezingOf(machine).freeze());
    expect(statesOf(plan.instanceId)).toEqual(Array(5).fill('T'));
    await all(freezingOf(machine).thaw());
    expect(statesOf(plan.instanceId)).not.toContain('T');
    expect(statesOf(plan.instanceId)).toHaveLength(5);
  });

  it('halts also what has left the group', async () => {
    const { machine, runaway } = await withRunaway();
    await all(freezingOf(machine).freeze());
    expect(isFrozen(runaway)).toBe(hasControlGroups);
    await all(freezingOf(machine).thaw());
    expect(isFrozen(runaway)).toBe(false);
  });

  it('halts, and ends in no more than a moment, also what calls itself as who starts processes does', async () => {
    const { machine, runaway } = await withRunaway(
      "sh -c 'while :; do sleep 0.02; done' rx-instances-spawner",
    );
    await all(freezingOf(machine).freeze());
    expect(isFrozen(runaway)).toBe(hasControlGroups);
    await all(freezingOf(machine).thaw());
    const group = createProcessGroup(
      decodeProcessHandle(machine.handle),
      createControlGroup((machine.handle['group'] as string | undefined) ?? ''),
    );
    if (hasControlGroups) await expect(group.members()).resolves.toContain(runaway);
    process.kill(machine.handle.pid as number, 'SIGKILL');
    await all(group.end());
    if (hasControlGroups) expect(kernelViewOf(runaway)).toBeUndefined();
  });

  it.each<[string, string]>([
    ['that has stopped itself', 'kill -STOP $$'],
    ['that has frozen its own group', 'echo 1 >"$own/cgroup.freeze"'],
    [
      'that has frozen a part of its own group',
      'mkdir "$own/part"; echo $child >"$own/part/cgroup.procs"; echo 1 >"$own/part/cgroup.freeze"',
    ],
  ])('halts, lets go on and ends also a program %s', async (_, line) => {
    const { plan, machine } = await bench.launched(
      readyScript(
        'sleep 600 & child=$!; echo ready',
        waitsFor('go'),
        `own="$(cat own)"; ${line}`,
        'touch done',
        waitsFor('end'),
      ),
    );
    const at = (name: string): string => join(plan.home, 'work', name);
    const own = folderOfGroup(machine.handle['group'] as string | undefined);
    // Who has started it leaves it a moment later.
    const isAlone = (): boolean =>
      own === undefined || membersOf(own).every((pid) => processesOf(plan.instanceId).includes(pid));
    await eventually(isAlone);
    writeFileSync(at('own'), own ?? '/none');
    writeFileSync(at('go'), '');
    await eventually(
      () =>
        existsSync(at('done')) ||
        statesOf(plan.instanceId).includes('T') ||
        (own !== undefined && isFrozenAt(own)),
    );
    await all(freezingOf(machine).freeze());
    expect(new Set(statesOf(plan.instanceId))).toEqual(new Set(['T']));
    await all(freezingOf(machine).thaw());
    expect(statesOf(plan.instanceId)).not.toContain('T');
    writeFileSync(at('end'), '');
    await expect(exitOf(machine)).resolves.toEqual({ code: 0, signal: null });
    expect(processesOf(plan.instanceId)).toEqual([]);
  });

  it('halts also what is being started', async () => {
    // A shell that starts one process after another, as fast as it can.
    const { plan, machine } = await bench.launched(readyScript('echo ready', 'while :; do /bin/true; done'));
    for (let times = 0; times < 10; times += 1) {
      await all(freezingOf(machine).freeze());
      expect(new Set(statesOf(plan.instanceId))).toEqual(new Set(['T']));
      await all(freezingOf(machine).thaw());
    }
  }, 20_000);

  it('is seen, and undone, when it was somebody else who did it', async () => {
    const { machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
    process.kill(-pid, 'SIGSTOP');
    await until(
      () => kernelViewOf(pid)?.state,
      (state) => state === 'T',
    );
    await expect(firstValueFrom(machine.inspect())).resolves.toEqual({ kind: 'frozen' });
    await all(freezingOf(machine).thaw());
    await expect(firstValueFrom(machine.inspect())).resolves.toEqual({ kind: 'running', ready: true });
  });

  it.each(['freeze', 'thaw'] as const)('a %s of what has ended fails', async (verb) => {
    const { machine } = await bench.launched({ entrypoint: ['true'] });
    await exitOf(machine);
    await expect(all(freezingOf(machine)[verb]())).rejects.toThrow('the process has ended');
  });
});

describe('a machine that is let go of', () => {
  it('runs on and says nothing more, and does nothing that it is told', async () => {
    const { plan, machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
    const told: MachineSignal[] = [];
    const completed = new Promise<void>((done) => {
      machine.signals$.subscribe({ next: (signal) => told.push(signal), complete: done });
    });
    machine.detach?.();
    await completed;
    await expect(all(machine.kill())).resolves.toEqual([]);
    await expect(all(machine.stop({ graceMs: 0 }))).resolves.toEqual([]);
    expect(processesOf(plan.instanceId)).toEqual([pid]);

    const adopted = bench.hold(await firstValueFrom(bench.driver.adopt(plan, machine.handle)));
    await firstValueFrom(adopted.kill());
    expect(processesOf(plan.instanceId)).toEqual([]);
    expect(told).toEqual([{ kind: 'ready' }]);
  });
});
