import { type Observable, throwError } from 'rxjs';
import { ContainedObservable } from './containedObservable.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { isVirtualTime } from './monotonicNow.js';
import { readOnce } from './readOnce.js';
import type { WaitOptions, WaitTarget } from './waitOptions.js';
import { type WaitOutcome, Waits } from './waits.js';

/** Where a wait learns of an instance. */
export interface StateSource {
  /** Events from the moment of subscribe on. Completes when the source closes; errors end the wait. */
  events(instanceId: string): Observable<LifecycleEvent>;
  /** What is known now; its first value counts. {@link InstanceNotFound} ends the wait, another error is passed over. */
  read(instanceId: string): Observable<Instance>;
  /** What is true, where that may differ from what is known: used by polls and at the deadline. @defaultValue `read` */
  refresh?(instanceId: string): Observable<Instance>;
}

/**
 * Waits until an instance reaches a state, or one of several, and emits how that ended: an observable race between the
 * events of the instance and an interval poll, under a deadline.
 *
 * Events are subscribed to first, then the instance is read, then polled; nothing that happens in between is missed. A
 * view older than one seen before decides nothing. The wait ends
 *
 * - with the target;
 * - with a state from which the target is out of reach unless somebody acts, not timed out: `Unknown`, `Stopped`, `Standby`,
 *   `Shutdown`, `Paused` when not a target, unless it may go `through` that;
 * - at the deadline, after one last read: `timedOut` unless that read shows one of the above.
 *
 * `reached` tells whether it was the target. With `mayBeAbsent` the instance need not be there yet: the first event of its id, or the first
 * read that finds it, begins the wait.
 *
 * A failing read or poll is passed over; polls never overlap. After the end nothing is left: no timer, no listener.
 * Cold: each subscription waits anew. Unsubscribing ends the wait.
 *
 * ```text
 * events    ----Initializing----Running
 * polls     ---------------x---------------x     every pollMs
 * result    --------------------(Running|)
 * ```
 *
 * Errors of the stream: {@link InvalidRequest}, for a target (`Unknown` is none) or an option that can't be understood;
 * {@link InstanceNotFound}, also when it is deleted meanwhile, and at the deadline when one that `mayBeAbsent` has not come; {@link ManagerClosed}, when the events complete;
 * {@link StateUnreadable}, at the deadline, when no read ever succeeded; the reason of `signal`.
 *
 * @see hypeman `lib/instances/wait.go`
 *
 * @example
 * ```ts
 * import { openManager, waitForState } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const manager = await openManager({ drivers: [createMemoryDriver()] });
 * const { id } = await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
 * const source = { events: (instanceId: string) => manager.events('app', { instanceId }), read: manager.get };
 * const { state, via } = await firstValueFrom(waitForState(source, id, 'Running'));
 * state; // => 'Running'
 * via; // => 'read'
 * await manager.close();
 * ```
 */
export function waitForState(
  source: StateSource,
  instanceId: string,
  target: WaitTarget | readonly WaitTarget[],
  options: WaitOptions = {},
): Observable<WaitOutcome> {
  return new ContainedObservable(
    (observer, subscription) => waitsOver(source).begin(observer, subscription, instanceId, target, options),
    tellApart,
  );
}

/** As RxJS tells what a subscriber throws: where it hurts nobody who waits too. */
const tellApart = (error: unknown): void => {
  throwError(() => error).subscribe();
};

/** All waits over one source share one poll and their timers; in virtual time, which ends with its test, none do. */
function waitsOver(source: StateSource): Waits {
  if (isVirtualTime()) return createWaits(source);
  const waits = known.get(source) ?? createWaits(source);
  known.set(source, waits);
  return waits;
}

const known = new WeakMap<StateSource, Waits>();

const createWaits = (source: StateSource): Waits =>
  new Waits({
    addListener: (instanceId, listener) => source.events(instanceId).subscribe(listener),
    removeListener: (_, __, added) => {
      added?.unsubscribe();
    },
    known: (instanceId, callback) => readOnce(() => source.read(instanceId), callback),
    truth: (instanceId) => source.refresh?.(instanceId) ?? source.read(instanceId),
  });
