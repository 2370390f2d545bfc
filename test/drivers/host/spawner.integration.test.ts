import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defer, firstValueFrom, retry } from 'rxjs';
import type { Output } from '../../../src/drivers/host/outputMessages.js';
import { createSpawner, type Spawner, type Started } from '../../../src/drivers/host/spawner.js';
import type { Command } from '../../../src/drivers/host/spawnerMessages.js';
import { kernelViewOf } from '../../support/processes.js';
import { createProcessBench, eventually, exitOf } from '../process/processBench.js';

jest.setTimeout(60_000);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'spawner-')));
const spawner = createSpawner();
const begun: Started[] = [];

afterEach(async () => {
  await Promise.all(begun.splice(0).map(({ pid }) => kill(pid)));
});
afterAll(async () => {
  await spawner.close();
  rmSync(folder, { recursive: true });
});

const command = (program: string, ...args: readonly string[]): Command => ({
  program,
  args,
  cwd: folder,
  env: { PATH: process.env['PATH'] ?? '' },
  output: join(folder, 'log'),
});
const shell = (...lines: readonly string[]): Command => command('/bin/sh', '-c', lines.join('\n'));
const lasting = command('sleep', '600');

/** Starts what is ended with the test. */
async function start(what: Command, by = spawner): Promise<Started> {
  const started = await by.start(what);
  begun.push(started);
  return started;
}

const run = async (what: Command): Promise<unknown> => firstValueFrom((await spawner.start(what)).ended$);

const isRunning = (pid: number): boolean => kernelViewOf(pid) !== undefined;

/** Kills a group, and comes once its leader is gone. */
async function kill(pid: number): Promise<void> {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
  await eventually(() => !isRunning(pid));
}

/** The small processes of a Node. */
const helpersOf = (parent: number): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const words = readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').split('\0');
        return Number(ppid) === parent && state !== 'Z' && words.includes('rx-instances-spawner');
      } catch {
        return false;
      }
    });

const helper = (): number => {
  const [pid, ...others] = helpersOf(process.pid);
  expect([pid, others]).toEqual([expect.any(Number), []]);
  return pid as number;
};

/** Processes of a group that have not ended. */
const groupOf = (group: number): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => kernelViewOf(pid)?.group === group);

/** Whether a small process still has its channel to whom it serves. */
const isServing = (pid: number): boolean => {
  try {
    return readlinkSync(`/proc/${String(pid)}/fd/3`).startsWith('socket:');
  } catch {
    return false;
  }
};

/** Creates a spawner and finds its small process, which has started something by then. */
async function createAnother(what: Command, readsOutput = false) {
  const another: Spawner = createSpawner({ readsOutput });
  const before = helpersOf(process.pid);
  const started = await start(what, another);
  const [small] = helpersOf(process.pid).filter((one) => !before.includes(one));
  return { another, started, small: small as number };
}

const openFilesOf = (pid: number): number => readdirSync(`/proc/${String(pid)}/fd`).length;

describe('a process that was started', () => {
  it('leads a group of its own', async () => {
    const { pid } = await start(lasting);
    expect(kernelViewOf(pid)).toMatchObject({ group: pid });
  });

  it.each([
    ['a code', shell('exit 3'), { code: 3, signal: null }],
    ['a signal', shell('kill -SEGV $$'), { code: null, signal: 'SIGSEGV' }],
  ])('has its end told with %s, also to who asks late', async (_, what, exit) => {
    const { ended$ } = await spawner.start(what);
    await expect(firstValueFrom(ended$)).resolves.toEqual(exit);
    await expect(firstValueFrom(ended$)).resolves.toEqual(exit);
  });

  it('is one of a thousand that were started at once, each told of by itself, and no file stays open', async () => {
    await run(shell('exit 0'));
    const files = openFilesOf(helper());
    const all = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => spawner.start(shell(`exit ${String(index % 200)}`))),
    );
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1_000);
    const exits = await Promise.all(all.map(({ ended$ }) => firstValueFrom(ended$)));
    expect(exits.map(({ code }) => code)).toEqual(Array.from({ length: 1_000 }, (_, index) => index % 200));
    // One that the small process looks with may have been counted before, and be closed by now.
    await eventually(() => openFilesOf(helper()) <= files);
  });
});

