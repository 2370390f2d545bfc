import {
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  lastValueFrom,
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
import { createEndedMachine } from './endedMachine.js';
import { createEndWatch } from './endWatch.js';
import { decodeProcessFields } from './processFields.js';
import { decodeProcessHandle, findProcess, type ProcessHandle } from './processHandle.js';
import { createProcessGroup } from './processGroup.js';
import { createProcessMachine } from './processMachine.js';
import { createProcessSnapshots } from './processSnapshots.js';
import { processTable } from './processTable.js';
import { removeTree } from './removeTree.js';
import { exitOf, homeIdOf, readRun, runPathOf } from './runRecord.js';
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
  } = decodeOrThrow(processDriverOptions, options);
  const spawner = createSpawner();
  const watch = createEndWatch(pollMs);

  /** Its spawner writes down how it ended, or did so. */
  const endOfAdopted = (home: string, handle: ProcessHandle): Observable<Exit> =>
    concat(
      watch.ended(handle),
      defer(() => exitOf(home, handle)),
    );

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
    const [logStart, bootId, home] = await Promise.all([
      log.end(),
      processTable.bootId(),
      homeIdOf(plan.home),
    ]);
    const rest = { bootId, logStart, home };
    const keep = plan.outlives === true ? { path: runPathOf(plan.home), handle: rest } : undefined;
    const { pid, startTime, ended$, forget } = await startProcess(spawner, plan, log.path, keep);
    const handle = { pid, startTime, ...rest };
    // Without the spawner nobody is told of the end, but it can still be seen.
    const known$ = new ReplaySubject<Exit>(1);
    const looking = ended$.pipe(catchError(() => endOfAdopted(plan.home, handle))).subscribe(known$);
    return machineOf(plan, handle, known$, () => {
      looking.unsubscribe();
      forget();
    });
  };

  const adopt = async (plan: LaunchPlan, handle: MachineHandle): Promise<Machine> => {
    const decoded = decodeProcessHandle(handle);
    if (decoded.home !== (await homeIdOf(plan.home))) throw new Error('the process is of another home');
    if ((await findProcess(decoded)) === undefined) {
      const exit = await exitOf(plan.home, decoded);
      if (exit.code === null && exit.signal === null) throw new Error('the process has ended');
      return createEndedMachine(decoded, exit);
    }
    const ended$ = new ReplaySubject<Exit>(1);
    const looking = endOfAdopted(plan.home, decoded).subscribe(ended$);
    return machineOf(plan, decoded, ended$, () => {
      looking.unsubscribe();
    });
  };

  const reclaim = async (home: string): Promise<void> => {
    const run = await readRun(home);
    if (run === undefined || run.exit !== undefined) return;
    const group = createProcessGroup(run.handle.pid);
    if ((await findProcess(run.handle)) !== undefined) {
      group.signal('SIGKILL');
      await lastValueFrom(group.ended(), { defaultValue: undefined });
    }
    // Nobody writes into the home any more after that.
    await exitOf(home, run.handle);
  };

  return {
    kind: 'process',
    capabilities: { standbyFrees: 'cpu', logs: [logSource] },
    decode: decodeProcessFields,
    prepare: ({ home, spec, copyOf }) =>
      defer(() => layOut(home, copyOf === undefined ? spec.image : workDirOf(copyOf))).pipe(ignoreElements()),
    launch: (plan) => untilLaunched(() => launch(plan)),
    adopt: (plan, handle) => defer(() => adopt(plan, handle)),
    reclaim: (home) => defer(() => reclaim(home)).pipe(ignoreElements()),
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

const processDriverOptions = closed(
  'options of the process driver',
  {},
  {
    logMaxBytes: integer('bytes', 1, Number.MAX_SAFE_INTEGER),
    logKeep: integer('parts', 1, 1_000),
    pollMs: integer('milliseconds', 1, longestTimerMs),
  },
);
