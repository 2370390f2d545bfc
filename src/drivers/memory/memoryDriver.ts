import * as E from 'fp-ts/lib/Either.js';
import {
  asyncScheduler,
  defer,
  EMPTY,
  filter,
  from,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  Subject,
  takeUntil,
  throwError,
  timer,
} from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decode } from '../../codecs/decode.js';
import { integer, longestTimerMs } from '../../codecs/scalars.js';
import { type Fault, LaunchFailed, LogNotFound } from '../../lifecycle/errors.js';
import type { DriverFields } from '../../lifecycle/instance.js';
import type { LogLine } from '../../lifecycle/logLine.js';
import type { Snapshot } from '../../lifecycle/snapshot.js';
import type { Driver, LaunchPlan, Machine } from '../driver.js';
import { portsAt } from '../host/machinePorts.js';
import { faultsOfPorts, ports } from '../ports.js';
import { readiness } from '../readiness.js';
import { createMemoryMachine, type MemoryMachine, type PlayedMachine } from './memoryMachine.js';
import { createMemorySnapshots, type Held } from './memorySnapshots.js';

/** What a memory driver can be made to fail at. */
export type MemoryOperation =
  | ('prepare' | 'launch' | 'adopt' | 'inspect' | 'stop' | 'kill' | 'freeze' | 'thaw' | 'discard')
  | ('signal' | 'suspend' | 'resume' | 'forget')
  | ('take' | 'layOut' | 'replace');

/** How to make a memory driver. */
export interface MemoryDriverOptions {
  /**
   * What its standby frees: with `memory` a machine can be suspended and resumed, and a snapshot can be one of a Standby.
   *
   * @defaultValue `'cpu'`
   */
  readonly standbyFrees?: 'cpu' | 'memory';
  /** How long a launch takes, in milliseconds, or a resume; with 0 it is done within `subscribe`. @defaultValue 0 */
  readonly launchMs?: number;
  /** How long a machine takes to end when it is asked to, in milliseconds; with 0 it ends within `subscribe`. @defaultValue 0 */
  readonly stopMs?: number;
  /**
   * Asked before each operation, with the plan of the instance; an error that it gives is what the operation fails with.
   *
   * @defaultValue none fails
   */
  readonly fail?: (operation: MemoryOperation, plan: LaunchPlan) => Error | undefined;
  /**
   * Asked at each launch for each port of the instance: the port of 127.0.0.1 at which whoever plays the machine listens for it.
   *
   * @defaultValue another port for each, from 20000 on, at which nobody listens
   */
  readonly portOf?: (instanceId: string, guest: number) => number;
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

/** A log that is kept, and emitted as it is written; and the memory of a machine that was suspended. */
interface Home {
  readonly plan: LaunchPlan;
  readonly lines: LogLine[];
  readonly written$: Subject<LogLine>;
  memory: number | undefined;
}

const logSource = 'app';
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
  const { standbyFrees = 'cpu', launchMs = 0, stopMs = 0, fail = () => undefined } = options;
  let lastPort = 19_999;
  const { portOf = () => (lastPort += 1) } = options;
  const keepsMemory = standbyFrees === 'memory';
  const homes = new Map<string, Home>();
  const played = new Map<string, MemoryMachine>();
  const running = new Map<
    number,
    { readonly instanceId: string; readonly home: string; readonly played: PlayedMachine }
  >();
  const folders = new Map<string, Held>();
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

  /** One that is there already stays, with whoever follows its log. */
  const make = (plan: LaunchPlan, { lines, memory }: Held): void => {
    const home = homes.get(plan.home) ?? { plan, lines: [], written$: new Subject(), memory };
    home.lines.splice(0, home.lines.length, ...lines);
    home.memory = memory;
    homes.set(plan.home, home);
  };

  const held = (path: string): Held => {
    const { lines, memory } = homeOf(path);
    return { lines: [...lines], memory };
  };

  const copyOf = (path: string, kind: Snapshot['kind'] = 'Stopped'): Held => {
    const { lines, memory } = held(path);
    if (kind === 'Stopped' || !keepsMemory) return { lines };
    const halted = [...running.values()].find(({ home }) => home === path)?.played.memory();
    return { lines, memory: halted ?? memory ?? nothingKept() };
  };