describe('a start that fails', () => {
  it.each<[string, Command, string]>([
    ['without a program', command('/no/such/program'), 'ENOENT'],
    ['with one that may not be executed', command('/etc/passwd'), 'EACCES'],
    ['without its working directory', { ...lasting, cwd: join(folder, 'none') }, 'ENOENT'],
    ['with a file in its place', { ...lasting, cwd: '/etc/passwd' }, 'ENOTDIR'],
    ['with a log that cannot be written', { ...lasting, output: folder }, 'EISDIR'],
    ['with a log that has no folder', { ...lasting, output: join(folder, 'none', 'log') }, 'ENOENT'],
    ['with an argument that is none', command('sleep', '\0'), 'ERR_INVALID_ARG_VALUE'],
    ['with arguments that are too long', command('sleep', 'x'.repeat(3_000_000)), 'E2BIG'],
  ])('%s tells why by its code, and others go on', async (_, what, code) => {
    const [failed, other] = await Promise.allSettled([spawner.start(what), run(shell('exit 4'))]);
    expect([failed, other]).toMatchObject([
      { status: 'rejected', reason: { code } },
      { status: 'fulfilled', value: { code: 4 } },
    ]);
  });

  it('leaves nothing that would keep the small process', async () => {
    await expect(spawner.start(command('/no/such/program'))).rejects.toThrow('ENOENT');
    const pid = helper();
    await spawner.close();
    expect(isRunning(pid)).toBe(false);
  });

  it('for want of a Node tells that, not that the program was not found, and the next can succeed', async () => {
    await spawner.close();
    const node = process.execPath;
    process.execPath = join(folder, 'none');
    const failed = spawner.start(lasting);
    process.execPath = node;
    await expect(failed).rejects.toMatchObject({
      message: 'the process that starts others could not be started',
      cause: { code: 'ENOENT' },
    });
    await expect(run(shell('exit 5'))).resolves.toMatchObject({ code: 5 });
  });
});

describe('close', () => {
  it('ends the small process for good when nobody needs it; another is there for the next start', async () => {
    await run(shell('exit 0'));
    const first = helper();
    await spawner.close();
    await spawner.close();
    expect(helpersOf(process.pid)).toEqual([]);
    await expect(run(shell('exit 6'))).resolves.toMatchObject({ code: 6 });
    expect(helper()).not.toBe(first);
  });

  it('does nothing while a process runs, or is being started', async () => {
    const starting = start(lasting);
    await spawner.close();
    const { pid, ended$ } = await starting;
    const needed = helper();
    await spawner.close();
    expect([helper(), isRunning(pid)]).toEqual([needed, true]);
    process.kill(-pid, 'SIGTERM');
    await expect(firstValueFrom(ended$)).resolves.toEqual({ code: null, signal: 'SIGTERM' });
    await spawner.close();
    expect(isRunning(needed)).toBe(false);
  });

  it('comes to its end when the small process has ended by itself', async () => {
    const alone = createSpawner();
    const before = helpersOf(process.pid);
    const { pid, forget } = await start(lasting, alone);
    const [small] = helpersOf(process.pid).filter((one) => !before.includes(one));
    forget();
    process.kill(small as number, 'SIGKILL');
    await alone.close();
    await eventually(() => !isRunning(small as number));
    await alone.close();
    expect(isRunning(pid)).toBe(true);
  });

  it('is not waited for while somebody has halted it, and ends when it goes on', async () => {
    const { another, started, small } = await createAnother(lasting);
    const { pid, forget } = started;
    forget();
    process.kill(small, 'SIGSTOP');
    await another.close();
    expect(isServing(small)).toBe(true);
    process.kill(small, 'SIGCONT');
    await eventually(() => !isServing(small));
    expect(isRunning(pid)).toBe(true);
    await kill(pid);
    await eventually(() => !isRunning(small));
  });

  it('is not waited for either where all that it has started has ended', async () => {
    const { another, started, small } = await createAnother(shell('exit 0'));
    await firstValueFrom(started.ended$);
    process.kill(small, 'SIGSTOP');
    await another.close();
    expect(isServing(small)).toBe(true);
    process.kill(small, 'SIGCONT');
    await eventually(() => !isRunning(small));
  });

  it('is not waited for either where it takes no more of what it is told, and all of that is heard', async () => {
    const { another, started, small } = await createAnother(lasting);
    const { pid, forget, spare } = started;
    process.kill(small, 'SIGSTOP');
    // More than a channel holds.
    for (let told = 0; told < 5_000; told += 1) void spare(0);
    forget();
    await another.close();
    expect(isServing(small)).toBe(true);
    process.kill(small, 'SIGCONT');
    await eventually(() => !isServing(small));
    expect(isRunning(pid)).toBe(true);
    await kill(pid);
    await eventually(() => !isRunning(small));
  });
});

