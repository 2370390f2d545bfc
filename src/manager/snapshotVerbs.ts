import { createId } from '@paralleldrive/cuid2';
import { join } from 'node:path';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  ignoreElements,
  mergeMap,
  type Observable,
  of,
  take,
  tap,
  throwIfEmpty,
} from 'rxjs';
import type { SnapshotPlan, Snapshotting } from '../drivers/driver.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { InvalidState, NotSupported, SnapshotDamaged } from '../lifecycle/errors.js';
import type { ExitStatus, Instance, InstanceSpec } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import type { SnapshotAction } from '../lifecycle/state.js';
import type { RestoreSnapshotRequest, CreateSnapshotRequest } from '../instances/snapshots.js';
import type { ForkOfSnapshot } from './snapshotRequests.js';
import type { SnapshotTable } from './snapshotTable.js';
import { driverFailed } from './driverFailures.js';
import { kindOf, type Launches } from './launches.js';
import type { Verbs } from './verbs.js';
import type { VerbContext } from './verbContext.js';

/** What the verbs of snapshots work with. */
export interface SnapshotVerbContext extends VerbContext {
  readonly verbs: Verbs;
  readonly launches: Launches;
  readonly snapshots: SnapshotTable;
  /** The folder of a snapshot lies here. */
  readonly folder: string;
}

/** What each verb of snapshots does. A verb that fails has changed nothing. */
export interface SnapshotVerbs {
  /** Holds the queue of the instance. */
  create(instance: Instance, request: CreateSnapshotRequest): Observable<Snapshot>;
  /** Holds the queue of the snapshot. */
  delete(snapshot: Snapshot): Observable<Snapshot>;
  /** Makes the home of a fork. Holds the queue of the snapshot. */
  layOut(snapshot: Snapshot, id: string, request: ForkOfSnapshot): Observable<never>;
  /** Holds the queues of both. */
  restore(
    instance: Instance,
    snapshot: Snapshot,
    request: Required<RestoreSnapshotRequest>,
  ): Observable<Instance>;
  /** Brings in order what a restore left that was cut off. Holds the queue of the instance. */
  mend(instance: Instance): Observable<never>;
  /** Removes the files of all snapshots. */
  discardAll(): Observable<never>;
}

/** The states in which an instance can be taken. */
const takenIn = { Stopped: ['Stopped'], Standby: ['Standby', 'Running'] } as const;

