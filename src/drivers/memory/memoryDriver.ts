import {
  defer,
  EMPTY,
  from,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decode } from '../../codecs/decode.js';
import { integer, longestTimerMs } from '../../codecs/scalars.js';
import { LogNotFound } from '../../lifecycle/errors.js';
import type { Driver, LaunchPlan, Machine } from '../driver.js';
import { readiness } from '../readiness.js';
import { createMemoryMachine, type MemoryMachine } from './memoryMachine.js';
import { createMemorySnapshots } from './memorySnapshots.js';

/** What a memory driver can be told to fail at. */
export type MemoryOperation =
  | ('prepare' | 'launch' | 'adopt' | 'inspect' | 'stop' | 'kill' | 'freeze' | 'thaw' | 'discard')
  | ('take' | 'layOut' | 'replace');

/** How to make a memory driver. */
export interface MemoryDriverOptions {
  /** How long a launch takes, in milliseconds; with 0 it is done within `subscribe`. @defaultValue 0 */
  readonly launchMs?: number;
  /** How long a machine takes to end when it is asked to, in milliseconds; with 0 it ends within `subscribe`. @defaultValue 0 */
  readonly stopMs?: number;
  /**
   * Asked before each operation, with the plan of the instance; an error that it gives is what the operation fails with.
   *
   * @defaultValue none fails
   */
  readonly fail?: (operation: MemoryOperation, plan: LaunchPlan) => Error | undefined;
}

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

/** A log that is kept, and told as it is written. */
interface Home {
  readonly plan: LaunchPlan;
  readonly lines: string[];
  readonly written$: Subject<string>;
}

const logSource = 'app';

/**
 * Creates the driver `memory`: machines that exist in the memory of this process only, for tests, and for programs that
 * want to try what they do with instances. Each runs until it is stopped, or played by {@link MemoryDriver.machine}. All its
 * clocks are RxJS timers, so that a `TestScheduler` rules them.
 *
 * @example
 * ```ts
 * import { createMemoryDriver, openManager } from 'rx-instances';
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
  const { launchMs = 0, stopMs = 0, fail = () => undefined } = options;
  const homes = new Map<string, Home>();
  const played = new Map<string, MemoryMachine>();
  const running = new Map<
    number,
    { readonly instanceId: string; readonly home: string; readonly machine: Machine }
  >();
  const folders = new Map<string, readonly string[]>();
  let launches = 0;

  /** Does something unless it is to fail. */
  const attempt = <T>(
    operation: MemoryOperation,
    plan: LaunchPlan,
    work: () => Observable<T>,
  ): Observable<T> =>
    defer(() => {
      const error = fail(operation, plan);
      return error === undefined ? work() : throwError(() => error);
    });

  const homeOf = (path: string): Home => {
    const home = homes.get(path);
    if (home === undefined) throw new Error(`there is no home ${path}`);
    return home;
  };

  const make = (plan: LaunchPlan, lines: readonly string[]): void => {
    homes.set(plan.home, { plan, lines: [...lines], written$: new Subject() });
  };

  const start = (plan: LaunchPlan): Machine => {
    const { instanceId, spec, home } = plan;
    const { lines, written$ } = homeOf(home);
    const handle = { machine: (launches += 1) };
    const { machine, strings } = createMemoryMachine({
      handle,
      spec,
      stopMs,
      attempt: (operation, work) => attempt(operation, plan, work),
      write: (line) => {
        lines.push(line);
        written$.next(line);
      },
      onExit: () => running.delete(handle.machine),
    });
    played.set(instanceId, strings);
    running.set(handle.machine, { instanceId, home, machine });
    return machine;
  };

  return {
    kind: 'memory',
    capabilities: { standbyFrees: 'cpu', logs: [logSource] },
    decode: (fields) => decode(memoryFields, fields),
    prepare: ({ copyOf, ...plan }) =>
      attempt('prepare', plan, () => {
        make(plan, copyOf === undefined ? [] : homeOf(copyOf).lines);
        return EMPTY;
      }),
    launch: (plan) =>
      attempt('launch', plan, () => (launchMs === 0 ? of(0) : timer(launchMs)).pipe(map(() => start(plan)))),
    adopt: (plan, handle) =>
      attempt('adopt', plan, () => {
        const found = running.get(Number(handle['machine']));
        if (found === undefined) throw new Error('the machine has ended');
        return of(found.machine);
      }),
    reclaim: (path) =>
      defer(() => {
        const left = [...running.values()].filter(({ home }) => home === path);
        return merge(...left.map(({ machine }) => machine.kill())).pipe(ignoreElements());
      }),
    discard: (path) =>
      defer(() => {
        const home = homes.get(path);
        if (home === undefined) return EMPTY;
        return attempt('discard', home.plan, () => {
          homes.delete(path);
          home.written$.complete();
          return EMPTY;
        });
      }),
    logs: (home, { source, tail, follow }) =>
      defer(() => {
        if (source !== logSource) throw new LogNotFound(source, [logSource]);
        const { lines, written$ } = homeOf(home);
        const last$ = from(tail === 0 ? [] : lines.slice(-tail));
        return follow ? merge(written$, last$) : last$;
      }),
    snapshots: createMemorySnapshots({ folders, linesOf: (home) => homeOf(home).lines, make, attempt }),

    machine: (instanceId) => {
      const strings = played.get(instanceId);
      if (strings === undefined) throw new Error(`the instance ${instanceId} never had a machine`);
      return strings;
    },
    running: () => [...running.values()].map(({ instanceId }) => instanceId),
    homes: () => [...homes.keys()],
    snapshotFolders: () => [...folders.keys()],
  };
}

const memoryFields = closed(
  'fields of a machine in memory',
  {},
  { readiness, stopGraceMs: integer('milliseconds', 0, longestTimerMs) },
);
