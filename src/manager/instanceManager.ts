import type * as t from 'io-ts';
import { join } from 'node:path';
import {
  asyncScheduler,
  defer,
  EMPTY,
  filter,
  lastValueFrom,
  map,
  mergeMap,
  type Observable,
  of,
  Subject,
  Subscription,
  takeUntil,
  timer,
} from 'rxjs';
import type { Driver, LaunchPlan } from '../drivers/driver.js';
import { type Cause, causes } from '../lifecycle/cause.js';
import type { Files } from '../instances/instanceFiles.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import { isOfSnapshot, type LifecycleEvent } from '../lifecycle/event.js';
import type { DoorStats } from '../instances/doorStats.js';
import type { KeptTable } from '../instances/keptTable.js';
import type { Instance, InstanceSpec, Json } from '../lifecycle/instance.js';
import type { ConsumerStats } from '../streams/consumers.js';
import type { Store } from '../store/store.js';
import { ContainedObservable, through } from '../streams/containedObservable.js';
import { createManagerBus } from '../streams/lifecycleBus.js';
import { reportThrow, threwMessage } from '../streams/reportThrow.js';
import { createBoundQueue } from './boundQueue.js';
import { causeOf } from './causeOf.js';
import { createClosing } from './closing.js';
import { controllerPort } from './controllerPort.js';
import { createControllers } from './controllers.js';
import { createInstanceCalls } from './instanceCalls.js';
import { createManagerWaits } from './managerWaits.js';
import { createTimeOuts } from './timeOuts.js';
import { createDeadlines, withReadyBy } from './deadlines.js';
import { createEndpoints } from './endpoints.js';
import { createInstanceTable } from './instanceTable.js';
import { createIntents, noIntents } from './intents.js';
import type { Logger } from '../instances/logger.js';
import { noLogger } from './noLogger.js';
import { logOf } from './logOf.js';
import { createKeptTables } from './keptTables.js';
import { createLogReads } from './logReads.js';
import { createCausedVerbs } from './causedVerbs.js';
import { createFinishing } from './finishingVerbs.js';
import { createMachines, type Report } from './machines.js';
import type { Measurement } from './measurement.js';
import { type CloseOptions, driversOf, type ManagerOptions } from './options.js';
import { createRollbackOnError } from './rollbackOnError.js';
import { createLogFailure } from './logFailure.js';
import type { Commit } from './records.js';
import { recover } from './recovery.js';
import * as requests from './requests.js';
import { createSendSignal } from './sendSignal.js';
import { createSecrets } from './secrets.js';
import { createSnapshotTable } from './snapshotTable.js';
import { openStorage } from './storage.js';
import { createChecks } from './checks.js';
import { createExecutions } from './executions.js';
import { createFiles } from './files.js';
import { stopwatch } from './stopwatch.js';
import { createTurns } from './turns.js';
import { createUntilKept } from './untilKept.js';
import { loadWithSpans } from './verbSpans.js';

/** Consumers of every manager, whether or not anybody subscribes as one. */
const ownConsumers = ['wait_for_state', 'http', 'logs', 'metrics'];
/** How long what could not be kept while the manager was opened waits before it is tried again. */
const laterMs = 1_000;
/** How long a driver may take to launch a machine. */
const defaultLaunchTimeoutMs = 300_000;
/** How long a wait may take: hypeman's. */
const defaultMaxWaitTimeoutMs = 300_000;
/** How long what was not ready in time while no manager was there has to be found ready. */
const foundReadyMs = 2_000;

/**
 * Creates, changes and deletes instances, and emits on one shared stream all that happens to them. Made by `openManager`. What
 * can be done from afar too is {@link Instances} and {@link LifecycleStreams}: ask for those, or a part of them, where that is enough.
 */