  const start = (plan: LaunchPlan, memory?: number): Machine => {
    const { instanceId, spec, home: path } = plan;
    const home = homeOf(path);
    if (memory === undefined) home.memory = undefined;
    const ports = (spec.ports ?? []).map(({ guest }) => ({ guest, host: portOf(instanceId, guest) }));
    const handle = { machine: (launches += 1), ...(ports.length > 0 && { ports }) };
    const made = createMemoryMachine({
      handle,
      ports: portsAt(ports),
      spec,
      stopMs,
      attempt: (operation, work) => attempt(operation, plan, work),
      write: (text) => {
        const line: LogLine = {
          ...{ time: asyncScheduler.now(), stream: 'stdout', text, partial: false },
          ...{ cursor: home.lines.length + 1, run: String(handle.machine) },
        };
        home.lines.push(line);
        home.written$.next(line);
      },
      onExit: () => running.delete(handle.machine),
      memory,
      keep: keepsMemory
        ? (kept) => {
            home.memory = kept;
          }
        : undefined,
    });
    played.set(instanceId, made.controls);
    running.set(handle.machine, { instanceId, home: path, played: made });
    return made.machine;
  };

  const launched = (begin: () => Machine): Observable<Machine> =>
    (launchMs === 0 ? of(0) : timer(launchMs)).pipe(map(begin));

  return {
    kind: 'memory',
    capabilities: { standbyFrees, logs: [logSource], signals: signalNames, ports: true },
    decode: decodeMemoryFields,
    prepare: ({ copyOf: source, kind, ...plan }) =>
      attempt('prepare', plan, () => {
        make(plan, source === undefined ? { lines: [] } : copyOf(source, kind));
        return EMPTY;
      }),
    launch: (plan) => attempt('launch', plan, () => launched(() => start(plan))),
    ...(keepsMemory && {
      resume: (plan) =>
        attempt('resume', plan, () => launched(() => start(plan, homeOf(plan.home).memory ?? nothingKept()))),
      forget: (path) =>
        defer(() => {
          const home = homes.get(path);
          if (home === undefined) return EMPTY;
          return attempt('forget', home.plan, () => {
            home.memory = undefined;
            return EMPTY;
          });
        }),
    }),
    adopt: (plan, handle) =>
      attempt('adopt', plan, () => {
        const found = running.get(Number(handle['machine']));
        if (found === undefined) throw new Error('the machine has ended');
        return of(found.played.machine);
      }),
    reclaim: (path) =>
      defer(() => {
        const left = [...running.values()].filter(({ home }) => home === path);
        return merge(...left.map(({ played: { machine } }) => machine.kill())).pipe(ignoreElements());
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
    logs: (home, { source, tail, followUntil$: end$, ...query }) =>
      defer(() => {
        if (source !== logSource) throw new LogNotFound({ source, sources: [logSource] });
        const { lines, written$ } = homeOf(home);
        const isAsked = ({ stream, time = 0, cursor }: LogLine): boolean =>
          (query.stream ?? stream) === stream && time >= (query.since ?? 0) && cursor > (query.after ?? 0);
        const last$ = from(tail === 0 ? [] : lines.filter(isAsked).slice(-tail));
        if (end$ === undefined) return last$;
        return merge(written$.pipe(filter(isAsked), takeUntil(end$)), last$);
      }),
    snapshots: createMemorySnapshots({
      ...{ folders, copyOf, held, make, attempt },
      kinds: keepsMemory ? ['Stopped', 'Standby'] : ['Stopped'],
    }),

    machine: (instanceId) => {
      const controls = played.get(instanceId);
      if (controls === undefined) throw new Error(`the instance ${instanceId} never had a machine`);
      return controls;
    },
    running: () => [...running.values()].map(({ instanceId }) => instanceId),
    homes: () => [...homes.keys()],
    snapshotFolders: () => [...folders.keys()],
  };
}

const nothingKept = (): never => {
  throw new LaunchFailed({ reason: 'the home holds no memory to go on from' });
};

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
