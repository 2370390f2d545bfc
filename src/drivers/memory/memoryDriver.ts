import * as E from 'fp-ts/lib/Either.js';
import { defer, EMPTY, ignoreElements, map, merge, type Observable, of, throwError, timer } from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decode } from '../../codecs/decode.js';
import { integer, longestTimerMs } from '../../codecs/scalars.js';
import type { Fault } from '../../lifecycle/errors.js';
import type { DriverFields } from '../../lifecycle/instance.js';
import type { Driver, Machine } from '../driver.js';
import { faultsOfPorts, ports } from '../ports.js';
import { readiness } from '../readiness.js';
import type { MemoryDriverOptions, MemoryOperation } from './memoryDriverOptions.js';
import { createMemoryHomes, logSource, type MemoryHome, nothingKept } from './memoryHomes.js';
import type { MemoryMachine } from './memoryMachine.js';
import { type Attempt, createMemoryMachines } from './memoryMachines.js';
import { createMemorySnapshots, type Held } from './memorySnapshots.js';

/** A driver whose machines are played by whoever holds it. */
export interface MemoryDriver extends Driver {
  /** The machine that an instance has or had last, to play it. Throws when it never had one. */
  machine(instanceId: string): MemoryMachine;
  /** Ids of the instances whose machine has not ended. */
  running(): readonly string[];
  /** Every home that was prepared and not discarded. */
  homes(): readonly string[];
  /** Every folder in which a snapshot was laid and not discarded. */
  snapshotFolders(): readonly string[];
}

const signalNames = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGKILL'];

/**
 * Creates the driver `memory`: machines that exist in the memory of this process only, for tests, and for programs that
 * want to try what they do with instances. Each runs until it is stopped, or played by {@link MemoryDriver.machine}. All its
 * clocks are RxJS timers, so that a `TestScheduler` rules them.
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const driver = createMemoryDriver();
 * const manager = await openManager({ drivers: [driver] });
 * const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
 * driver.machine(id).exit({ code: 1, signal: null });
 * const { state } = await firstValueFrom(manager.get('web'));
 * state; // => 'Stopped'
 * await manager.close();
 * ```
 */
export function createMemoryDriver(options: MemoryDriverOptions = {}): MemoryDriver {
  const { standbyFrees = 'cpu', launchMs = 0, fail = () => undefined } = options;
  const keepsMemory = standbyFrees === 'memory';
  const attempt: Attempt = (operation, plan, work) =>
    defer(() => {
      const error = fail(operation, plan);
      return error === undefined ? work() : throwError(() => error);
    });
  const homes = createMemoryHomes(keepsMemory ? (path) => machines.haltedIn(path) : undefined);
  const machines = createMemoryMachines(options, homes, attempt);
  const folders = new Map<string, Held>();

  const launched = (begin: () => Machine): Observable<Machine> =>
    (launchMs === 0 ? of(0) : timer(launchMs)).pipe(map(begin));

  /** Does something to a home; one that is not there is passed over. */
  const inHome = (path: string, operation: MemoryOperation, work: (home: MemoryHome) => void) =>
    defer(() => {
      const home = homes.find(path);
      if (home === undefined) return EMPTY;
      return attempt(operation, home.plan, () => {
        work(home);
        return EMPTY;
      });
    });

  return {
    kind: 'memory',
    capabilities: { standbyFrees, logs: [logSource], signals: signalNames, ports: true },
    decode: decodeMemoryFields,
    prepare: ({ copyOf: source, kind, ...plan }) =>
      attempt('prepare', plan, () => {
        homes.make(plan, source === undefined ? { lines: [] } : homes.copyOf(source, kind));
        return EMPTY;
      }),
    launch: (plan) => attempt('launch', plan, () => launched(() => machines.start(plan))),
    ...(keepsMemory && {
      resume: (plan) =>
        attempt('resume', plan, () =>
          launched(() => machines.start(plan, homes.get(plan.home).memory ?? nothingKept())),
        ),
      forget: (path) =>
        inHome(path, 'forget', (home) => {
          home.memory = undefined;
        }),
    }),
    adopt: (plan, handle) => attempt('adopt', plan, () => of(machines.find(handle))),
    reclaim: (path) =>
      defer(() => merge(...machines.runningIn(path).map((machine) => machine.kill()))).pipe(ignoreElements()),
    discard: (path) =>
      inHome(path, 'discard', () => {
        homes.remove(path);
      }),
    logs: (home, reading) => defer(() => homes.logs(home, reading)),
    snapshots: createMemorySnapshots({
      ...{ folders, copyOf: homes.copyOf, held: homes.held, make: homes.make, attempt },
      kinds: keepsMemory ? ['Stopped', 'Standby'] : ['Stopped'],
    }),

    machine: machines.played,
    running: machines.running,
    homes: homes.paths,
    snapshotFolders: () => [...folders.keys()],
  };
}

const memoryFields = closed(
  'fields of a machine in memory',
  {},
  { readiness, ports, stopGraceMs: integer('milliseconds', 0, longestTimerMs) },
);

function decodeMemoryFields(
  fields: Readonly<Record<string, unknown>>,
): E.Either<readonly Fault[], DriverFields> {
  const decoded = decode(memoryFields, fields);
  if (E.isLeft(decoded)) return decoded;
  const faults = faultsOfPorts(decoded.right.ports ?? []);
  return faults.length > 0 ? E.left(faults) : decoded;
}
