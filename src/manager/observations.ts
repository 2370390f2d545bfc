import {
  catchError,
  defer,
  map,
  mergeMap,
  type Observable,
  of,
  take,
  tap,
  throwError,
  throwIfEmpty,
  timeout,
} from 'rxjs';
import type { MachineStatus } from '../drivers/driver.js';
import type { Instance } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';
import { type State, transition } from '../lifecycle/state.js';
import type { Held, Machines, Report } from './machines.js';
import { type Records, runningState } from './records.js';

/**
 * What is found out about machines, and written down. Each is called while the instance's queue is held, with the instance
 * as it is then, and emits it as it is after.
 */
export interface Observations {
  /** Looks at the machine. What it finds and cannot be kept is looked for again later. */
  refresh(instance: Instance): Observable<Instance>;
  /** Takes in what is reported of the machine. */
  take(instance: Instance, report: Report): Observable<Instance>;
}

/** How long a driver may take to look at a machine. */
const inspectMs = 5_000;

/** Creates the {@link Observations}. */
export function createObservations(machines: Machines, records: Records): Observations {
  const ready = (instance: Instance): Observable<Instance> =>
    transition('ready', instance.state).kind === 'move'
      ? records.revised('ready', instance, { state: 'Running' })
      : of(instance);

  const lost = (instance: Instance, stateError: string): Observable<Instance> =>
    transition('lost', instance.state).kind === 'move'
      ? records.revised('lost', instance, { state: 'Unknown', stateError })
      : of(instance);

  const found = (instance: Instance, held: Held, status: MachineStatus): Observable<Instance> => {
    if (status.kind === 'ended') return records.ended('exit', instance, status.exit);
    if (status.kind === 'running' && status.ready) held.ready = true;
    const state = stateOf(instance, held, status.kind);
    if (state === instance.state) return of(instance);
    const action = instance.state === 'Initializing' && state === 'Running' ? 'ready' : 'update';
    return records.revised(action, instance, { state, stateError: undefined });
  };

  const look = (instance: Instance): Observable<Instance> => {
    const held = machines.of(instance.id);
    if (held === undefined) return of(instance);
    return defer(() => held.machine.inspect()).pipe(
      timeout({ first: inspectMs, with: () => throwError(() => new Error('the driver did not answer')) }),
      take(1),
      throwIfEmpty(() => new Error('the driver did not tell the state')),
      map((status) => () => found(instance, held, status)),
      // Only the look: that something could not be kept is another matter.
      catchError((error: unknown) => of(() => lost(instance, messageOf(error)))),
      mergeMap((record) => record()),
    );
  };

  return {
    refresh: (instance) =>
      look(instance).pipe(
        tap({
          error: () => {
            machines.look(instance.id);
          },
        }),
      ),

    take: (instance, report) => {
      switch (report.kind) {
        case 'ready':
          return ready(instance);
        case 'exit':
          return records.ended('exit', instance, report.exit);
        case 'lost':
          return lost(instance, report.reason);
        case 'look':
          return look(instance);
      }
    },
  };
}

/** An instance on standby that stands still is as it should be; any other was halted by somebody else. */
function stateOf({ state }: Instance, held: Held, kind: Exclude<MachineStatus['kind'], 'ended'>): State {
  switch (kind) {
    case 'running':
      return runningState(held);
    case 'frozen':
      return state === 'Standby' ? 'Standby' : 'Paused';
    case 'shutdown':
      return 'Shutdown';
  }
}
