import * as t from 'io-ts';
import { concat, type Observable, throwError } from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { integer, longestTimerMs, programName, variableName } from '../../codecs/scalars.js';
import { NotSupported } from '../../lifecycle/errors.js';
import type { Driver, LaunchPlan, Machine } from '../driver.js';
import { completeAfter } from '../host/completeAfter.js';
import { directoryId } from '../host/directoryId.js';
import { createFreePorts } from '../host/freePorts.js';
import { filesBeneath } from '../host/filesBeneath.js';
import { createHostDriver } from '../host/hostDriver.js';
import { createLogFiles } from '../host/logFiles.js';
import { decodeProcessFields, signalNames } from './processFields.js';
import { decodeProcessHandle } from '../host/processHandle.js';
import { createProcessExecs } from './processExecs.js';
import { createProcessMachine } from './processMachine.js';
import { letUserIn } from './letUserIn.js';
import { limitsHere } from './processLimits.js';
import { processPorts } from './processPorts.js';
import { createProcessSnapshots } from './processSnapshots.js';
import { portRange } from '../host/portRange.js';
import { removeTree } from '../host/removeTree.js';
import { createRuns, type Run } from '../host/runs.js';
import { createSpawner } from '../host/spawner.js';
import { startProcess } from './startProcess.js';
import { layOut, layOutCopy, placeOutside, topOf } from './workDir.js';

/** How to make a process driver. */
export interface ProcessDriverOptions {
  /** Size from which a log is laid aside, in bytes. @defaultValue 10485760 (10 MiB) */
  readonly logMaxBytes?: number;
  /** How many parts of a log that were laid aside are kept, at least 1. @defaultValue 3 */
  readonly logKeep?: number;
  /**
   * Bytes that an image may hold, and the working directory of an instance that is copied for a fork or a snapshot; holes count too.
   *
   * @defaultValue 68719476736 (64 GiB)
   */
  readonly copyMaxBytes?: number;
  /** Files and directories that each of them may hold. @defaultValue 1000000 */
  readonly copyMaxEntries?: number;
  /** Milliseconds between two polls: of a log that is followed, of a readiness, of the end of an adopted machine. @defaultValue 100 */
  readonly pollMs?: number;
  /**
   * The Node.js that runs the small process which starts all others: a path, or a name to be found in `PATH`. It has to be named by
   * an application that is no Node.js itself, such as a single executable.
   *
   * @defaultValue `process.execPath`
   */
  readonly nodePath?: string;
  /**
   * Environment variables of this process that instances get besides the usual ones (`PATH`, `HOME` and so on): these, or all with `true`.
   * What a request says in `env` goes before. They are read at each start, and written into no record, event or log. An
   * instance can print what it gets: name no secret that it must not have.
   *
   * @defaultValue none
   */
  readonly inheritEnv?: true | readonly string[];
  /**
   * From where to where a port is picked for each of the `ports` of an instance, both included. It should lie outside what the system gives to
   * outgoing connections (`net.ipv4.ip_local_port_range` on Linux), and have room for all instances that run at a time.
   *
   * @defaultValue `{ from: 20000, to: 32767 }`
   */
  readonly portRange?: { readonly from: number; readonly to: number };
}

const logSource = 'app';

const defaultOutput = process.platform === 'linux' ? 'pipes' : 'file';

/**
 * Creates the driver `process`: instances are operating-system processes with all that they start, each in a working
 * directory of its own. Its README says what goes where, and what differs between Linux and macOS.
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
 * exit; // => { code: null, signal: 'SIGTERM', stoppedBy: 'caller' }
 * await manager.close();
 * ```
 */
