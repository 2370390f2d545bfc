import {
  createLifecycleBus,
  type Instance,
  type LifecycleBus,
  type LifecycleEvent,
  type State,
  type StateSource,
} from 'rx-instances';
import { defer, type Observable, of } from 'rxjs';
import { event, instance } from '../events.js';

/** The instance that the traps are about. */
export const id = 'trapped';

/** A bus and one instance whose state is set from outside. */
export interface Scene {
  readonly bus: LifecycleBus;
  /** The instance as it is now. */
  now(): Instance;
  /** Sets its state and tells of it. */
  change(state: State): LifecycleEvent;
  /** Sets its state, and nobody is told. */
  changeInSilence(state: State): void;
  /** Where a wait learns of it. */
  readonly source: StateSource;
}

/** Sets the scene; `read` stands for what lies between the table and who asks for it. */
export function openScene(
  initial: State,
  read: (now: () => Instance) => Observable<Instance> = (now) => defer(() => of(now())),
): Scene {
  const bus = createLifecycleBus();
  let known = instance(id, initial);
  const set = (state: State): LifecycleEvent => {
    const told = event(known.revision + 1, id, state);
    known = told.instance ?? known;
    return told;
  };
  return {
    bus,
    now: () => known,
    change: (state) => {
      const told = set(state);
      bus.publish(told);
      return told;
    },
    changeInSilence: set,
    source: {
      events: (instanceId) => bus.events('wait_for_state', { instanceId }),
      read: () => read(() => known),
    },
  };
}
