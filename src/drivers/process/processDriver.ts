import * as t from 'io-ts';
import {
  catchError,
  defer,
  EMPTY,
  exhaustMap,
  first,
  from,
  ignoreElements,
  interval,
  map,
  Observable,
  ReplaySubject,
  throwError,
} from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer, longestTimerMs } from '../../codecs/scalars.js';
import { LogNotFound } from '../../lifecycle/errors.js';
import type { Exit, MachineHandle } from '../../lifecycle/instance.js';
import type { Driver, LaunchPlan, Machine } from '../driver.js';
import { createLogFiles } from './logFiles.js';
import { followTail, readTail } from './logReader.js';
import { decodeProcessFields } from './processFields.js';
import { decodeProcessHandle, findProcess, type ProcessHandle } from './processHandle.js';
import { createProcessMachine } from './processMachine.js';
import { createProcessSnapshots } from './processSnapshots.js';
import { processTable } from './processTable.js';
import { removeTree } from './removeTree.js';
import { createSpawner } from './spawner.js';
import { startProcess } from './startProcess.js';
import { layOut, workDirOf } from './workDir.js';

/** How to make a process driver. */
export interface ProcessDriverOptions {
  /** Size from which a log is laid aside, in bytes. @defaultValue 10485760 (10 MiB) */
  readonly logMaxBytes?: number;
  /** How many parts of a log that were laid aside are kept, at least 1. @defaultValue 3 */
  readonly logKeep?: number;
  /** Milliseconds between looks: at a log that is followed, whether a machine is ready, whether an adopted one lives. @defaultValue 100 */
  readonly pollMs?: number;
  /**
   * Whether to kill what was launched and still runs when this process ends before its manager was closed, however it ends.
   *
   * @defaultValue true
   */
  readonly killOnExit?: boolean;
}

const logSource = 'app';

/**
 * Creates the driver `process`: instances are operating-system processes with all that they start, each in a working
 * directory of its own. Its README tells what goes where, and what differs between Linux and macOS.
 *
 * @throws {@link InvalidRequest} for options that can't be understood
 *
 * @example
 * ```ts
 * import { createProcessDriver, openManager } from 'rx-instances';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createProcessDriver()] });
 * await firstValueFrom(manager.create({ name: 'sleeper', image: 'scratch', entrypoint: ['sleep', '60'] }));
 * const { exit } = await firstValueFrom(manager.stop('sleeper'));
 * exit; // => { code: null, signal: 'SIGTERM' }
 * await manager.close();
 * ```
 */
export function createProcessDriver(options: ProcessDriverOptions = {}): Driver {
  const {
    logMaxBytes = 10 * 1_024 * 1_024,
    logKeep = 3,
    pollMs = 100,
    killOnExit = true,
  } = decodeOrThrow(processDriverOptions, options);
  const spawner = createSpawner(killOnExit);

  const machineOf = (
    plan: LaunchPlan,
    handle: ProcessHandle,
    leaderEnded$: Observable<Exit>,
    onDetach: () => void,
  ): Machine =>
    createProcessMachine({
      handle,
      spec: plan.spec,
      log: createLogFiles(plan.home),
      logLimits: { maxBytes: logMaxBytes, keep: logKeep },
      pollMs,
      leaderEnded$,
      onDetach,
    });

  const launch = async (plan: LaunchPlan): Promise<Machine> => {
    const log = createLogFiles(plan.home);
    const [logStart, bootId] = await Promise.all([log.end(), processTable.bootId()]);
    const { pid, ended$, forget } = await startProcess(spawner, plan, log.path);
    // One that has ended already has no start time any more, and is never found again.
    const startTime = await processTable.find(pid).then(
      (entry) => entry?.startTime ?? '',
      (error: unknown) => {
        killGroup(pid);
        throw error;
      },
    );
    const handle = { pid, startTime, bootId, logStart };
    // Without the spawner nobody is told how it ended, but that it has can still be seen.
    const known$ = new ReplaySubject<Exit>(1);
    const looking = ended$.pipe(catchError(() => endOfAdopted(handle, pollMs))).subscribe(known$);
    return machineOf(plan, handle, known$, () => {
      looking.unsubscribe();
      forget();
    });
  };

  const adopt = async (plan: LaunchPlan, handle: MachineHandle): Promise<Machine> => {
    const decoded = decodeProcessHandle(handle);
    if ((await findProcess(decoded)) === undefined) throw new Error('the process has ended');
    const ended$ = new ReplaySubject<Exit>(1);
    const looking = endOfAdopted(decoded, pollMs).subscribe(ended$);
    return machineOf(plan, decoded, ended$, () => {
      looking.unsubscribe();
    });
  };

  return {
    kind: 'process',
    capabilities: { standbyFrees: 'cpu', logs: [logSource] },
    decode: decodeProcessFields,
    prepare: ({ home, spec, copyOf }) =>
      defer(() => layOut(home, copyOf === undefined ? spec.image : workDirOf(copyOf))).pipe(ignoreElements()),
    launch: (plan) => untilLaunched(() => launch(plan)),
    adopt: (plan, handle) => defer(() => adopt(plan, handle)),
    close: () => defer(() => spawner.close()).pipe(ignoreElements()),
    discard: (home) => defer(() => removeTree(home)).pipe(ignoreElements()),
    logs: (home, { source, tail, follow }) => {
      if (source !== logSource) return throwError(() => new LogNotFound(source, [logSource]));
      const log = createLogFiles(home);
      return follow ? followTail(log, tail, pollMs) : readTail(log, tail);
    },
    snapshots: createProcessSnapshots(),
  };
}

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile, and nobody is left to be told.
  }
};

/** Emits a machine once it runs; one that comes up when nobody waits for it any more is killed. */
const untilLaunched = (launch: () => Promise<Machine>): Observable<Machine> =>
  new Observable((subscriber) => {
    launch().then(
      (machine) => {
        if (subscriber.closed)
          machine
            .kill()
            .pipe(catchError(() => EMPTY))
            .subscribe();
        subscriber.next(machine);
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
  });

/** Only its parent is told how a process ended. */
const endOfAdopted = (handle: ProcessHandle, pollMs: number): Observable<Exit> =>
  interval(pollMs).pipe(
    // A look that fails is no proof of an end.
    exhaustMap(() => from(findProcess(handle)).pipe(catchError(() => EMPTY))),
    first((entry) => entry === undefined),
    map(() => ({ code: null, signal: null })),
  );

const processDriverOptions = closed(
  'options of the process driver',
  {},
  {
    logMaxBytes: integer('bytes', 1, Number.MAX_SAFE_INTEGER),
    logKeep: integer('parts', 1, 1_000),
    pollMs: integer('milliseconds', 1, longestTimerMs),
    killOnExit: t.boolean,
  },
);
