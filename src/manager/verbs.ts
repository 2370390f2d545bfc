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
  /** Launches what a home holds, unless it is to be Stopped, and emits what becomes of its record; keeps nothing. */
  bring(plan: LaunchPlan, targetState: Target, verb: string): Observable<Brought>;
  /** Ends the machine of an instance, if it has one, and lets go of it. */
  takeDown(instanceId: string): Observable<never>;
}

/** Where a home can be brought to. */
type Target = 'Stopped' | 'Standby' | 'Running';

/** What becomes of the record of an instance that was brought somewhere. */
type Brought = Partial<Pick<Instance, 'state' | 'startedAt' | 'handle'>>;

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
  orUndo,
}: Workshop): Verbs {
  const launch = (plan: LaunchPlan): Observable<Held> =>
    defer(() => driverOf(plan.spec).launch(plan)).pipe(
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

  const started = (held: Held): Pick<Instance, 'state' | 'startedAt' | 'handle'> => ({
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
    ).pipe(mergeMap((exit) => records.ended('stop', instance, exit)));

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

  const standby = (instance: Instance, verb = 'standby'): Observable<Instance> =>
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

  const restore = (instance: Instance): Observable<Instance> =>
    defer(() => {
      const { held, freezing } = freezableOf(instance, 'restore');
      return concat(
        freezing.thaw().pipe(catchError(driverFailed(instance, 'restore'))),
        defer(() => records.revised('restore', instance, { state: runningState(held) })),
      );
    });

  const whileStill = <T>(instance: Instance, verb: string, work$: Observable<T>): Observable<T> =>
    intents.declared(
      instance,
      'fork',
      standby(instance, verb).pipe(
        mergeMap((frozen) => concat(orUndo(work$, restore(frozen)), restore(frozen).pipe(ignoreElements()))),
      ),
    );

  const bring = (plan: LaunchPlan, targetState: Target, verb: string): Observable<Brought> => {
    if (targetState === 'Stopped') return of({});
    return launch(plan).pipe(
      catchError(launchFailed),
      mergeMap((held) => {
        if (targetState === 'Running') return of(started(held));
        const { instanceId: id, spec } = plan;
        return concat(
          freezableOf({ id, spec }, verb)
            .freezing.freeze()
            .pipe(catchError(driverFailed({ id }, verb))),
          defer(() => of({ ...started(held), state: 'Standby' as const })),
        );
      }),
    );
  };

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
    standby: (instance) => standby(instance),
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
        }),
      ).pipe(catchError(driverFailed(source, 'fork')));
      const copied$ = still(source) ? copy$ : whileStill(source, 'fork', copy$);
      return orUndo(concat(copied$, of(source)), discard(id, source.spec));
    },

    fork: ({ spec, state }, id, { name, targetState = state as Target }) =>
      orUndo(
        bring(planOf(id, name, spec), targetState, 'fork').pipe(
          mergeMap((brought) =>
            commit({ action: 'fork', instanceId: id, instance: { ...born(id, name, spec), ...brought } }),
          ),
        ),
        takeDown(id),
        discard(id, spec),
      ),

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

const unknownExit: Exit = { code: null, signal: null };

const still = ({ state }: Instance): boolean => state === 'Stopped' || state === 'Standby';

const hasTag = (error: unknown, tag: string): boolean =>
  typeof error === 'object' && error !== null && '_tag' in error && error._tag === tag;

const launchFailed = (error: unknown): Observable<never> =>
  throwError(() =>
    hasTag(error, 'LaunchFailed') ? error : new LaunchFailed(messageOf(error), { cause: error }),
  );

/** Tells a failure of a driver as one of a verb. */
export const driverFailed =
  (instance: Pick<Instance, 'id'>, verb: string) =>
  (cause: unknown): Observable<never> =>
    throwError(() => new DriverFailed(instance.id, verb, { cause }));
