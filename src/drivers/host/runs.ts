import { randomBytes, randomInt } from 'node:crypto';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  connect,
  ignoreElements,
  lastValueFrom,
  merge,
  mergeMap,
  noop,
  type Observable,
  of,
  repeat,
  ReplaySubject,
  takeUntil,
  takeWhile,
  tap,
  timer,
} from 'rxjs';
import type { ExitStatus } from '../../lifecycle/instance.js';
import { createControlGroup, sweepGroups } from './controlGroup.js';
import { createEndWatch } from './endWatch.js';
import { type LogFiles, type LogLimits, logDirOf } from './logFiles.js';
import type { MachinePort } from './machinePorts.js';
import type { Output } from './outputMessages.js';
import { isUnread, outputReaderOf, pipesOf } from './outputReader.js';
import { isInUse } from './isInUse.js';
import { idIn, isOurs } from './ownership.js';
import { createProcessGroup, type ProcessGroup } from './processGroup.js';
import { findProcess, type ProcessHandle } from './processHandle.js';
import { processTable } from './processTable.js';
import {
  exitOf,
  formerRunPathOf,
  homeIdOf,
  isSpawnerThere,
  readRun,
  type RunRecord,
  runPathOf,
  writtenRun,
} from './runRecord.js';
import { sparePathOf, writeSpare } from './spareRecord.js';
import type { Spawner, Started } from './spawner.js';
import type { Keep } from './spawnerMessages.js';
import { endStrays, findRunning, type Running } from './strays.js';

/** A process that is the machine of a home. */
export interface Run {
  readonly handle: ProcessHandle;
  /** All that it has started, as far as the system knows. */
  readonly group: ProcessGroup;
  /** Emits how it ended, once it has; to late subscribers too. */
  readonly ended$: Observable<ExitStatus>;
  /**
   * Has what the process leaves behind killed after that time from now, and not at once, also when this process is gone by then.
   * Resolves once the spawner that has started it knows.
   */
  spare(graceMs: number): Promise<void>;
  /** Resolves once all that it has written is in the log; after half a second at the latest. */
  written(): Promise<void>;
  /** Stops watching it: it runs on, and Node may end before it does. */
  detach(): void;
}

/** How to start the process of a home. */
export interface RunPlan {
  readonly home: string;
  /** The instance's log, at whose end the run begins. */
  readonly log: Pick<LogFiles, 'end'>;
  /** Whether it writes to pipes; else it writes to files itself. @defaultValue false */
  readonly isPiped?: boolean;
  /** Whether it runs on when this process ends; otherwise it is killed then. */
  readonly outlives: boolean;
  /** Identifies the directory that it works in, where that lies outside its home. */
  readonly place?: string | undefined;
  /** Its ports, which its handle is to tell. @defaultValue none */
  readonly ports?: readonly MachinePort[];
  start(spawner: Spawner, keep: Keep | undefined, output: Output | undefined): Promise<Started>;
}

/** Starts the processes of homes, one of each at a time, and finds them again. */
export interface Runs {
  start(plan: RunPlan): Promise<Run>;
  /**
   * The process of a handle, or how it ended. Fails when that is not known any more, for one of another home, and for one that
   * cannot be shown to be this instance's. `cwd` is where it works by what the store holds, if not in its home.
   */
  find(home: string, handle: ProcessHandle, cwd?: string): Promise<Run | ExitStatus>;
  /** Ends what was started in a home and still runs, with all that it started. */
  reclaim(home: string): Promise<void>;
  /** Ends what an instance has left behind that is about to be copied or removed. One that runs is left alone. */
  clear(home: string): Promise<void>;
  /** Releases what it holds besides processes. */
  close(): Promise<void>;
}

/** What {@link Runs} need. */
export interface RunsOptions {
  /** Milliseconds between two polls of a process of whose end nobody is notified. */
  readonly pollMs: number;
  /** It may start other things too, until they are closed. */
  readonly spawner: Spawner;
  /** How much is kept of what is written to pipes; absent where nothing is. */
  readonly logLimits?: LogLimits;
}

/** How long it may take until all is in the log that a process has written. */
const mostWrittenMs = 500;
const pollEveryMs = 3;
/** How long a spawner may take to start another reader in the place of one that is gone. */
const anotherReaderMs = 500;

