import {
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  of,
  take,
  throwError,
  throwIfEmpty,
} from 'rxjs';
import type { Driver, Freezing, LaunchPlan, Machine } from '../drivers/driver.js';
import { DriverFailed, InvalidState, LaunchFailed, NotSupported } from '../lifecycle/errors.js';
import type { Exit, Instance, InstanceSpec } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { transition } from '../lifecycle/state.js';
import type { ForkRequest } from './commands.js';
import type { Intents } from './intents.js';
import type { Logger } from './logger.js';
import type { Held, Machines } from './machines.js';
import type { OrUndo } from './orUndo.js';
import { type Commit, type Records, runningState } from './records.js';
import type { Creation } from './requests.js';

/** What the verbs work with. */
export interface Workshop {
  driverOf(spec: InstanceSpec): Driver;
  homeOf(instanceId: string): string;
  /** What a driver is told of an instance. */
  planOf(instanceId: string, name: string, spec: InstanceSpec): LaunchPlan;
  readonly machines: Machines;
  readonly commit: Commit;
  readonly records: Records;
  readonly intents: Intents;
  now(): number;
  readonly logger: Logger;
  readonly orUndo: OrUndo;
}

/**
 * What each verb does to the machine and to the record of an instance. Each is called while the instance's queue is
 * held, with the instance as it is then, and emits it as it is after. A verb that fails has changed nothing.
 */
export interface Verbs {
  create(id: string, creation: Creation): Observable<Instance>;
  start(instance: Instance, spec: InstanceSpec): Observable<Instance>;
  stop(instance: Instance): Observable<Instance>;
  standby(instance: Instance): Observable<Instance>;
  restore(instance: Instance): Observable<Instance>;
  restart(instance: Instance): Observable<Instance>;
  update(instance: Instance, spec: InstanceSpec): Observable<Instance>;
  delete(instance: Instance): Observable<Instance>;
  /** Lays out a home like the source's; a source that runs stands still meanwhile. Holds the queue of the source. */
  copy(source: Instance, id: string, request: ForkRequest): Observable<Instance>;
  /** Makes an instance of a copied home. Holds the queue of the fork. */
  fork(source: Pick<Instance, 'spec' | 'state'>, id: string, request: ForkRequest): Observable<Instance>;
  /** Ends the machine of an instance in any state. */
  end(instance: Instance): Observable<Instance>;

  /** Puts a Running instance on standby for the time of some work, and restores it after, also when the work failed. */
  whileStill<T>(instance: Instance, verb: string, work$: Observable<T>): Observable<T>;
  /**
   * Brings what a home holds where it is to be, and writes that down. What cannot be undone is left for {@link Brought.after$}.
   */
  bring(
    plan: LaunchPlan,
    to: Destination,
    write: (changes: BroughtChanges) => Observable<Instance>,
  ): Observable<Brought>;
  /** Ends the machine of an instance, if it has one, and lets go of it. */
  takeDown(instanceId: string): Observable<never>;
}

/** Where a home can be brought to. */
type Target = 'Stopped' | 'Standby' | 'Running';

/** Where a home is to be brought, and as what it was made: with its memory (`Standby`), or without. */
interface Destination {
  readonly kind: Snapshot['kind'];
  readonly targetState: Target;
  /** The verb that it is for. */
  readonly verb: string;
}

/** What becomes of the record of an instance that was brought somewhere. */
type BroughtChanges = Partial<Pick<Instance, 'state' | 'startedAt' | 'handle'>>;

/** An instance that was brought somewhere, as it was written down. */
interface Brought {
  readonly instance: Instance;
  /** What is to be done once it was. */
  readonly after$: Observable<never>;
}

/** hypeman's. */
const defaultGraceMs = 5_000;