describe('who is forgotten', () => {
  it('runs on when the small process is closed, of as many as there are, however slow that is', async () => {
    await Promise.all(Array.from({ length: 600 }, () => start(lasting)));
    const slow = helper();
    expect(isServing(slow)).toBe(true);
    process.kill(slow, 'SIGSTOP');
    for (const { forget } of begun) forget();
    const closed = spawner.close();
    process.kill(slow, 'SIGCONT');
    await closed;
    // When it has heard that it was left, it kills whom it was not told to forget.
    await eventually(() => !isServing(slow));
    expect(begun.filter(({ pid }) => isRunning(pid))).toHaveLength(600);
    await Promise.all(begun.splice(0).map(({ pid }) => kill(pid)));
    await eventually(() => !isRunning(slow));
  });

  it('has no end told, and can be forgotten twice, and after its end', async () => {
    const [running, ended] = [await start(lasting), await spawner.start(shell('exit 0'))];
    await firstValueFrom(ended.ended$);
    const heard = jest.fn();
    running.ended$.subscribe(heard);
    for (const { forget } of [running, running, ended]) forget();
    await kill(running.pid);
    await run(shell('exit 0'));
    expect(heard).not.toHaveBeenCalled();
  });
});

describe('when the small process is killed', () => {
  it('starts that wait fail, ends are no more told, what runs runs on, and the next start is by another', async () => {
    const { pid, ended$ } = await start(lasting);
    const first = helper();
    process.kill(first, 'SIGSTOP');
    const waiting = spawner.start(lasting);
    process.kill(first, 'SIGKILL');
    const message = 'the process that starts others has ended';
    await expect(waiting).rejects.toThrow(message);
    await expect(firstValueFrom(ended$)).rejects.toThrow(message);
    expect(isRunning(pid)).toBe(true);
    await expect(run(shell('exit 7'))).resolves.toMatchObject({ code: 7 });
    expect(helper()).not.toBe(first);
  });

  it('a driver still sees that a machine has ended, and launches others', async () => {
    const before = helpersOf(process.pid);
    const { machine, pid } = await bench.launched({ entrypoint: ['sleep', '600'] });
    const [small] = helpersOf(process.pid).filter((one) => !before.includes(one));
    process.kill(small as number, 'SIGKILL');
    await eventually(() => !isRunning(small as number));
    // Until this process has heard of the end, a start may still be lost with the small one.
    const other = await firstValueFrom(
      defer(() => bench.launched({ entrypoint: ['/bin/sh', '-c', 'exit 8'] })).pipe(retry({ delay: 5 })),
    );
    await expect(exitOf(other.machine)).resolves.toEqual({ code: 8, signal: null });
    process.kill(pid, 'SIGTERM');
    await expect(exitOf(machine)).resolves.toEqual({ code: null, signal: null });
  });
});

const bench = createProcessBench();

/** A line tells what was started, and the next how it ended. */
const recordIn = (path: string): unknown => {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  return Object.assign({}, ...lines.map((line) => JSON.parse(line) as object));
};

it.each<[string, (path: string) => void]>([
  ['as it was written', () => undefined],
  [
    'with more in it',
    (path) => {
      appendFileSync(path, '{"exit":');
    },
  ],
  [
    'with another name',
    (path) => {
      linkSync(path, `${path}.other`);
    },
  ],
  ['removed', rmSync],
])('how a process ended is kept in a record that is found %s', async (_, damage) => {
  const path = join(folder, 'kept', 'record.json');
  const { pid, ended$ } = await start({ ...lasting, keep: { path, handle: {}, token: 'secret' } });
  damage(path);
  process.kill(-pid, 'SIGTERM');
  await firstValueFrom(ended$);
  expect(recordIn(path)).toMatchObject({ handle: { pid }, exit: { code: null, signal: 'SIGTERM' } });
  if (existsSync(`${path}.other`)) expect(recordIn(`${path}.other`)).not.toHaveProperty('exit');
  rmSync(join(folder, 'kept'), { recursive: true });
});