/** Creates {@link Runs}. Long, since `start`, `find` and `clear` share what runs now by home. */
export function createRuns({ pollMs, spawner, logLimits }: RunsOptions): Runs {
  const watch = createEndWatch(pollMs);

  const outputOf = (home: string, run: string | undefined): Output | undefined =>
    run === undefined || logLimits === undefined
      ? undefined
      : { pipes: pipesOf(home), logs: logDirOf(home), run, ...logLimits };

  /** Completes once the reader of what a process writes has ended; where there is none, our spawner starts one. */
  const readBy = (home: string, run: string, bootId: string): Observable<never> =>
    defer(() => outputReaderOf(home)).pipe(
      mergeMap((reader) => {
        if (reader !== undefined) return watch.ended({ ...reader, bootId });
        const isToBeRead$ = defer(async () => {
          const record = await readRun(home);
          return record === undefined || !(await isSpawnerThere(record));
        });
        return isToBeRead$.pipe(
          tap((isSo) => {
            const output = outputOf(home, run);
            if (isSo && output !== undefined) spawner.read(output);
          }),
          ignoreElements(),
        );
      }),
    );

  /** Keeps a reader running for what a process writes: another, when one is killed. */
  const keepReading = (home: string, { run, bootId }: ProcessHandle): Observable<never> =>
    run === undefined ? EMPTY : readBy(home, run, bootId).pipe(repeat({ delay: anotherReaderMs }));

  /** Its spawner writes down how it ended, or did so. */
  const endOf = (home: string, handle: ProcessHandle): Observable<ExitStatus> =>
    concat(
      watch.ended(handle),
      defer(() => exitOf(home, handle)),
    ).pipe(connect((exit$) => merge(exit$, keepReading(home, handle).pipe(takeUntil(exit$)))));

  /** Homes in which something runs. */
  const live = new Map<string, Run>();
  /** Homes in which something ran that was in no control group. */
  const ungrouped = new Set<string>();
  let lastRead: { readonly running: Promise<Running>; readonly at: number } | undefined;

  const runOf = (
    home: string,
    handle: ProcessHandle,
    end$: Observable<ExitStatus>,
    started?: Started,
  ): Run => {
    const ended$ = new ReplaySubject<ExitStatus>(1);
    const end = (): void => {
      if (live.get(home) === run) live.delete(home);
    };
    const run: Run = {
      handle,
      group: groupOf(handle),
      ended$,
      written: async () => {
        if (handle.run === undefined || !isUnread(home)) return;
        const unread$ = defer(() => of(isUnread(home))).pipe(
          repeat({ delay: pollEveryMs }),
          takeWhile((isSo) => isSo),
          takeUntil(timer(mostWrittenMs)),
        );
        await lastValueFrom(unread$, { defaultValue: undefined });
      },
      detach: () => {
        ending.unsubscribe();
        end();
        started?.forget();
      },
      spare: async (graceMs) => {
        if (started !== undefined) return started.spare(graceMs);
        // Without it, its spawner ends at once what it leaves behind.
        if (handle.token !== undefined) await writeSpare(home, handle.token, graceMs).catch(noop);
      },
    };
    live.set(home, run);
    if (handle.group === undefined) ungrouped.add(home);
    const ending = end$.pipe(finalize(end)).subscribe(ended$);
    return run;
  };

  /** Ends what the record of a home names, where that can be shown to be the instance's. */
  const endRun = async (home: string, run: RunRecord): Promise<void> => {
    const leader = await findProcess(run.handle);
    const isLeft =
      leader === undefined
        ? await hasLeft(home, run.handle)
        : await isOurs(leader, { home, stored: undefined, run });
    // What its leader has left elsewhere than in its process group, its spawner has ended.
    if (isLeft) await lastValueFrom(groupOf(run.handle).end(), { defaultValue: undefined });
    // Nobody writes into the home any more after that.
    await writtenRun(
      home,
      ({ handle, tokenHash }) => handle.pid === run.handle.pid && tokenHash === run.tokenHash,
    );
  };

  /** Read once a second, for all homes: what another manager has left was started before. */
  const running = (): Promise<Running> => {
    const now = performance.now();
    if (lastRead === undefined || now - lastRead.at > 1_000) lastRead = { running: findRunning(), at: now };
    return lastRead.running;
  };

  return {
    start: async ({ home, log, outlives, isPiped, place, ports = [], start }) => {
      const [bootId, logStart] = await Promise.all([processTable.bootId(), log.end()]);
      const homeId = homeIdOf(home);
      const run =
        isPiped === true
          ? randomInt(36 ** 4)
              .toString(36)
              .padStart(4, '0')
          : undefined;
      const rest = { bootId, logStart, home: homeId, ...(run !== undefined && { run }) };
      const token = outlives ? randomBytes(16).toString('hex') : undefined;
      const keep =
        token === undefined
          ? undefined
          : {
              ...{ path: runPathOf(home), sparePath: sparePathOf(home), formerPath: formerRunPathOf(home) },
              ...{ handle: rest, token },
            };
      const started = await start(spawner, keep, outputOf(home, run));
      const { pid, startTime, group, ended$ } = started;
      lastRead = undefined;
      const handle = {
        ...{ pid, startTime, ...rest },
        ...(token !== undefined && { token }),
        ...(group !== undefined && { group }),
        ...(place !== undefined && { place }),
        ...(ports.length > 0 && { ports }),
      };
      // Without the spawner nobody is notified of the end, but it can still be polled.
      return runOf(home, handle, ended$.pipe(catchError(() => endOf(home, handle))), started);
    },

    find: async (home, handle, cwd) => {
      if (handle.home !== homeIdOf(home)) throw new Error('the process is of another home');
      const entry = await findProcess(handle);
      if (entry !== undefined) {
        const claim = { home, stored: handle, run: await readRun(home), cwd };
        if (await isOurs(entry, claim)) return runOf(home, handle, endOf(home, handle));
        throw new Error('the process cannot be shown to be of this instance');
      }
      // Of a stop that was cut off it may still be there.
      await endLeft(home, handle).catch(noop);
      const exit = await exitOf(home, handle);
      if (exit.code === null && exit.signal === null) throw new Error('the process has ended');
      return exit;
    },

    reclaim: async (home) => {
      const [run, { names, pids }] = await Promise.all([readRun(home), running()]);
      const isOver = run?.exit !== undefined && !pids.has(run.handle.pid);
      if (run !== undefined && !isOver) await endRun(home, run);
      // The record may be damaged, or name another.
      if (names.has(idIn(home))) await endStrays(home);
      // Whoever would have removed its groups may be gone too.
      sweepGroups();
    },

    clear: async (home) => {
      if (live.has(home) || !ungrouped.delete(home)) return;
      await endStrays(home);
    },

    close: () => spawner.close(),
  };
}

