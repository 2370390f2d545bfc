import { concat, defer, mergeMap, type Observable, of } from 'rxjs';
import type { Cause } from '../lifecycle/cause.js';
import type { Change } from '../lifecycle/event.js';
import type { ExitStatus, Instance } from '../lifecycle/instance.js';
import type { InstanceAction, State } from '../lifecycle/state.js';
import type { Held, Machines } from './machines.js';
import { type Revision, revise } from './revise.js';

/** Keeps a change, with the cause that it is for, and publishes it; emits the instance as it is then. An error means that nothing changed. */
export type Commit = (change: Change) => Observable<Instance>;

/** Writes down what became of an instance. */
export interface Records {
  /** Keeps the next revision of an instance and publishes it. @param snapshotId - to what a `restore` brings it back */
  revised(
    action: Exclude<InstanceAction, 'create' | 'fork' | 'delete'>,
    instance: Instance,
    changes: Revision,
    snapshotId?: string,
  ): Observable<Instance>;
  /** Keeps how the machine of an instance ended, then lets go of it and of its memory. */
  ended(action: 'stop' | 'exit', instance: Instance, exit: ExitStatus): Observable<Instance>;
}

/** Creates the {@link Records} of a cause; `forgotten` removes what is left of a memory that nobody goes on from any more. */
export function createRecords(
  { by }: Cause,
  commit: Commit,
  machines: Machines,
  now: () => number,
  forgotten: (instance: Instance) => Observable<never>,
): Records {
  const revised: Records['revised'] = (action, instance, changes, snapshotId) =>
    commit({
      action,
      instanceId: instance.id,
      instance: revise(instance, {
        ...readinessIn(changes.state ?? instance.state, instance.id),
        ...changes,
      }),
      previousState: instance.state,
      ...(snapshotId !== undefined && { snapshotId }),
    });

  /** A machine that has not been ready is waited for again when it goes on, also by the next manager. */
  const readinessIn = (state: State, instanceId: string): Revision => {
    const held = machines.of(instanceId);
    return { wasReady: held === undefined || held.ready || !isStill(state) ? undefined : false };
  };

  return {
    revised,
    ended: (action, instance, exit) =>
      revised(action, instance, {
        state: 'Stopped',
        exit: action === 'stop' ? { ...exit, stoppedBy: by } : exit,
        stoppedAt: now(),
        handle: undefined,
        stateError: undefined,
      }).pipe(
        mergeMap((stopped) => {
          machines.release(instance.id);
          return concat(
            defer(() => forgotten(stopped)),
            of(stopped),
          );
        }),
      ),
  };
}

/** Whether a machine in this state may go on. Of one that runs the state itself tells whether it is ready. */
const isStill = (state: State): boolean =>
  state === 'Standby' || state === 'Paused' || state === 'Shutdown' || state === 'Unknown';

/** The state of an instance whose machine runs. */
export const runningState = ({ ready }: Held): State => (ready ? 'Running' : 'Initializing');
