import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { defer, filter, firstValueFrom, of, repeat, timeout } from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { integer } from '../../codecs/scalars.js';
import type { Exit } from '../../lifecycle/instance.js';
import { type ProcessHandle, processHandle } from './processHandle.js';
import { processTable } from './processTable.js';

/** What a spawner has written into a home: which process it has started there, and how that ended, once it has. */
export interface RunRecord {
  readonly handle: ProcessHandle;
  /** Who hears of the end. */
  readonly spawner: { readonly pid: number; readonly startTime: string };
  readonly exit?: Exit;
}

/** Where a spawner writes it. */
export const runPathOf = (home: string): string => join(home, 'run.json');

/** Tells a home from its copies; `''` when there is none. */
export async function homeIdOf(home: string): Promise<string> {
  const found = await stat(home, { bigint: true }).catch(() => undefined);
  return found === undefined ? '' : String(found.ino);
}

/** The last run of a home. A copy of a home never ran, nor did one whose record can't be understood. */
export async function readRun(home: string): Promise<RunRecord | undefined> {
  const text = await readFile(runPathOf(home), 'utf8').catch(() => '');
  const record = E.tryCatch(() => JSON.parse(text) as unknown, E.toError);
  if (E.isLeft(record)) return undefined;
  const decoded = runRecord.decode(record.right);
  if (E.isLeft(decoded)) return undefined;
  return decoded.right.handle.home === (await homeIdOf(home)) ? decoded.right : undefined;
}

/** How long a spawner may take to write down what it has heard. */
const writeMs = 5_000;
const lookEveryMs = 5;

/**
 * How a process that has ended did so. Waits for its spawner to write that down; both `null` where that has ended before.
 */
export async function exitOf(home: string, { pid, startTime, bootId }: ProcessHandle): Promise<Exit> {
  const look = async (): Promise<Exit | undefined> => {
    const run = await readRun(home);
    const { handle } = run ?? {};
    const isRecorded = handle?.pid === pid && handle.startTime === startTime && handle.bootId === bootId;
    if (run === undefined || !isRecorded) return unknownExit;
    if (run.exit !== undefined) return run.exit;
    if (await isThere(run, bootId)) return undefined;
    // It may have written between the two looks.
    return (await readRun(home))?.exit ?? unknownExit;
  };
  return firstValueFrom(
    defer(look).pipe(
      repeat({ delay: lookEveryMs }),
      filter((exit) => exit !== undefined),
      timeout({ first: writeMs, with: () => of(unknownExit) }),
    ),
  );
}

async function isThere({ spawner }: RunRecord, bootId: string): Promise<boolean> {
  const entry = await processTable.find(spawner.pid);
  const isSame = entry?.startTime === spawner.startTime && (await processTable.bootId()) === bootId;
  return isSame && entry.state !== 'Z';
}

const unknownExit: Exit = { code: null, signal: null };

const runRecord = closed(
  'a run',
  {
    handle: processHandle,
    spawner: closed('a spawner', { pid: integer('pid', 2, 2 ** 31 - 1), startTime: t.string }, {}),
  },
  { exit: closed('an exit', { code: t.union([t.number, t.null]), signal: t.union([t.string, t.null]) }, {}) },
);