const groupOf = ({ group, ...leader }: ProcessHandle): ProcessGroup =>
  createProcessGroup(leader, group === undefined ? undefined : createControlGroup(group));

/** Ends what a process that has ended has left behind. The control group is trusted, since the store names it. */
async function endLeft(home: string, handle: ProcessHandle): Promise<void> {
  if (!(await isNobodyElses(handle))) return;
  const controlGroup = handle.group === undefined ? undefined : createControlGroup(handle.group);
  const left$ = (await hasLeft(home, handle)) ? groupOf(handle).end() : (controlGroup?.end() ?? EMPTY);
  await lastValueFrom(left$, { defaultValue: undefined });
}

/**
 * Whether something is left of the group of a process. While it is, nobody else is given the pid; where nobody has that, the
 * group may be another's by now, which had it and ended too: its environment shows whether it is ours.
 */
async function hasLeft(home: string, handle: ProcessHandle): Promise<boolean> {
  if (!isInUse(-handle.pid) || !(await isNobodyElses(handle))) return false;
  const members = await processTable.group(handle.pid);
  const environments = await Promise.all(members.map((member) => processTable.environment(member.pid)));
  return environments.flat().includes(idIn(home));
}

/** Whether nobody else has the pid of a process by now. */
async function isNobodyElses({ pid, startTime, bootId }: ProcessHandle): Promise<boolean> {
  if ((await processTable.bootId()) !== bootId) return false;
  const entry = await processTable.find(pid);
  return entry === undefined || entry.startTime === startTime;
}
