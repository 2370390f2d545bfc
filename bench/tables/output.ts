import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createProcessDriver, openManager } from 'rx-instances';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import type { Bench, Contender, Row } from '../harness/bench.js';
import { newFolder } from '../harness/scratch.js';

const lineBytes = 100;
/** As `--output-mb` says; contenders are told it. */
const megabytes = Number(process.env['BENCH_OUTPUT_MB'] ?? 300);
const lines = (megabytes * 1e6) / lineBytes;
/** So few that the log keeps all of them. */
const fewLines = 10_000;

/** A program of every system that writes so many lines as quickly as it can. */
const command = (count: number): readonly [string, ...string[]] => [
  'sh',
  '-c',
  `yes ${'x'.repeat(lineBytes - 1)} | head -n ${String(count)}`,
];

const [whole, still] = ['all of it', "the loop's longest standstill"];

/** One figure of the same work. A loop that was turned all the time would take a processor from the program. */
async function take(row: Row, work: () => Promise<unknown>): Promise<number> {
  const everyMs = 1;
  const delays = monitorEventLoopDelay({ resolution: everyMs });
  delays.enable();
  const startedAt = performance.now();
  await work();
  const ms = performance.now() - startedAt;
  delays.disable();
  return row === whole ? ms * 1e6 : delays.max - everyMs * 1e6;
}

const ours: Contender = {
  name: 'ours',
  open: async (row) => {
    const dataDir = newFolder(`output-ours-${String(row === whole)}`);
    const manager = await openManager({ dataDir, drivers: [createProcessDriver()] });
    const write = async (count: number): Promise<string> => {
      const { id } = await firstValueFrom(
        manager.create({ name: 'writer', image: 'scratch', entrypoint: command(count) }),
      );
      await firstValueFrom(manager.waitForState(id, 'Stopped', { timeoutMs: 300_000 }));
      return id;
    };
    return {
      check: async () => {
        const id = await write(fewLines);
        const told = await lastValueFrom(manager.logs(id, { tail: fewLines * 2 }).pipe(toArray()));
        assert.equal(told.length, fewLines, 'all lines are in the log');
        assert.ok(
          told.every(({ text }) => text.length === lineBytes - 1),
          'and whole',
        );
        await firstValueFrom(manager.delete(id));
      },
      sample: async () => {
        const figure = await take(row, () => write(lines));
        const [last] = await lastValueFrom(manager.logs('writer', { tail: 1 }).pipe(toArray()));
        assert.equal(last?.text.length, lineBytes - 1, 'the last line is in the log');
        await firstValueFrom(manager.delete('writer'));
        return figure;
      },
      close: () => manager.close({ stopInstances: true }),
    };
  },
};

const straight: Contender = {
  name: 'straight to a file',
  open: (row) => {
    const path = join(newFolder(`output-straight-${String(row === whole)}`), 'file');
    const write = async (count: number): Promise<void> => {
      const file = openSync(path, 'w');
      const [program, ...args] = command(count);
      const child: ChildProcess = spawn(program, args, { stdio: ['ignore', file, 'ignore'] });
      closeSync(file);
      await once(child, 'exit');
      assert.equal(statSync(path).size, count * lineBytes);
    };
    return {
      check: () => write(fewLines),
      sample: async () => {
        // To empty the last one takes long.
        await rm(path, { force: true });
        return take(row, () => write(lines));
      },
    };
  },
};

/** What it takes to keep what a program writes. */
export const output: Bench = {
  name: 'output',
  title: 'Output of one process',
  unit: 'ns',
  rowsAre: 'what',
  rows: [whole, still],
  rounds: 5,
  contenders: [ours, straight],
  goals: [
    {
      what: 'all of it, beside a file',
      of: { contender: ours.name, row: whole },
      by: { contender: straight.name, row: whole },
      atMost: 2.5,
    },
    {
      what: `${still}, beyond one that does nothing`,
      of: { contender: ours.name, row: still },
      beyond: { contender: straight.name, row: still },
      atMost: 5e6,
    },
  ],
  about: `${String(megabytes)} MB in lines of ${String(lineBytes)} bytes, as quickly as \`yes\` and \`head\` write them, from \`create\` until the instance is Stopped: each line with time and stream, the log rotated at 10 MiB. Beside it the same program whose standard output is a file: there the loop stands still only because the machine is busy. \`npm run bench -- output --output-mb 1000\` writes more.`,
};
