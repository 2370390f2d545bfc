import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  asyncScheduler,
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  from,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  Subject,
  takeUntil,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { Driver, LaunchPlan } from '../drivers/driver.js';
import { type Cause, causes } from '../lifecycle/cause.js';
import { InvalidState, ManagerClosed } from '../lifecycle/errors.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import type { Instance, InstanceSpec } from '../lifecycle/instance.js';
import { transition } from '../lifecycle/state.js';
import type { ConsumerStats } from '../streams/consumers.js';
import { ContainedObservable, through } from '../streams/containedObservable.js';
import { createKeyedQueue } from '../streams/keyedQueue.js';
import { createManagerBus } from '../streams/lifecycleBus.js';
import { reportThrow, threwMessage } from '../streams/reportThrow.js';
import { Waits } from '../streams/waits.js';
import { createDeadlines, isDue, withReadyBy } from './deadlines.js';
import { createEndpoints } from './endpoints.js';
import { createInstanceTable } from './instanceTable.js';
import { createIntents, noIntents } from './intents.js';
import { type Logger, noLogger } from './logger.js';
import { logOf } from './logOf.js';
import { createLogReads } from './logReads.js';
import { causeOf } from './callOptions.js';
import { createCalls } from './calls.js';
import { createCausedVerbs } from './causedVerbs.js';
import { createMachines, type Report } from './machines.js';
import type { Measurement } from './measurement.js';
import { type CloseOptions, driversOf, type ManagerOptions } from './options.js';
import { createRollbackOnError } from './rollbackOnError.js';
import { createLogFailure } from './logFailure.js';
import type { Commit } from './records.js';
import { recover } from './recovery.js';
import * as requests from './requests.js';
import { createRun } from './run.js';
import { createSendSignal } from './sendSignal.js';
import { createSnapshotCalls } from './snapshotCalls.js';
import { createSnapshotTable } from './snapshotTable.js';
import { neededFor } from './neededFor.js';
import { listInstances } from './listInstances.js';
import { openStorage } from './storage.js';
import { stopwatch } from './stopwatch.js';
import { createTurns } from './turns.js';
import { createUntilKept } from './untilKept.js';

/** How many instances are stopped at a time by a manager that closes. */
const machinesAtATime = 16;
/** How long what could not be kept while the manager was opened waits before it is tried again. */
const laterMs = 1_000;
/** How long a driver may take to launch a machine. */
const defaultLaunchTimeoutMs = 300_000;
/** How long what was not ready in time while no manager was there has to be found ready. */
const foundReadyMs = 2_000;

/**
 * Creates, changes and deletes instances, and emits on one shared stream all that happens to them. Made by {@link openManager}. What
 * can be done from afar too is {@link Instances} and {@link LifecycleStreams}: ask for those, or a part of them, where that is enough.
 */