export interface InstanceManager extends Instances, Files, LifecycleStreams {
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
  /**
   * A table of named things that are no instance's, for whoever keeps something beside them: kept where the instances are, also over
   * managers. `codec` says what its records are, and how they are written; of one name and codec the table is the same each time.
   *
   * @param name - a lower-case letter, then up to 63 of lower-case letters, digits and `_`
   * @throws {@link InvalidRequest}
   *
   * @example
   * ```ts
   * import * as t from 'io-ts';
   * import { openManager } from 'rx-instances';
   * import { createMemoryDriver } from 'rx-instances/testing';
   * import { firstValueFrom, lastValueFrom } from 'rxjs';
   *
   * const manager = await openManager({ drivers: [createMemoryDriver()] });
   * const webhooks = manager.table('webhooks', t.strict({ url: t.string }));
   * await lastValueFrom(webhooks.put('builds', { url: 'https://example.org/' }), { defaultValue: undefined });
   * const known = await firstValueFrom(webhooks.list());
   * [...known.keys()]; // => ['builds']
   * await manager.close();
   * ```
   */
  table<Thing>(name: string, codec: t.Type<Thing, Json>): KeptTable<Thing>;
  /** Tells of every consumer what its subscribers are doing. */
  stats(): Readonly<Record<string, ConsumerStats>>;
  /** Tells what the front door has counted since the manager was opened, and what there is now; it is absent without one. */
  readonly doorStats?: () => DoorStats;
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

/** Opens a manager of instances, with the controllers that it is handed. */
export async function openManager(options: ManagerOptions): Promise<InstanceManager> {
  const drivers = driversOf(options);
  const { config, logger = noLogger, controllers: handedIn = [] } = options;
  const now = (): number => asyncScheduler.now();
  const withSpans = await loadWithSpans();
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
  const queue = createBoundQueue();
  const measurements$ = new Subject<Measurement>();
  const measure = (measurement: Measurement): void => {
    measurements$.next(measurement);
  };
  const onThrow = options.logger === undefined ? reportThrow : throwsTo(options.logger);
  const bus = createManagerBus({
    ...(config === undefined ? {} : { capacity: config.instances.lifecycleEventBufferSize }),
    log: logOf(store, table),
    onThrow,
    consumers: [...ownConsumers, ...handedIn.map(({ name }) => name)],
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
    (cause: Cause, keeping: Pick<Store, 'commit'> = store): Commit =>
    (change) =>
      defer(() => {
        const seconds = stopwatch();
        return keeping.commit({ ...withReadyBy(change, now()), cause: causeOf(change, cause) }).pipe(
          map((event) => {
            const before = table.apply(event);
            snapshots.apply(event);
            secrets.left(before?.spec);
            secrets.left(event.snapshot?.spec);
            if (!isOfSnapshot(event)) deadlines.see(event.instanceId, event.instance);
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
  const isNamed = (version: string): boolean =>
    [...table.all(), ...snapshots.all()].some(({ spec }) => spec.secrets?.version === version);
  const secrets = createSecrets(storage.secrets, isNamed, logFailure);
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
      secrets,
      commitFor,
      forgotten,
    },
    ...{ rollbackOnError: createRollbackOnError(logger), store, snapshots, folder: storage.snapshots },
    launchTimeoutMs: config?.instances.launchTimeoutMs ?? defaultLaunchTimeoutMs,
  };
  const { observations } = createCausedVerbs(shared, causes.machine);
  const deadlines = createDeadlines(
    now,
    createTimeOuts({ shared, table, untilKept, refresh: observations.refresh, closing$: bus.closing$ }),
  );
  const waits = createManagerWaits({
    ...{ bus, table, queue, refresh: observations.refresh, logger, measure },
    maxWaitTimeoutMs: config?.instances.maxWaitTimeoutMs ?? defaultMaxWaitTimeoutMs,
  });
  let isOpen = true;
  const turns = createTurns(queue, table, () => isOpen, measure);
  const keptTable = createKeptTables(store, turns.whileOpen, logger);
  const working = new Subscription();
  const close = createClosing({
    ...{ shared, storage, drivers, table, queue },
    begin: () => {
      isOpen = false;
      deadlines.end();
      bus.closing();
      working.unsubscribe();
      waits.close();
    },
    end: () => {
      bus.close();
      measurements$.complete();
    },
  });

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
    finishing: createFinishing(shared),
  };
  await lastValueFrom(recover(tools, { instances: kept.instances, homes: ownerless }), {
    defaultValue: undefined,
  });

  for (const instance of table.all()) deadlines.see(instance.id, instance, foundReadyMs);

  const streams: LifecycleStreams = {
    events: bus.events,
    consume: bus.consume,
    iterate: bus.iterate,
    watch: (consumer, watching) => bus.watch(consumer, (instanceId) => of(table.view(instanceId)), watching),
    waitForState: waits.waitForState,
  };
  const check = createChecks(machines);
  const controllers = createControllers(
    handedIn,
    (name) =>
      controllerPort(name, {
        ...{ ...shared, ...endpoints, ...streams },
        ...{ instances, table: keptTable, check },
      }),
    logger,
    measure,
  );
  const eventsOf = (instanceId: string): Observable<LifecycleEvent> =>
    bus.events('wait_for_state', { instanceId });
  const endpoints = createEndpoints({ ...shared, eventsOf, listeningFor: controllers.endpoint });
  const instances = withSpans(
    createInstanceCalls({
      ...{ shared, turns, table, drivers, controllers, observations, endpoints, eventsOf },
      executions: createExecutions({ ...shared, turns, table, measure, closing$: bus.closing$ }),
      sendSignal: createSendSignal(machines, observations),
      maxRequestBytes: config?.instances.maxRequestBytes,
      closing$: bus.closing$,
      onThrow: (error) => {
        onThrow('run', error);
      },
    }),
  );
  working.add(controllers.run$.subscribe());

  return {
    ...instances,
    ...createFiles({ ...shared, turns, table }),
    ...streams,
    closing$: bus.closing$,
    table: keptTable,
    stats: bus.stats,
    measurements$: new ContainedObservable(through(measurements$), (error) => {
      onThrow('measurements$', error);
    }),
    close,
    [Symbol.asyncDispose]: close,
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