/** Creates the {@link SnapshotVerbs}. */
export function createSnapshotVerbs(context: SnapshotVerbContext): SnapshotVerbs {
  const { driverOf, homeOf, machines, records, now, rollbackOnError, logFailure, commit, snapshots, folder } =
    context;
  const { verbs, launches } = context;

  const folderOf = (id: string): string => join(folder, id);

  const facetOf = (spec: InstanceSpec, kind: Snapshot['kind'], verb: string): Snapshotting => {
    const facet = driverOf(spec).snapshots;
    if (facet?.kinds.includes(kind) === true) return facet;
    const kinds = facet?.kinds ?? [];
    const only = kinds.length === 0 ? '' : `, only of kind ${kinds.join(' or ')}`;
    throw new NotSupported({
      driver: spec.driver,
      verb,
      reason: `it has no snapshots of kind ${kind}${only}`,
    });
  };

  const planOf = (
    { id, name, spec }: Pick<Instance, 'id' | 'name' | 'spec'>,
    snapshotId: string,
    kind: Snapshot['kind'],
  ): SnapshotPlan => ({ ...context.planOf(id, name, spec), folder: folderOf(snapshotId), kind });

  const checked = (facet: Snapshotting, snapshot: Snapshot, id: string, verb: string): Observable<never> =>
    facet.check(folderOf(snapshot.id), snapshot).pipe(
      catchError(driverFailed({ id }, verb)),
      mergeMap((differences) => {
        if (differences.length > 0) throw new SnapshotDamaged({ snapshotId: snapshot.id, differences });
        return EMPTY;
      }),
    );

  /** The one value that a driver has to give. */
  const given = <T>(source$: Observable<T>, id: string, verb: string): Observable<T> =>
    source$.pipe(
      take(1),
      throwIfEmpty(() => new Error('the driver gave nothing')),
      catchError(driverFailed({ id }, verb)),
    );

  const discard = ({ id, spec }: Pick<Snapshot, 'id' | 'spec'>): Observable<never> =>
    defer(() => driverOf(spec).snapshots?.discard(folderOf(id)) ?? EMPTY);

  /** Keeps what happened to a snapshot, and publishes it. */
  const committed = (action: SnapshotAction, snapshot: Snapshot): Observable<never> =>
    commit({ action, instanceId: snapshot.instanceId, snapshot }).pipe(ignoreElements());

  const cleared = (snapshot: Snapshot): Observable<never> =>
    logFailure(
      { snapshotId: snapshot.id },
      'the files of a snapshot could not be removed',
      discard(snapshot),
    );

  /** Ends the machine of an instance on Standby, and tells how. */
  const ended = ({ id }: Instance): Observable<ExitStatus | undefined> => {
    const machine = machines.of(id)?.machine;
    return machine === undefined
      ? of(undefined)
      : given(machine.kill(), id, 'restoreSnapshot').pipe(
          tap(() => {
            machines.release(id);
          }),
        );
  };

  return {
    create: (instance, { kind, name, tags = {} }) => {
      const { id: instanceId, name: instanceName, state, spec } = instance;
      const facet = facetOf(spec, kind, 'createSnapshot');
      if (!takenIn[kind].some((each) => each === state)) {
        const needed = `for the kind ${kind} it has to be ${takenIn[kind].join(' or ')}`;
        throw new InvalidState({ instanceId, state, verb: 'createSnapshot', remedy: needed });
      }
      snapshots.checkName(instanceId, name);
      const id = createId();
      const taken$ = defer(() => facet.take(planOf(instance, id, kind))).pipe(
        catchError(driverFailed(instance, 'createSnapshot')),
      );
      return rollbackOnError(
        concat(
          state === 'Running' ? verbs.whilePaused(instance, 'createSnapshot', taken$) : taken$,
          // It takes its time, and the instance need not wait for it.
          given(
            defer(() => facet.seal(folderOf(id))),
            instanceId,
            'createSnapshot',
          ),
        ).pipe(
          mergeMap(({ size, hash, data }) => {
            const snapshot: Snapshot = deepFreeze({
              ...{ id, instanceId, instanceName, kind, createdAt: now(), spec, tags, size, hash, data },
              ...(name === undefined ? {} : { name }),
            });
            return concat(committed('create_snapshot', snapshot), of(snapshot));
          }),
        ),
        discard({ id, spec }),
      );
    },

    // First the record: files without one are found and removed, however this is cut off.
    delete: (snapshot) =>
      concat(
        committed('delete_snapshot', snapshot),
        defer(() => cleared(snapshot)),
        of(snapshot),
      ),

    layOut: (snapshot, id, request) => {
      const { spec } = snapshot;
      const facet = facetOf(spec, snapshot.kind, 'forkSnapshot');
      const plan = planOf(
        { id, name: request.name, spec },
        snapshot.id,
        kindOf(snapshot.kind, request.targetState),
      );
      return concat(
        checked(facet, snapshot, id, 'forkSnapshot'),
        defer(() => facet.layOut(plan, snapshot)).pipe(catchError(driverFailed({ id }, 'forkSnapshot'))),
      );
    },

    restore: (instance, snapshot, request) => {
      const { id, state } = instance;
      if (state !== 'Stopped' && state !== 'Standby') {
        throw new InvalidState({
          instanceId: id,
          state,
          verb: 'restoreSnapshot',
          remedy: 'it has to be Stopped or Standby',
        });
      }
      const spec = withPoliciesOf(instance.spec, snapshot.spec);
      const facet = facetOf(spec, snapshot.kind, 'restoreSnapshot');
      const plan = planOf({ ...instance, spec }, snapshot.id, kindOf(snapshot.kind, request.targetState));
      const restored$ = launches.bring(
        plan,
        { kind: plan.kind, targetState: request.targetState, verb: 'restoreSnapshot' },
        (changes) =>
          records.revised(
            'restore',
            instance,
            {
              ...{ state: 'Stopped', spec, startedAt: undefined, stoppedAt: undefined, exit: undefined },
              handle: undefined,
              ...changes,
            },
            snapshot.id,
          ),
      );
      return concat(
        checked(facet, snapshot, id, 'restoreSnapshot'),
        given(
          defer(() => facet.replace(plan, snapshot)),
          id,
          'restoreSnapshot',
        ),
      ).pipe(
        mergeMap((replacement) =>
          rollbackOnError(ended(instance), replacement.undo()).pipe(
            mergeMap((exit) =>
              rollbackOnError(
                restored$,
                launches.takeDown(id),
                replacement.undo(),
                exit === undefined ? EMPTY : defer(() => records.ended('exit', instance, exit)),
              ),
            ),
            mergeMap(({ instance: restored, after$ }) => {
              const kept$ = logFailure(
                { instanceId: id },
                'what a restore replaced could not be removed',
                replacement.keep(),
              );
              return concat(rollbackOnError(after$, kept$), kept$, of(restored));
            }),
          ),
        ),
      );
    },

    mend: ({ id, spec }) =>
      logFailure(
        { instanceId: id },
        'a restore that was cut off could not be finished or undone',
        defer(() => driverOf(spec).snapshots?.mend(homeOf(id)) ?? EMPTY),
      ),

    discardAll: () => concat(...snapshots.all().map(cleared)).pipe(ignoreElements()),
  };
}

/** A snapshot is of what runs; what is to be done about it stays the instance's. */
function withPoliciesOf(instance: InstanceSpec, snapshot: InstanceSpec): InstanceSpec {
  const { autoStandby, restartPolicy, healthCheck, expiresAt } = instance;
  const policies = { autoStandby, restartPolicy, healthCheck, expiresAt };
  const said = Object.entries({ ...snapshot, ...policies }).filter(([, value]) => value !== undefined);
  return deepFreeze(Object.fromEntries(said) as unknown as InstanceSpec);
}