export interface InstanceManager extends Instances, LifecycleStreams {
  /**
   * Emits once, when the manager begins to close, within {@link InstanceManager.close} and before any stop is told, then
   * completes; to whoever subscribes later it emits at once. Events carry no such word: what acts on them ends with it.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { concatMap, filter, firstValueFrom, takeUntil } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * let restarts = 0;
   * manager
   *   .events('keep_up')
   *   .pipe(
   *     filter(({ instance }) => instance?.state === 'Stopped'),
   *     takeUntil(manager.closing$),
   *     concatMap(({ instanceId }) => manager.start(instanceId)),
   *   )
   *   .subscribe(() => (restarts += 1));
   * await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   * await firstValueFrom(manager.stop('web'));
   * await firstValueFrom(manager.waitForState('web', 'Running'));
   * await manager.close();
   * restarts; // => 1
   * ```
   */
  readonly closing$: Observable<void>;
  /** Tells of every consumer what its subscribers are doing. */
  stats(): Readonly<Record<string, ConsumerStats>>;
  /** Emits what verbs, waits and commits took, as each ends. Completes when the manager closes. */
  readonly measurements$: Observable<Measurement>;
  /**
   * Closes the manager: from now on verbs and waits fail with {@link ManagerClosed}, and that is told by `closing$` and to those
   * who watch; verbs that have begun are waited for;
   * instances are stopped if so asked, 16 at a time, and their events published; then every stream completes. Called again, it
   * returns the same Promise.
   *
   * @returns a Promise that rejects with an `AggregateError` of {@link DriverFailed} when instances could not be stopped:
   * their homes stay; or with {@link InvalidRequest} for options that can't be understood: the manager stays open
   */
  close(options?: CloseOptions): Promise<void>;
  /**
   * Closes the manager with the defaults of {@link InstanceManager.close}, at the end of the block that it was opened in with
   * `await using`, however that ends. One that was closed before, stays as that left it.
   *
   * @example
   * ```ts
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom } from 'rxjs';
   *
   * async function tryOut(): Promise<string> {
   *   await using manager = await openManager({ drivers: [createMemoryDriver()] });
   *   const { state } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
   *   return state;
   * }
   * await tryOut(); // => 'Running'
   * ```
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a manager of instances.
 *
 * With a `dataDir` it begins with the instances that are kept there: whatever became of the manager before, those that still
 * run are taken over, those that have ended meanwhile are in the log as `exit`, a verb that was cut off is finished or undone,
 * and what belongs to no instance is gone. When opening resolves, each instance was looked at meanwhile, and what it should not run
 * any more has ended. What ends after that look is told as ever. Without one it begins with none, and none outlives it: {@link InstanceManager.close} stops them all and
 * removes their homes, which lie in a folder of their own among the system's temporary files. What a manager of this user has
 * left there that ended without `close`, the next one without a `dataDir` removes before it is open, if it has its drivers.
 *
 * @throws as a rejection: {@link InvalidRequest} when the options can't be understood, or lack the driver of an instance
 * that is kept; {@link DataDirLocked} when another manager holds the `dataDir`; {@link StoreFailed} when it can't be opened
 *
 * @example
 * ```ts
 * import { openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const { state } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
 * state; // => 'Running'
 * await manager.close();
 * ```
 */
export async function openManager(options: ManagerOptions): Promise<InstanceManager> {
  const drivers = driversOf(options);
  const { config, logger = noLogger } = options;
  const now = (): number => asyncScheduler.now();
  const storage = await openStorage(options, drivers, now, logger);
  const { store, kept, homes, pool, ownerless, isDurable } = storage;

  const homeOf = (instanceId: string): string => join(homes, instanceId);
  const planOf = (instanceId: string, name: string, spec: InstanceSpec): LaunchPlan => ({
    instanceId,
    name,
    spec,
    home: homeOf(instanceId),
    pool,
    outlives: isDurable,
  });
  const driverOf = ({ driver }: InstanceSpec): Driver => drivers.get(driver) as Driver;

  const table = createInstanceTable(kept.instances, { epoch: store.epoch, sequence: kept.sequence });
  const queue = createKeyedQueue();
  const measurements$ = new Subject<Measurement>();
  const measure = (measurement: Measurement): void => {
    measurements$.next(measurement);
  };
  const onThrow = options.logger === undefined ? reportThrow : throwsTo(options.logger);
  const bus = createManagerBus({
    ...(config === undefined ? {} : { capacity: config.instances.lifecycleEventBufferSize }),
    log: logOf(store, table),
    onThrow,
  });
  const untilKept = createUntilKept(queue, logger);
  const machines = createMachines((instanceId, held, report) => {
    let next: Report = report;
    return untilKept(instanceId, { report }, () => {
      const at = next;
      // By then it may be found again, and another look tells so.
      if (at.kind === 'lost') next = { kind: 'look' };
      return machines.of(instanceId) === held ? observations.take(table.get(instanceId), at) : EMPTY;
    });
  });

  const commitFor =
    (cause: Cause): Commit =>
    (change) =>
      defer(() => {
        const seconds = stopwatch();
        return store.commit({ ...withReadyBy(change, now()), cause }).pipe(
          map((event) => {
            table.apply(event);
            deadlines.see(event.instanceId, event.instance);
            measure({ kind: 'commit', seconds: seconds() });
            bus.publish(event);
            return event.instance;
          }),
          filter((instance) => instance !== undefined),
        );
      });

  const logFailure = createLogFailure(logger);
  /** It takes room, and does no harm. */
  const forgotten = ({ id, spec }: Instance): Observable<never> =>
    logFailure(
      { instanceId: id },
      'the memory of an instance could not be removed',
      defer(() => driverOf(spec).forget?.(homeOf(id)) ?? EMPTY),
    );
  const logReads = createLogReads();
  const intents = isDurable ? createIntents(store) : noIntents;
  const snapshots = createSnapshotTable(kept.snapshots);
  const shared = {
    ...{
      driverOf,
      homeOf,
      planOf,
      machines,
      intents,
      now,
      logger,
      logReads,
      logFailure,
      commitFor,
      forgotten,
    },
    ...{ rollbackOnError: createRollbackOnError(logger), store, snapshots, folder: storage.snapshots },
    launchTimeoutMs: config?.instances.launchTimeoutMs ?? defaultLaunchTimeoutMs,
  };
  const { observations } = createCausedVerbs(shared, causes.machine);
  const deadlines = createDeadlines(now, (instanceId, deadline) => {
    const isStill = (instance: Instance | undefined): boolean =>
      instance !== undefined && isDue(instance, deadline);
    const timedOut = (instance: Instance): Observable<Instance> => {
      if (!isStill(instance)) return EMPTY;
      logger.info({ instanceId, deadline }, 'the time of an instance is over: it is stopped');
      const cause = { by: 'deadline', reason: `${deadline.of}_timeout` };
      return createCausedVerbs(shared, cause).verbs.timeOut(instance, deadline.of);
    };
    const over$ = untilKept(instanceId, { deadline }, () => {
      const [instance] = table.view(instanceId).instances;
      if (instance === undefined || !isStill(instance)) return EMPTY;
      // It may be ready, and nobody was told yet.
      return deadline.of === 'run'
        ? timedOut(instance)
        : observations.refresh(instance).pipe(mergeMap(timedOut));
    });
    over$.pipe(takeUntil(bus.closing$)).subscribe();
  });
  const sendSignal = createSendSignal(machines, observations);
  const { endpoint } = createEndpoints({ driverOf, machines });
  let open = true;
  let closed: Promise<void> | undefined;

  /** What the application hands in, and what comes of it. */
  const sized = <T>(value: T): T => requests.sized(value, config?.instances.maxRequestBytes);

  const forked = (spec: InstanceSpec, changes: Parameters<typeof requests.decodeForked>[2]): InstanceSpec => {
    const changed = requests.decodeForked(driverOf(spec), spec, changes);
    return changed === spec ? spec : sized(changed);
  };

  const turns = createTurns(queue, table, () => open, measure);
  const { whileOpen, onInstance, moving, making } = turns;

  /** What a poll finds was told by no event. */
  const poll = (instanceId: string): Observable<Instance> =>
    queue.run(instanceId, () => {
      const known = table.get(instanceId);
      return observations.refresh(known).pipe(
        tap((instance) => {
          if (instance === known) return;
          measure({ kind: 'found_by_poll', instanceId });
          logger.debug(
            { instanceId, from: known.state, to: instance.state },
            'a poll found what no event told',
          );
        }),
      );
    });

  const waiterThrew = (error: unknown): void => {
    bus.threw('wait_for_state', error);
  };
  const waits = new Waits(
    {
      addListener: (instanceId, listener) => {
        bus.addListener('wait_for_state', instanceId, listener);
        return undefined;
      },
      removeListener: (instanceId, listener) => {
        bus.removeListener('wait_for_state', instanceId, listener);
      },
      known: (instanceId, callback) => {
        callback({ value: table.get(instanceId) });
        return undefined;
      },
      truth: poll,
      names: {
        idOf: (idOrName) => table.find(idOrName).id,
        addCreationListener: (idOrName, listener) => {
          bus.addCreationListener('wait_for_state', idOrName, listener);
        },
        removeCreationListener: (idOrName, listener) => {
          bus.removeCreationListener('wait_for_state', idOrName, listener);
        },
      },
    },
    (end) => {
      measure({ kind: 'wait', ...end });
    },
  );

  const stopEverything = async (): Promise<void> => {
    const { verbs, snapshotVerbs } = createCausedVerbs(shared, causes.close);
    const failures: unknown[] = [];
    const end = ({ id, spec }: Instance): Observable<Instance> =>
      queue
        .run(id, () =>
          concat(
            verbs.end(table.get(id)),
            isDurable ? EMPTY : concat(logReads.end(id), driverOf(spec).discard(homeOf(id))),
          ),
        )
        .pipe(
          catchError((error: unknown) => {
            failures.push(error);
            return EMPTY;
          }),
        );
    await lastValueFrom(from(table.all()).pipe(mergeMap(end, machinesAtATime)), { defaultValue: undefined });
    if (failures.length > 0) throw new AggregateError(failures, 'some instances could not be stopped');
    if (isDurable) return;
    await lastValueFrom(snapshotVerbs.discardAll(), { defaultValue: undefined });
    await rm(storage.folder, { recursive: true, force: true });
  };

  const close = async ({ stopInstances = !isDurable }: CloseOptions): Promise<void> => {
    open = false;
    deadlines.end();
    bus.closing();
    waits.fail(new ManagerClosed());
    await lastValueFrom(queue.whenIdle(), { defaultValue: undefined });
    try {
      if (stopInstances) await stopEverything();
      else await storage.leave();
    } finally {
      machines.detachAll();
      await lastValueFrom(logReads.end(), { defaultValue: undefined });
      await lastValueFrom(queue.whenIdle(), { defaultValue: undefined });
      await lastValueFrom(merge(...[...drivers.values()].map((driver) => driver.close?.() ?? EMPTY)), {
        defaultValue: undefined,
      });
      bus.close();
      measurements$.complete();
      await lastValueFrom(store.close(), { defaultValue: undefined });
    }
  };

  const closeOnce = (options: CloseOptions = {}): Promise<void> => {
    if (closed !== undefined) return closed;
    try {
      const decoded = requests.decodeClose(options);
      return (closed = close(decoded));
    } catch (error) {
      return lastValueFrom(throwError(() => error));
    }
  };

  for (const { id, spec } of [...kept.instances, ...kept.snapshots]) {
    const faults = requests.faultsOfKept(driverOf(spec), spec);
    if (faults.length > 0) {
      logger.warn(
        { id, faults },
        'what is kept of a spec is not understood: it cannot be launched before it is updated',
      );
    }
  }

  const recovering = createCausedVerbs(shared, causes.recovery);
  const tools = {
    ...recovering,
    drivers: [...drivers.values()],
    get: table.get,
    isStill: (instance: Instance) => table.all().includes(instance),
    run: queue.run,
    later: (instanceId: string, task: () => Observable<unknown>): void => {
      const later$ = timer(laterMs).pipe(mergeMap(() => untilKept(instanceId, {}, task)));
      later$.pipe(takeUntil(bus.closing$)).subscribe();
    },
    mend: recovering.snapshotVerbs.mend,
  };
  await lastValueFrom(recover(tools, { instances: kept.instances, homes: ownerless }), {
    defaultValue: undefined,
  });

  for (const instance of table.all()) deadlines.see(instance.id, instance, foundReadyMs);

  const calls = createCalls(shared, turns);
  const create: Instances['create'] = (request, options) =>
    calls('launch', options, ({ verbs }) => {
      const creation = requests.decodeCreation(drivers, sized(request));
      sized(creation.spec);
      return making('create', creation.name, (id) => verbs.create(id, creation));
    });

  return {
    ...createSnapshotCalls(calls, turns, snapshots, sized, forked),
    create,
    run: createRun({
      ...{ ...shared, ...turns, create },
      verbsFor: (options) => createCausedVerbs(shared, causeOf(options)).verbs,
      get: table.get,
      closing$: bus.closing$,
      eventsOf: (instanceId) => bus.events('wait_for_state', { instanceId }),
      onThrow: (error) => {
        onThrow('run', error);
      },
    }),
    get: (idOrName) => whileOpen(() => of(table.find(idOrName))),
    list: (listed = {}) =>
      whileOpen(() => of(listInstances(table.all(), requests.decodeListOptions(sized(listed))))),
    update: (idOrName, patch, options) =>
      calls('change', options, ({ verbs, expected }) =>
        moving('update', idOrName, expected, (instance) => {
          const spec = sized(requests.decodeUpdate(driverOf(instance.spec), instance.spec, sized(patch)));
          return isDeepStrictEqual(spec, instance.spec) ? of(instance) : verbs.update(instance, spec);
        }),
      ),
    start: (idOrName, overrides = {}, options) =>
      calls('changeAndLaunch', options, ({ verbs, expected }) =>
        onInstance('start', idOrName, (found) => {
          const instance = expected(found);
          const { kind } = transition('start', instance.state);
          const spec = requests.decodeOverrides(driverOf(instance.spec), instance.spec, sized(overrides));
          if (spec !== instance.spec) sized(spec);
          const asItIs = kind === 'noop' && spec === instance.spec;
          if (asItIs) return of(instance);
          if (kind !== 'move') {
            const running = 'what runs is changed by update and then restart';
            const needed = kind === 'noop' ? running : neededFor('start');
            throw new InvalidState({
              instanceId: instance.id,
              state: instance.state,
              verb: 'start',
              remedy: needed,
            });
          }
          return verbs.start(instance, spec);
        }),
      ),
    stop: (idOrName, options) =>
      calls('change', options, ({ verbs, expected }) => moving('stop', idOrName, expected, verbs.stop)),
    standby: (idOrName, options) =>
      calls('change', options, ({ verbs, expected }) => moving('standby', idOrName, expected, verbs.standby)),
    restore: (idOrName, options) =>
      calls('changeAndLaunch', options, ({ verbs, expected }) =>
        moving('restore', idOrName, expected, verbs.restore),
      ),
    restart: (idOrName, options) =>
      calls('changeAndLaunch', options, ({ verbs, expected }) =>
        onInstance('restart', idOrName, (found) => {
          const instance = expected(found);
          if (transition('stop', instance.state).kind === 'refused') {
            throw new InvalidState({
              instanceId: instance.id,
              state: instance.state,
              verb: 'restart',
              remedy: neededFor('stop', 'Stopped'),
            });
          }
          return verbs.restart(instance);
        }),
      ),
    delete: (idOrName, options) =>
      calls('change', options, ({ verbs, expected }) => moving('delete', idOrName, expected, verbs.delete)),
    fork: (idOrName, request, options) =>
      calls('changeAndLaunch', options, ({ verbs, expected }) => {
        const source = table.exactly(idOrName);
        const decoded = requests.decodeFork(sized(request));
        return making('fork', decoded.name, (id) =>
          queue
            .run(source.id, () => {
              const found = expected(table.get(source.id));
              const spec = forked(found.spec, decoded);
              return verbs.copy(found, id, decoded).pipe(map(({ state }) => ({ spec, state })));
            })
            .pipe(mergeMap((copied) => verbs.fork(copied, id, decoded))),
        );
      }),
    signal: (idOrName, name) =>
      whileOpen(() => {
        const known = requests.decodeSignal(driverOf(table.exactly(idOrName).spec), name);
        return onInstance('signal', idOrName, (instance) => sendSignal(instance, known));
      }),
    endpoint: (idOrName, guest) => whileOpen(() => endpoint(table.find(idOrName), guest)),
    refresh: (idOrName) => onInstance('refresh', idOrName, observations.refresh),
    logs: (idOrName, options = {}) =>
      whileOpen(() => {
        const { id, spec } = table.find(idOrName);
        const driver = driverOf(spec);
        const { follow, ...reading } = requests.decodeLogOptions(driver, sized(options));
        return logReads.read(id, (end$) =>
          driver.logs(homeOf(id), follow ? { ...reading, followUntil$: end$ } : reading),
        );
      }),

    events: bus.events,
    consume: bus.consume,
    iterate: bus.iterate,
    watch: (consumer, watching) => bus.watch(consumer, (instanceId) => of(table.view(instanceId)), watching),
    waitForState: (idOrName, target, options = {}) =>
      new ContainedObservable((observer, subscription) => {
        if (!open) throw new ManagerClosed();
        return waits.begin(observer, subscription, idOrName, target, options);
      }, waiterThrew),

    closing$: bus.closing$,
    stats: bus.stats,
    measurements$: new ContainedObservable(through(measurements$), (error) => {
      onThrow('measurements$', error);
    }),
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** Reports a subscriber that threw to a logger. */
const throwsTo =
  (logger: Logger) =>
  (consumer: string, err: unknown): void => {
    const [fields, message] = [{ consumer, err }, threwMessage(consumer)] as const;
    if (logger.error === undefined) logger.warn(fields, message);
    else logger.error(fields, message);
  };
