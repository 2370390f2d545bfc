import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProcessDriver, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import type { Bench, Contender, Row } from '../harness/bench.js';

/** As `--output-mb` says; contenders are told it. */
const megabytes = Number(process.env['BENCH_OUTPUT_MB'] ?? 300);
const times = 20;

const [short, limited, pushed, pulled] = [
  'true',
  'true, with limits and user',
  'output, subscribed to',
  'output, read by for await',
];
const isShort = (row: Row): boolean => row === short || row === limited;

/** The folders of this process in the trees of cgroup v1, where all of them are there. */
const folders = ['memory', 'pids', 'cpu'].flatMap((controller) => {
  const own = new RegExp(`^\\d+:(?:\\w+,)*${controller}(?:,\\w+)*:(.*)$`, 'm');
  const [, path] = own.exec(readFileSync('/proc/self/cgroup', 'utf8')) ?? [];
  return path === undefined ? [] : [join('/sys/fs/cgroup', controller, path)];
});
const hasGroups = folders.length === 3;
const limits = {
  ...(hasGroups && { memoryMiB: 64, pids: 20, cpus: 1 }),
  ...{ openFiles: 256, user: '65534:65534' },
};
const settings = [
  ['memory.limit_in_bytes', String(64 * 2 ** 20)],
  ['pids.max', '20'],
  ['cpu.cfs_quota_us', '100000'],
] as const;
let groups = 0;

/** Starts a program by a shell that enters groups made for it, and removes them after its end. */
function spawnLimited(command: string, args: readonly string[]): ChildProcess {
  const made = hasGroups ? folders.map((folder) => join(folder, `bench-${String((groups += 1))}`)) : [];
  const opened = made.map((group, index) => {
    mkdirSync(group);
    const [file, value] = settings[index] ?? ['', ''];
    writeFileSync(join(group, file), value);
    return openSync(join(group, 'cgroup.procs'), 'w');
  });
  const enter = opened.map((_, index) => `echo 0 >&${String(index + 3)}; `).join('');
  const close = opened.map((_, index) => ` ${String(index + 3)}>&-`).join('');
  const shell = ['-c', `${enter}ulimit -n 256; exec "$@"${close}`, 'sh', command, ...args];
  const child = spawn('/bin/sh', shell, {
    stdio: ['ignore', 'pipe', 'pipe', ...opened],
    ...{ uid: 65_534, gid: 65_534 },
  });
  for (const fd of opened) closeSync(fd);
  child.once('close', () => {
    for (const group of made) rmdirSync(group);
  });
  return child;
}

/** Runs a program to its end, and resolves with how many bytes it has written. */
type Run = (command: string, args: readonly string[]) => Promise<number>;

/** One of the programs that end at once, of some one after another; or one that writes as fast as it is read. */
async function take(row: Row, run: Run): Promise<number> {
  const count = isShort(row) ? times : 1;
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    if (isShort(row)) await run('true', []);
    else assert.equal(await run('head', ['-c', String(megabytes * 1e6), '/dev/zero']), megabytes * 1e6);
  }
  return ((performance.now() - startedAt) / count) * 1e6;
}

const check = async (run: Run): Promise<void> => {
  assert.equal(await run('seq', ['100000']), 588_895);
};

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const manager = await openManager({ drivers: [createProcessDriver()] });
    const entrypoint = ['sleep', '600'];
    await firstValueFrom(
      manager.create({ name: 'web', image: 'scratch', entrypoint, ...(row === limited && limits) }),
    );
    const pull: Run = async (command, args) => {
      let bytes = 0;
      for await (const output of manager.exec('web', { command, args }))
        if (output.kind === 'stdout') bytes += output.data.length;
      return bytes;
    };
    const push: Run = (command, args) =>
      new Promise((resolve, reject) => {
        let bytes = 0;
        manager.exec('web', { command, args }).subscribe({
          next: (output) => {
            if (output.kind === 'stdout') bytes += output.data.length;
          },
          complete: () => {
            resolve(bytes);
          },
          error: reject,
        });
      });
    const run = row === pulled ? pull : push;
    return { check: () => check(run), sample: () => take(row, run), close: () => manager.close() };
  },
};

const bare: Contender = {
  name: 'bare spawn',
  open: (row) => {
    const run: Run = (command, args) =>
      new Promise((resolve) => {
        let bytes = 0;
        const child =
          row === limited
            ? spawnLimited(command, args)
            : spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        child.stdout?.on('data', (data: Buffer) => (bytes += data.length));
        child.once('close', () => {
          resolve(bytes);
        });
      });
    return { check: () => check(run), sample: () => take(row, run) };
  },
};

/** What it takes to run a program beside that of an instance. */
export const exec: Bench = {
  name: 'exec',
  title: 'Run a program in an instance',
  unit: 'ns',
  rowsAre: 'what it does',
  rows: [short, limited, pushed, pulled],
  contenders: [ours, bare],
  goals: [short, limited, pushed, pulled].map((row) => ({
    what: `${row}, beside ${row === limited ? 'the same by hand' : 'a bare spawn'}`,
    of: { contender: ours.name, row },
    by: { contender: bare.name, row },
    atMost: isShort(row) ? 1.3 : 1 / 0.8,
  })),
  about: `\`exec\` in an instance that is a process, from the call until its end is told: of \`true\`, with and without limits (of memory, pids, processors and files, as user 65534), the mean of ${String(times)} one after another, and of a program that writes ${String(megabytes)} MB. Beside it \`spawn\` with a pipe that Node reads; with limits by a shell that enters groups made for it (cgroup v1) and sets \`ulimit\`.`,
};
