import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createProcessDriver, openManager } from 'rx-instances';
import { firstValueFrom } from 'rxjs';
import type { Bench, Contender, Row } from '../harness/bench.js';

/** As `--output-mb` says; contenders are told it. */
const megabytes = Number(process.env['BENCH_OUTPUT_MB'] ?? 300);
const times = 20;

const [short, pushed, pulled] = ['true', 'output, subscribed to', 'output, read by for await'];

/** Runs a program to its end, and resolves with how many bytes it has written. */
type Run = (command: string, args: readonly string[]) => Promise<number>;

/** One of the programs that end at once, of some one after another; or one that writes as fast as it is read. */
async function take(row: Row, run: Run): Promise<number> {
  const count = row === short ? times : 1;
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    if (row === short) await run('true', []);
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
    await firstValueFrom(manager.create({ name: 'web', image: 'scratch', entrypoint }));
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
        const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        child.stdout.on('data', (data: Buffer) => (bytes += data.length));
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
  rows: [short, pushed, pulled],
  contenders: [ours, bare],
  goals: [short, pushed, pulled].map((row) => ({
    what: `${row}, beside a bare spawn`,
    of: { contender: ours.name, row },
    by: { contender: bare.name, row },
    atMost: row === short ? 1.3 : 1 / 0.8,
  })),
  about: `\`exec\` in an instance that is a process, from the call until its end is told: of \`true\`, the mean of ${String(times)} one after another, and of a program that writes ${String(megabytes)} MB. Beside it \`spawn\` with a pipe that Node reads.`,
};