export function createProcessDriver(options: ProcessDriverOptions = {}): Driver {
  const {
    logMaxBytes = 10 * 1_024 * 1_024,
    logKeep = 3,
    pollMs = 100,
    nodePath,
    inheritEnv,
    copyMaxBytes: maxBytes = 64 * 2 ** 30,
    copyMaxEntries: maxEntries = 1_000_000,
    portRange: range = { from: 20_000, to: 32_767 },
  } = decodeOrThrow(processDriverOptions, options);
  const limits = { maxBytes, maxEntries };
  const logLimits = { maxBytes: logMaxBytes, keep: logKeep };
  const spawner = createSpawner({ nodePath, readsOutput: true });
  const runs = createRuns({ pollMs, logLimits, spawner });
  const execs = createProcessExecs(spawner, inheritEnv);

  const freePorts = createFreePorts(range);

  const machineOf = (plan: LaunchPlan, run: Run): Machine => {
    const { home, spec } = plan;
    const machine = createProcessMachine({
      run,
      spec,
      log: createLogFiles(home),
      logLimits,
      pollMs,
      execs: {
        run: (program) => execs.run(plan, run.handle.ports ?? [], program),
        halt: () => execs.halt(home),
        resume: () => execs.resume(home),
        kill: () => {
          execs.kill(home);
        },
      },
    });
    const ports = (run.handle.ports ?? []).map(({ host }) => host);
    if (ports.length === 0) return machine;
    freePorts.hold(ports);
    machine.signals$.subscribe({
      complete: () => {
        freePorts.release(ports);
      },
    });
    return machine;
  };

  const launch = async (plan: LaunchPlan): Promise<Machine> => {
    const log = createLogFiles(plan.home);
    const isPiped = (plan.spec.output ?? defaultOutput) === 'pipes';
    if (!isPiped) await log.beginRaw();
    const outside = placeOutside(plan.spec);
    const place = outside === undefined ? undefined : await directoryId(outside);
    await letUserIn(plan);
    const ports = await processPorts(plan.spec, freePorts);
    const starting = runs.start({
      ...{ home: plan.home, log, outlives: plan.outlives === true, isPiped, place, ports },
      start: (spawner, keep, output) =>
        startProcess(spawner, plan, output ?? log.path, { keep, inheritEnv, ports }),
    });
    const run = await starting.catch((error: unknown) => {
      freePorts.release(ports.map(({ host }) => host));
      throw error;
    });
    return machineOf(plan, run);
  };

  const snapshots = createProcessSnapshots(limits);
  const clear = async (home: string): Promise<void> => {
    await execs.end(home);
    await runs.clear(home);
  };
  const cleared = (home: string): Observable<never> => completeAfter(() => clear(home));

  return createHostDriver({
    ...{ runs, pollMs, launch },
    kind: 'process',
    capabilities: {
      standbyFrees: 'cpu',
      logs: [logSource],
      signals: signalNames,
      ports: true,
      execs: true,
      limits: limitsHere(),
    },
    decode: decodeProcessFields,
    prepare: async ({ home, spec, pool, copyOf }) => {
      if (copyOf === undefined) return layOut(home, spec.image, limits, pool);
      await clear(copyOf);
      return layOutCopy(home, copyOf, limits, pool);
    },
    decodeHandle: decodeProcessHandle,
    outsideOf: placeOutside,
    machineOf,
    discard: async (home) => {
      await clear(home);
      await removeTree(home);
    },
    files: (plan) => filesBeneath(() => topOf(plan)),
    beforeClose: () => execs.end(),
    snapshots: {
      ...snapshots,
      take: (plan) => {
        const outside = placeOutside(plan.spec);
        if (outside !== undefined) return throwError(() => noSnapshots(outside));
        return concat(cleared(plan.home), snapshots.take(plan));
      },
      replace: (plan, content) => concat(cleared(plan.home), snapshots.replace(plan, content)),
    },
  });
}

const noSnapshots = (cwd: string): NotSupported =>
  new NotSupported({
    driver: 'process',
    verb: 'createSnapshot',
    reason: `the instance works in ${cwd}, of which nothing is copied`,
  });

const inheritance = t.union(
  [t.literal(true), t.readonlyArray(variableName)],
  'true, or names of variables (an array of texts, not empty, without = and NUL)',
);

const processDriverOptions = closed(
  'options of the process driver',
  {},
  {
    logMaxBytes: integer('bytes', 1, Number.MAX_SAFE_INTEGER),
    logKeep: integer('parts', 1, 1_000),
    pollMs: integer('milliseconds', 1, longestTimerMs),
    nodePath: programName,
    inheritEnv: inheritance,
    copyMaxBytes: integer('bytes', 1, Number.MAX_SAFE_INTEGER),
    copyMaxEntries: integer('files and directories', 1, Number.MAX_SAFE_INTEGER),
    portRange,
  },
);