it.each([
  ['still runs', ''],
  ['has ended too', '{"exit":{"code":7,"signal":null}}\n'],
])('how a process ended is not kept over the record of a later run, which %s', async (_, end) => {
  const path = join(folder, 'kept', 'record.json');
  const { pid, ended$ } = await start({ ...lasting, keep: { path, handle: {}, token: 'secret' } });
  const later = `{"handle":{},"tokenHash":"another"}\n${end}`;
  writeFileSync(path, later);
  process.kill(-pid, 'SIGTERM');
  await firstValueFrom(ended$);
  expect(readFileSync(path, 'utf8')).toBe(later);
  rmSync(join(folder, 'kept'), { recursive: true });
});

describe('where another process reads what is written', () => {
  const outputOf = (home: string): Output => {
    const [pipes, logs] = ['run', 'logs'].map((name) => join(folder, home, name)) as [string, string];
    mkdirSync(logs, { recursive: true });
    return { pipes, logs, run: 'abcd', maxBytes: 1_000_000, keep: 1 };
  };
  const waiting = ['while :; do sleep 0.02; done'];

  it('an end is told once all is kept that it wrote, though what it has left could still write', async () => {
    const output = outputOf('left');
    const what = { ...shell('sleep 4 &', 'echo last', ...waiting), output };
    const { another, started } = await createAnother(what, true);
    await started.spare(60_000);
    const log = join(output.logs, 'app.cri.log');
    await eventually(() => existsSync(log) && readFileSync(log, 'utf8').includes('last'));
    process.kill(started.pid, 'SIGTERM');
    await firstValueFrom(started.ended$);
    expect(groupOf(started.pid)).not.toEqual([]);
    await kill(started.pid);
    await another.close();
  });

  it('an end is kept before all is, so that it is known though who starts processes is killed', async () => {
    const output = outputOf('kept');
    const path = join(output.pipes, 'record.json');
    const what = { ...shell(...waiting), output, keep: { path, handle: {}, token: 'secret' } };
    const { started, small } = await createAnother(what, true);
    await eventually(() => readdirSync(output.pipes).includes('reader'));
    const reader = Number(readlinkSync(join(output.pipes, 'reader')).split('.')[0]);
    process.kill(reader, 'SIGSTOP');
    process.kill(started.pid, 'SIGTERM');
    await eventually(() => readFileSync(path, 'utf8').includes('exit'));
    process.kill(small, 'SIGKILL');
    await expect(firstValueFrom(started.ended$)).rejects.toThrow('has ended');
    expect(recordIn(path)).toMatchObject({ exit: { code: null, signal: 'SIGTERM' } });
    process.kill(reader, 'SIGCONT');
    await eventually(() => !isRunning(reader));
  });
});

