import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { createLogFiles } from '../../../src/drivers/host/logFiles.js';
import { readLog } from '../../../src/drivers/host/logReader.js';
import type { OutputOrder } from '../../../src/drivers/host/outputMessages.js';
import { outputText } from '../../../src/drivers/host/outputText.js';
import { runProgram } from '../../../src/drivers/host/runProgram.js';
import { eventually } from '../process/processBench.js';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'output-')));
const logs = join(home, 'logs');
const readers: ChildProcess[] = [];
const pipes: number[] = [];

beforeEach(() => {
  mkdirSync(logs);
});
afterEach(async () => {
  for (const fd of pipes.splice(0)) closeSync(fd);
  await Promise.all(
    readers.splice(0).map(async (reader) => {
      const ended = once(reader, 'exit');
      reader.disconnect();
      await ended;
    }),
  );
  rmSync(logs, { recursive: true });
});
afterAll(() => {
  rmSync(home, { recursive: true });
});

/** Starts a process that reads the output of a run into the log of the home, and gives what the run writes to. */
async function read(run: string): Promise<number> {
  const folder = join(home, run);
  mkdirSync(folder);
  const [stdout, stderr] = ['stdout', 'stderr'].map((name) => join(folder, name)) as [string, string];
  await runProgram('mkfifo', [stdout, stderr]);
  pipes.push(openSync(stderr, 'r+'));
  const fd = openSync(stdout, 'r+');
  pipes.push(fd);
  const reader = spawn(process.execPath, ['-', 'rx-instances-output'], {
    stdio: ['pipe', 'ignore', 'inherit', 'ipc'],
  });
  readers.push(reader);
  reader.stdin?.end(`(${outputText})()`);
  const output = { pipes: folder, logs, run, maxBytes: 4_000, keep: 1_000 };
  const isReading = once(reader, 'message');
  reader.send({ kind: 'read', id: 1, output, paths: [stdout, stderr] } satisfies OutputOrder);
  await isReading;
  return fd;
}

const linesOf = async (): Promise<readonly string[]> => {
  const lines$ = readLog(createLogFiles(home), { tail: Infinity }).pipe(toArray());
  return (await lastValueFrom(lines$)).map(({ text }) => text);
};

/** The lines of the log, once there are so many. */
async function toldLines(count: number): Promise<readonly string[]> {
  for (let looks = 0; ; looks += 1) {
    const lines = await linesOf();
    if (lines.length >= count || looks > 2_000) return lines;
  }
}

const counted = (run: string): readonly string[] =>
  Array.from({ length: 400 }, (_, index) => `${run} says ${String(index)}`);

it('of two that keep what they read in one log, neither loses a line, however often it is laid aside', async () => {
  const runs = ['former', 'later'];
  const fds = await Promise.all(runs.map(read));
  const all = runs.map(counted);
  let told: readonly string[] = [];
  // In turns: of what both write in the very instant in which one lays it aside a line may be lost.
  for (let index = 0; index < 400; index += 20) {
    for (const [run, fd] of fds.entries()) {
      writeSync(fd, `${all[run]?.slice(index, index + 20).join('\n') ?? ''}\n`);
      told = await toldLines(told.length + 20);
    }
  }
  for (const [run, name] of runs.entries())
    expect(told.filter((text) => text.startsWith(name))).toEqual(all[run]);
  const parts = readdirSync(logs).flatMap((name) => {
    const [, start, end] = /(\d+)-(\d+)$/.exec(name) ?? [];
    return start === undefined
      ? []
      : [{ size: statSync(join(logs, name)).size, named: Number(end) - Number(start) }];
  });
  expect(parts.length).toBeGreaterThan(10);
  expect(parts.map(({ size }) => size)).toEqual(parts.map(({ named }) => named));
});

it('keeps no more once a later run writes the log itself, and spoils nothing of that', async () => {
  const fd = await read('piped');
  writeSync(fd, 'before\n');
  await toldLines(1);
  const log = createLogFiles(home);
  await log.beginRaw();
  appendFileSync(log.path, 'its own 1\n');
  writeSync(fd, 'too late\n');
  const [reader] = readers;
  const isDrained = once(reader as ChildProcess, 'message');
  reader?.send({ kind: 'drain', id: 1 } satisfies OutputOrder);
  await isDrained;
  appendFileSync(log.path, 'its own 2\n');
  await expect(linesOf()).resolves.toEqual(['before', 'its own 1', 'its own 2']);
});

it('lets go of a log that was removed, and of the room that it takes', async () => {
  const fd = await read('removed');
  writeSync(fd, 'before\n');
  await toldLines(1);
  rmSync(logs, { recursive: true });
  writeSync(fd, 'after\n');
  const held = (): readonly string[] =>
    readdirSync(`/proc/${String(readers[0]?.pid)}/fd`).flatMap((name) => {
      try {
        const { nlink, size } = statSync(`/proc/${String(readers[0]?.pid)}/fd/${name}`);
        return nlink === 0 && size > 0 ? [name] : [];
      } catch {
        return [];
      }
    });
  await eventually(() => held().length === 0);
  mkdirSync(logs);
});
