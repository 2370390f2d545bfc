import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { createHash, createHmac } from 'node:crypto';
import { constants, lstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { defer, filter, firstValueFrom, map, of, repeat, timeout } from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { integer } from '../../codecs/scalars.js';
import { type ExitStatus, unknownExit } from '../../lifecycle/instance.js';
import { type ProcessHandle, processHandle } from './processHandle.js';
import { processTable } from './processTable.js';

/**
 * What a spawner has written into a home: which process it has started there, and how that ended, once it has. An instance
 * of the same user can write there too, so that it proves nothing by itself.
 */
export interface RunRecord {
  /** Without its token. */
  readonly handle: ProcessHandle;
  /** Who is notified of the end, and writes it down. */
  readonly spawner: { readonly pid: number; readonly startTime: string };
  /** Shows whether a handle is of this run. Absent in version 0.1.0, as is `mac`. */
  readonly tokenHash?: string;
  readonly exit?: ExitStatus;
  /** What proves that the spawner has written `exit`. */
  readonly mac?: string;
}

/** Where a spawner writes it: in a folder that nobody but its user can enter. */
export const runPathOf = (home: string): string => join(home, 'run', 'record.json');

/** Where version 0.1.0 wrote it. */
export const formerRunPathOf = (home: string): string => join(home, 'run.json');

/** Identifies a home among its copies; `''` when there is none. To wait for a thread would take ten times as long. */
export function homeIdOf(home: string): string {
  try {
    const found = lstatSync(home, { bigint: true, throwIfNoEntry: false });
    return found?.isDirectory() === true ? String(found.ino) : '';
  } catch {
    return '';
  }
}

/** The last run of a home. A copy of a home never ran, nor did one whose record can't be understood. */
export async function readRun(home: string): Promise<RunRecord | undefined> {
  const text = (await read(runPathOf(home))) ?? (await read(formerRunPathOf(home))) ?? '';
  const record = E.tryCatch(() => parsed(text), E.toError);
  if (E.isLeft(record)) return undefined;
  const decoded = runRecord.decode(record.right);
  if (E.isLeft(decoded)) return undefined;
  return decoded.right.handle.home === homeIdOf(home) ? decoded.right : undefined;
}

/** Its second line says how it ended; until that is whole it has not ended. In version 0.1.0 there is one line, without its end. */
function parsed(text: string): unknown {
  const [run = '', ...ends] = text.split('\n');
  const lines = [run, ...ends.slice(0, -1)].map((line) => JSON.parse(line) as object);
  return Object.assign({}, ...lines) as unknown;
}

const maxBytes = 65_536;

/** Some of a plain file of ours; `''` for whatever else has that name, and nothing where there is none. */
async function read(path: string): Promise<string | undefined> {
  const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
  try {
    // A pipe would make it wait.
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const found = await file.stat();
      if (!found.isFile() || found.uid !== process.geteuid?.()) return '';
      const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : '';
  }
}

/** Whether a record is of the run of a handle. */
export function isOfRun({ handle, tokenHash }: RunRecord, of: ProcessHandle): boolean {
  const isSame = handle.pid === of.pid && handle.startTime === of.startTime && handle.bootId === of.bootId;
  const hash = of.token === undefined ? undefined : createHash('sha256').update(of.token).digest('hex');
  return isSame && hash === tokenHash;
}

/** By what a spawner is known in its command line. */
export const spawnerName = 'rx-instances-spawner';

/** How long a spawner may take to write down an end. */
const writeMs = 5_000;
const pollEveryMs = 5;

/**
 * How a process that has ended did so. Waits for its spawner to write that down; both `null` where that has ended before, and
 * where somebody else has written it.
 */
export async function exitOf(home: string, handle: ProcessHandle): Promise<ExitStatus> {
  const run = await writtenRun(home, (record) => isOfRun(record, handle));
  return run?.exit !== undefined && isProven(run, run.exit, handle) ? run.exit : unknownExit;
}

const isProven = (
  { mac }: RunRecord,
  { code, signal, oomKilled }: ExitStatus,
  { token }: ProcessHandle,
): boolean =>
  token === undefined ||
  mac ===
    createHmac('sha256', token)
      .update(JSON.stringify([code, signal, ...(oomKilled === true ? ['oom'] : [])]))
      .digest('hex');

/** A run once its spawner writes no more into the home; nothing where the home has none of which `isIt` holds. */
export function writtenRun(home: string, isIt: (run: RunRecord) => boolean): Promise<RunRecord | undefined> {
  const poll = async (): Promise<{ readonly run: RunRecord | undefined } | undefined> => {
    const run = await readRun(home);
    if (run === undefined || !isIt(run)) return { run: undefined };
    if (run.exit !== undefined) return { run };
    if (await isSpawnerThere(run)) return undefined;
    // It may have written between the two reads.
    const last = await readRun(home);
    return { run: last !== undefined && isIt(last) ? last : run };
  };
  return firstValueFrom(
    defer(poll).pipe(
      repeat({ delay: pollEveryMs }),
      filter((found) => found !== undefined),
      timeout({ first: writeMs, with: () => of({ run: undefined }) }),
      map(({ run }) => run),
    ),
  );
}

/** Whether the spawner of a run is still there. */
export async function isSpawnerThere({ spawner, handle }: RunRecord): Promise<boolean> {
  const entry = await processTable.find(spawner.pid);
  const isSame = entry?.startTime === spawner.startTime && (await processTable.bootId()) === handle.bootId;
  return isSame && entry.state !== 'Z' && (await processTable.commandLine(spawner.pid)).includes(spawnerName);
}

const runRecord: t.Type<RunRecord, unknown> = closed(
  'a run',
  {
    handle: processHandle,
    spawner: closed('a spawner', { pid: integer('pid', 2, 2 ** 31 - 1), startTime: t.string }, {}),
  },
  {
    tokenHash: t.string,
    exit: closed(
      'an exit',
      { code: t.union([t.number, t.null]), signal: t.union([t.string, t.null]) },
      { oomKilled: t.literal(true) },
    ),
    mac: t.string,
  },
);