describe('a Node that starts processes', () => {
  let users = 0;

  /** Runs one of its own; tells the lines that it writes, and how it ends. */
  function user(what: string, { program, args, cwd, keep }: Command, limit = '') {
    const home = join(folder, `user-${String((users += 1))}`);
    mkdirSync(home);
    const script = `${limit} exec node_modules/.bin/ts-node "$@"`;
    const file = join(__dirname, 'spawnerUser.ts');
    const child: ChildProcess = spawn(
      '/bin/sh',
      ['-c', script, 'sh', file, what, keep?.path ?? '', cwd, join(home, 'log'), program, ...args],
      // A group of its own, as a terminal gives it. ts-node's cache of compiled code would stay among the temporary files.
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, DISABLE_V8_COMPILE_CACHE: '1' },
      },
    );
    let written = '';
    child.stdout?.on('data', (chunk) => (written += String(chunk)));
    const lines = (): readonly { readonly pid?: number; readonly code?: unknown }[] =>
      written
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as object);
    return {
      pid: child.pid as number,
      ended: new Promise<unknown>((done) =>
        child.once('close', (code, signal) => {
          done({ code, signal, lines: lines() });
        }),
      ),
      line: async (index: number) => {
        await eventually(() => lines().length > index);
        return lines()[index] as { readonly pid: number };
      },
    };
  }

  it('ends when nothing runs any more, and not before', async () => {
    const go = join(folder, 'go');
    const { ended, line, pid } = user('once', shell(`while [ ! -e ${go} ]; do sleep 0.02; done; exit 9`));
    await line(0);
    const [small] = helpersOf(pid);
    writeFileSync(go, '');
    await expect(ended).resolves.toMatchObject({ code: 0, lines: [{}, { code: 9, signal: null }] });
    await eventually(() => !isRunning(small as number));
  });

  it('ends before a process that it has forgotten, which runs on', async () => {
    const { ended, line } = user('forget', lasting);
    await expect(ended).resolves.toMatchObject({ code: 0 });
    const { pid } = await line(0);
    expect(isRunning(pid)).toBe(true);
    await kill(pid);
  });

  it('is killed, and all that it has started with it', async () => {
    const { ended, line, pid: parent } = user('once', shell('sleep 600 & sleep 600'));
    const { pid } = await line(0);
    const [small] = helpersOf(parent);
    process.kill(parent, 'SIGKILL');
    await expect(ended).resolves.toMatchObject({ code: null, signal: 'SIGKILL' });
    await eventually(() => groupOf(pid).length === 0 && !isRunning(small as number));
  });

  it('is killed, but what is to outlive it runs on, and how it ends is kept', async () => {
    const path = join(folder, 'run', 'record.json');
    const keep = { path, handle: {}, token: 'secret' };
    const { ended, line, pid: parent } = user('once', { ...lasting, keep });
    const { pid } = await line(0);
    const [small] = helpersOf(parent);
    process.kill(parent, 'SIGKILL');
    await ended;
    await eventually(() => !isServing(small as number));
    expect([isRunning(pid), isRunning(small as number)]).toEqual([true, true]);
    process.kill(-pid, 'SIGTERM');
    await eventually(() => !isRunning(small as number));
    expect(recordIn(path)).toMatchObject({
      handle: { pid },
      spawner: { pid: small },
      exit: { code: null, signal: 'SIGTERM' },
    });
  });

  const saving = `trap "sleep 0.1; echo saved > ${join(folder, 'saved')}; exit" TERM`;

  it.each<[string, string, number, boolean]>([
    ['that takes its time', saving, 60_000, true],
    ['that takes more than that', 'trap "" TERM', 100, false],
  ])('is killed amid a stop: what its leader has left, and %s, has that', async (_, how, graceMs, saved) => {
    const path = join(folder, 'run', 'record.json');
    const keep = { path, handle: {}, token: 'secret' };
    const heeds = join(folder, `heeds-${String(saved)}`);
    const lines = [`(${how}; touch ${heeds}; while :; do sleep 0.02; done) &`, 'wait'];
    const { ended, line, pid: parent } = user(`spare${String(graceMs)}`, { ...shell(...lines), keep });
    const { pid } = await line(0);
    const [small] = helpersOf(parent);
    await eventually(() => existsSync(heeds));
    process.kill(-pid, 'SIGTERM');
    await eventually(() => !isRunning(pid));
    process.kill(parent, 'SIGKILL');
    await ended;
    await eventually(() => groupOf(pid).length === 0 && !isRunning(small as number));
    expect(existsSync(join(folder, 'saved'))).toBe(saved);
    rmSync(join(folder, 'saved'), { force: true });
    expect(recordIn(path)).toMatchObject({ exit: { code: null, signal: 'SIGTERM' } });
  });

  it('keeps what it started, and the small process, from the signals of its terminal', async () => {
    const { ended, line, pid: parent } = user('once', lasting);
    const first = await line(0);
    const [small] = helpersOf(parent);
    process.kill(-parent, 'SIGINT');
    const second = await line(1);
    expect([helpersOf(parent), isRunning(first.pid), second.pid === first.pid]).toEqual([
      [small],
      true,
      false,
    ]);
    process.kill(-parent, 'SIGKILL');
    await ended;
    await eventually(() => !isRunning(first.pid) && !isRunning(second.pid));
  });

  it('and may open no more files is told so, and can start them later', async () => {
    const { ended } = user('full', shell('exit 0'), 'ulimit -n 100;');
    await expect(ended).resolves.toMatchObject({
      code: 0,
      lines: [
        { code: 'EMFILE', message: 'the process that starts others could not be started' },
        {},
        { code: 0, signal: null },
      ],
    });
  });
});
