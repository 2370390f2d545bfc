import {
  catchError,
  concat,
  defer,
  ignoreElements,
  mergeMap,
  type Observable,
  of,
  take,
  throwIfEmpty,
} from 'rxjs';
import type { Machine } from '../drivers/driver.js';
import type { ForkRequest } from '../instances/instanceRequests.js';
import { InvalidState } from '../lifecycle/errors.js';
import { type ExitStatus, type Instance, type InstanceSpec, unknownExit } from '../lifecycle/instance.js';
import { transition } from '../lifecycle/state.js';
import { driverFailed, launchFailed } from './driverFailures.js';
import { type Brought, kindOf, type Launches, type Target } from './launches.js';
import { runningState } from './records.js';
import type { Creation } from './requests.js';
import type { VerbContext } from './verbContext.js';

/** What a fork is made of: an instance, or a snapshot of one. */
export interface ForkSource extends Pick<Instance, 'spec' | 'state'> {
  readonly snapshotId?: string;
}

/**
 * What each verb does to the machine and to the record of an instance. Each is called while the instance's queue is
 * held, with the instance as it is then, and emits it as it is after. A verb that fails has changed nothing; only where it was
 * written down that a machine runs, and that does not go on then, what a look at it finds is written down too.
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
  fork(source: ForkSource, id: string, request: ForkRequest): Observable<Instance>;
  /** Stops an instance whose time is over, which is told as an exit. */
  timeOut(instance: Instance, timedOut: Required<ExitStatus>['timedOut']): Observable<Instance>;
  /** Ends the machine of an instance in any state. */
  end(instance: Instance): Observable<Instance>;

  /** Puts a Running instance on standby for the time of some work, and restores it after, also when the work failed. */
  whilePaused<T>(instance: Instance, verb: string, work$: Observable<T>): Observable<T>;
}

/** hypeman's. */
const defaultGraceMs = 5_000;

/** Creates the {@link Verbs}. */
export function createVerbs(
  {
    driverOf,
    homeOf,
    planOf,
    machines,
    commit,
    records,
    intents,
    now,
    rollbackOnError,
    logReads,
  }: VerbContext,
  launches: Launches,
): Verbs {
  const { launch, bring, takeDown, thawed, freezableOf, started } = launches;

  const discard = (id: string, spec: InstanceSpec): Observable<never> =>
    concat(
      logReads.end(id),
      defer(() => driverOf(spec).discard(homeOf(id))),
    );

  const machineOf = ({ id }: Instance): Machine | undefined => machines.of(id)?.machine;

  const start = (instance: Instance, spec: InstanceSpec): Observable<Instance> =>
    rollbackOnError(
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

  const asked = (instance: Instance): Observable<ExitStatus> =>
    ended(instance, 'stop', (machine) =>
      machine.stop({ graceMs: instance.spec.stopGraceMs ?? defaultGraceMs }),
    );

  const stop = (instance: Instance): Observable<Instance> =>
    asked(instance).pipe(mergeMap((exit) => records.ended('stop', instance, exit)));

  /** Ends the machine in the given way; without one there is nobody who could tell how it ended. */
  const ended = (
    instance: Instance,
    verb: string,
    how: (machine: Machine) => Observable<ExitStatus>,
  ): Observable<ExitStatus> =>
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
      return rollbackOnError(
        concat(
          freezing.freeze().pipe(catchError(driverFailed(instance, verb))),
          records.revised('standby', instance, { state: 'Standby' }),
        ),
        freezing.thaw(),
      );
    });

  const standby = (instance: Instance): Observable<Instance> =>
    defer(() => {
      const { freezing } = freezableOf(instance, 'standby');
      if (freezing.suspend === undefined) return frozen(instance, 'standby');
      return rollbackOnError(
        concat(
          freezing.suspend().pipe(catchError(driverFailed(instance, 'standby'))),
          records.revised('standby', instance, { state: 'Standby', handle: undefined }),
        ),
        freezing.thaw(),
      ).pipe(mergeMap((suspended) => concat(launches.putAway(instance.id), of(suspended))));
    });

  const restore = (instance: Instance): Observable<Instance> =>
    defer(() => {
      const { id, name, spec } = instance;
      const held = machines.of(id);
      if (held === undefined && driverOf(spec).resume !== undefined) {
        return rollbackOnError(
          bring(
            planOf(id, name, spec),
            { kind: 'Standby', targetState: 'Running', verb: 'restore' },
            (changes) =>
              records.revised('restore', instance, {
                ...changes,
                startedAt: instance.startedAt ?? changes.startedAt,
              }),
          ),
          takeDown(id),
        ).pipe(mergeMap(finished));
      }
      const { freezing } = freezableOf(instance, 'restore');
      return concat(
        thawed(instance, 'restore'),
        rollbackOnError(
          defer(() =>
            records.revised('restore', instance, {
              state: runningState(freezableOf(instance, 'restore').held),
              stateError: undefined,
            }),
          ),
          freezing.freeze(),
        ),
      );
    });

  const whilePaused = <T>(instance: Instance, verb: string, work$: Observable<T>): Observable<T> =>
    intents.declared(
      instance,
      'still',
      frozen(instance, verb).pipe(
        mergeMap((still) =>
          concat(rollbackOnError(work$, restore(still)), restore(still).pipe(ignoreElements())),
        ),
      ),
    );

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
      return rollbackOnError(
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
          commit({
            action: 'delete',
            instanceId: instance.id,
            last: instance,
            previousState: instance.state,
          }).pipe(ignoreElements()),
          defer(() => {
            machines.release(instance.id);
            return of(instance);
          }),
        ),
      ),

    copy: (source, id, request) => {
      if (!still(source) && (source.state !== 'Running' || request.fromRunning !== true)) {
        const needed = 'it has to be Stopped or Standby, or Running with fromRunning: true';
        throw new InvalidState({ instanceId: source.id, state: source.state, verb: 'fork', remedy: needed });
      }
      const copy$ = defer(() =>
        driverOf(source.spec).prepare({
          ...planOf(id, request.name, source.spec),
          copyOf: homeOf(source.id),
          kind: kindOf(source.state, request.targetState),
        }),
      ).pipe(catchError(driverFailed(source, 'fork')));
      const copied$ = still(source) ? copy$ : whilePaused(source, 'fork', copy$);
      return rollbackOnError(concat(copied$, of(source)), discard(id, source.spec));
    },

    fork: ({ spec, state, snapshotId }, id, { name, targetState = state as Target }) =>
      rollbackOnError(
        bring(
          planOf(id, name, spec),
          { kind: kindOf(state, targetState), targetState, verb: 'fork' },
          (changes) =>
            commit({
              ...{ action: 'fork', instanceId: id, instance: { ...born(id, name, spec), ...changes } },
              ...(snapshotId !== undefined && { snapshotId }),
            }),
        ),
        takeDown(id),
        discard(id, spec),
      ).pipe(mergeMap(finished)),

    timeOut: (instance, timedOut) =>
      asked(instance).pipe(mergeMap((exit) => records.ended('exit', instance, { ...exit, timedOut }))),

    end: (instance) => {
      const canStop = transition('stop', instance.state).kind === 'move';
      if (canStop) return stop(instance);
      if (machineOf(instance) === undefined) return of(instance);
      return ended(instance, 'stop', (machine) => machine.kill()).pipe(
        mergeMap((exit) => records.ended('exit', instance, exit)),
      );
    },

    whilePaused,
  };
}

const still = ({ state }: Instance): boolean => state === 'Stopped' || state === 'Standby';