/** Creates the {@link Verbs}. */
export function createVerbs({
  driverOf,
  homeOf,
  planOf,
  machines,
  commit,
  records,
  intents,
  now,
  logger,
  orUndo,
}: Workshop): Verbs {
  const launch = (plan: LaunchPlan): Observable<Held> =>
    held(
      plan,
      defer(() => driverOf(plan.spec).launch(plan)),
    );

  const held = (plan: LaunchPlan, machine$: Observable<Machine>): Observable<Held> =>
    machine$.pipe(
      take(1),
      throwIfEmpty(() => new Error('the driver gave no machine')),
      map((machine) => machines.hold(plan.instanceId, machine)),
    );

  /** Ends a machine that should not have been. */
  const takeDown = (instanceId: string): Observable<never> =>
    defer(() => {
      const held = machines.of(instanceId);
      machines.release(instanceId);
      return held?.machine.kill() ?? EMPTY;
    }).pipe(ignoreElements());

  const discard = (id: string, spec: InstanceSpec): Observable<never> =>
    defer(() => driverOf(spec).discard(homeOf(id)));

  const machineOf = ({ id }: Instance): Machine | undefined => machines.of(id)?.machine;

  const freezableOf = (
    { id, spec }: Pick<Instance, 'id' | 'spec'>,
    verb: string,
  ): { readonly held: Held; readonly freezing: Freezing } => {
    const held = machines.of(id);
    const freezing = held?.machine.freezing;
    if (held === undefined || freezing === undefined) throw new NotSupported(spec.driver, verb);
    return { held, freezing };
  };

  const started = (held: Held): Required<BroughtChanges> => ({
    state: runningState(held),
    startedAt: now(),
    handle: held.machine.handle,
  });

  const start = (instance: Instance, spec: InstanceSpec): Observable<Instance> =>
    orUndo(
      launch(planOf(instance.id, instance.name, spec)).pipe(
        catchError(launchFailed),
        mergeMap((held) =>
          records.revised('start', instance, {
            ...started(held),
            spec,
            exit: undefined,
            stoppedAt: undefined,
          }),
        ),
      ),
      takeDown(instance.id),
    );

  const stop = (instance: Instance): Observable<Instance> =>
    ended(instance, 'stop', (machine) =>
      machine.stop({ graceMs: instance.spec.stopGraceMs ?? defaultGraceMs }),
    ).pipe(
      mergeMap((exit) => records.ended('stop', instance, exit)),
      mergeMap((stopped) => concat(forgotten(stopped), of(stopped))),
    );

  /** What is left of a memory that nobody goes on from any more takes room, and does no harm. */
  const forgotten = ({ id, spec }: Instance): Observable<never> =>
    orWarn(
      id,
      'the memory of an instance could not be removed',
      defer(() => driverOf(spec).forget?.(homeOf(id)) ?? EMPTY),
    );

  const orWarn = (instanceId: string, message: string, work$: Observable<never>): Observable<never> =>
    work$.pipe(
      catchError((error: unknown) => {
        logger.warn({ instanceId, err: error }, message);
        return EMPTY;
      }),
    );

  /** Ends the machine in the given way; without one there is nobody who could tell how it ended. */
  const ended = (
    instance: Instance,
    verb: string,
    how: (machine: Machine) => Observable<Exit>,
  ): Observable<Exit> =>
    defer(() => {
      const machine = machineOf(instance);
      return machine === undefined ? of(unknownExit) : how(machine);
    }).pipe(
      take(1),
      throwIfEmpty(() => new Error('the driver did not tell the end')),
      catchError(driverFailed(instance, verb)),
    );

  const frozen = (instance: Instance, verb: string): Observable<Instance> =>
    defer(() => {
      const { freezing } = freezableOf(instance, verb);
      return orUndo(
        concat(
          freezing.freeze().pipe(catchError(driverFailed(instance, verb))),
          records.revised('standby', instance, { state: 'Standby' }),
        ),
        freezing.thaw(),
      );
    });

  /** Its memory is in its home: it needs no machine any more. */
  const takenAway = (instanceId: string): Observable<never> =>
    orWarn(instanceId, 'a machine whose memory was kept could not be ended', takeDown(instanceId));

  const standby = (instance: Instance): Observable<Instance> =>
    defer(() => {
      const { freezing } = freezableOf(instance, 'standby');
      if (freezing.suspend === undefined) return frozen(instance, 'standby');
      return orUndo(
        concat(
          freezing.suspend().pipe(catchError(driverFailed(instance, 'standby'))),
          records.revised('standby', instance, { state: 'Standby', handle: undefined }),
        ),
        freezing.thaw(),
      ).pipe(mergeMap((suspended) => concat(takenAway(instance.id), of(suspended))));
    });

  const thawed = (instance: Pick<Instance, 'id' | 'spec'>, verb: string): Observable<never> =>
    defer(() => freezableOf(instance, verb).freezing.thaw()).pipe(catchError(driverFailed(instance, verb)));

  const restore = (instance: Instance): Observable<Instance> =>
    defer(() => {
      const { id, name, spec } = instance;
      const held = machines.of(id);
      if (held === undefined && driverOf(spec).resume !== undefined) {
        return orUndo(
          bring(
            planOf(id, name, spec),
            { kind: 'Standby', targetState: 'Running', verb: 'restore' },
            (changes) => records.revised('restore', instance, { ...changes, startedAt: instance.startedAt }),
          ),
          takeDown(id),
        ).pipe(mergeMap(finished));
      }
      return concat(
        thawed(instance, 'restore'),
        defer(() =>
          records.revised('restore', instance, {
            state: runningState(freezableOf(instance, 'restore').held),
          }),
        ),
      );
    });

  const whileStill = <T>(instance: Instance, verb: string, work$: Observable<T>): Observable<T> =>
    intents.declared(
      instance,
      'still',
      frozen(instance, verb).pipe(
        mergeMap((still) => concat(orUndo(work$, restore(still)), restore(still).pipe(ignoreElements()))),
      ),
    );

  const bring: Verbs['bring'] = (plan, { kind, targetState, verb }, write) => {
    const { instanceId: id, spec } = plan;
    const { resume } = driverOf(spec);
    const written = (changes: BroughtChanges, after$: Observable<never> = EMPTY): Observable<Brought> =>
      write(changes).pipe(map((instance) => ({ instance, after$ })));

    if (targetState === 'Stopped') return written({});
    if (kind === 'Standby' && resume !== undefined) {
      if (targetState === 'Standby') return written({ state: 'Standby' });
      return held(plan, resume(plan)).pipe(
        catchError(launchFailed),
        mergeMap((resumed) => written(started(resumed), thawed({ id, spec }, verb))),
      );
    }
    return launch(plan).pipe(
      catchError(launchFailed),
      mergeMap((launched) => {
        if (targetState === 'Running') return written(started(launched));
        const { freeze, suspend } = freezableOf({ id, spec }, verb).freezing;
        return concat(
          (suspend ?? freeze)().pipe(catchError(driverFailed({ id }, verb))),
          defer(() => {
            const { handle, startedAt } = started(launched);
            return suspend === undefined
              ? written({ state: 'Standby', handle, startedAt })
              : written({ state: 'Standby', startedAt }, takenAway(id));
          }),
        );
      }),
    );
  };

  const finished = ({ instance, after$ }: Brought): Observable<Instance> => concat(after$, of(instance));

  const born = (id: string, name: string, spec: InstanceSpec): Instance => ({
    id,
    name,
    spec,
    state: 'Stopped',
    revision: 1,
    createdAt: now(),
  });

  return {
    create: (id, { name, driver, spec }) => {
      const plan = planOf(id, name, spec);
      return orUndo(
        concat(
          defer(() => driver.prepare(plan)),
          launch(plan),
        ).pipe(
          catchError(launchFailed),
          mergeMap((held) =>
            commit({
              action: 'create',
              instanceId: id,
              instance: { ...born(id, name, spec), ...started(held) },
            }),
          ),
        ),
        takeDown(id),
        discard(id, spec),
      );
    },

    start,
    stop,
    standby,
    restore,

    restart: (instance) =>
      instance.state === 'Stopped'
        ? start(instance, instance.spec)
        : intents.declared(
            instance,
            'restart',
            stop(instance).pipe(mergeMap((stopped) => start(stopped, stopped.spec))),
          ),

    update: (instance, spec) => records.revised('update', instance, { spec }),

    delete: (instance) =>
      intents.declared(
        instance,
        'delete',
        concat(
          ended(instance, 'delete', (machine) => machine.kill()).pipe(ignoreElements()),
          discard(instance.id, instance.spec).pipe(catchError(driverFailed(instance, 'delete'))),
          commit({ action: 'delete', instanceId: instance.id, previousState: instance.state }).pipe(
            ignoreElements(),
          ),
          defer(() => {
            machines.release(instance.id);
            return of(instance);
          }),
        ),
      ),

    copy: (source, id, request) => {
      if (!still(source) && (source.state !== 'Running' || request.fromRunning !== true)) {
        throw new InvalidState(source.id, source.state, 'fork');
      }
      const copy$ = defer(() =>
        driverOf(source.spec).prepare({
          ...planOf(id, request.name, source.spec),
          copyOf: homeOf(source.id),
          kind: kindOf(source.state, request.targetState),
        }),
      ).pipe(catchError(driverFailed(source, 'fork')));
      const copied$ = still(source) ? copy$ : whileStill(source, 'fork', copy$);
      return orUndo(concat(copied$, of(source)), discard(id, source.spec));
    },

    fork: ({ spec, state }, id, { name, targetState = state as Target }) =>
      orUndo(
        bring(
          planOf(id, name, spec),
          { kind: kindOf(state, targetState), targetState, verb: 'fork' },
          (changes) =>
            commit({ action: 'fork', instanceId: id, instance: { ...born(id, name, spec), ...changes } }),
        ),
        takeDown(id),
        discard(id, spec),
      ).pipe(mergeMap(finished)),

    end: (instance) => {
      const canStop = transition('stop', instance.state).kind === 'move';
      if (canStop) return stop(instance);
      if (machineOf(instance) === undefined) return of(instance);
      return ended(instance, 'stop', (machine) => machine.kill()).pipe(
        mergeMap((exit) => records.ended('exit', instance, exit)),
      );
    },

    whileStill,
    bring,
    takeDown,
  };
}

/** What is not to run needs no memory. */
export const kindOf = (from: Instance['state'], targetState: Target | undefined): Snapshot['kind'] =>
  from === 'Stopped' || targetState === 'Stopped' ? 'Stopped' : 'Standby';

const unknownExit: Exit = { code: null, signal: null };

const still = ({ state }: Instance): boolean => state === 'Stopped' || state === 'Standby';

const hasTag = (error: unknown, tag: string): boolean =>
  typeof error === 'object' && error !== null && '_tag' in error && error._tag === tag;

const launchFailed = (error: unknown): Observable<never> =>
  throwError(() =>
    hasTag(error, 'LaunchFailed') || hasTag(error, 'SnapshotIncompatible')
      ? error
      : new LaunchFailed(messageOf(error), { cause: error }),
  );

/** Tells a failure of a driver as one of a verb. */
export const driverFailed =
  (instance: Pick<Instance, 'id'>, verb: string) =>
  (cause: unknown): Observable<never> =>
    throwError(() => new DriverFailed(instance.id, verb, { cause }));
