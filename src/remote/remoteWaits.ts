import {
  catchError,
  defer,
  EMPTY,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  switchMap,
  take,
  throwError,
  throwIfEmpty,
  timeout,
} from 'rxjs';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import { hasTag, InstanceNotFound, ManagerClosed, StateUnreadable } from '../lifecycle/errors.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { monotonicNow } from '../streams/monotonicNow.js';
import { untilAborted } from '../streams/untilAborted.js';
import { type StateSource, waitForState } from '../streams/waitForState.js';
import { createDecodeWait, type WaitSettings } from '../streams/waitOptions.js';
import type { FollowedLog } from './followedLog.js';

const consumer = 'wait_for_state';
/** As long as a wait has for its last look. */
const lastLookMs = 1_000;
const decodeWait = createDecodeWait();

/** Creates waits over the events of a log that is followed, and `get`. */
export function createRemoteWaits(
  get: Instances['get'],
  { followed$ }: Pick<FollowedLog, 'followed$'>,
): LifecycleStreams['waitForState'] {
  const events = (instanceId?: string): Observable<LifecycleEvent> =>
    followed$.pipe(
      switchMap(({ bus }) => bus.events(consumer, instanceId === undefined ? {} : { instanceId })),
    );
  const source: StateSource = { events, read: get };

  /** The instance that is meant: also one that is still to come, where it may be. */
  const found = (idOrName: string, { mayBeAbsent, timeoutMs }: WaitSettings): Observable<Instance> => {
    const known$ = get(idOrName);
    const first$ = mayBeAbsent ? merge(created(idOrName), absentIsNone(known$)) : known$;
    const late = (): Error =>
      mayBeAbsent ? new InstanceNotFound({ idOrName }) : new StateUnreadable({ instanceId: idOrName });
    return first$.pipe(
      take(1),
      throwIfEmpty(() => new ManagerClosed()),
      timeout({ first: timeoutMs + lastLookMs, with: () => throwError(() => late()) }),
    );
  };

  const created = (idOrName: string): Observable<Instance> =>
    events().pipe(
      map(({ action, instance }) => (action === 'create' || action === 'fork' ? instance : undefined)),
      filter((instance) => instance !== undefined),
      filter(({ id, name }) => id === idOrName || name === idOrName),
    );

  return (idOrName, target, options = {}) =>
    defer(() => {
      const settings = decodeWait(target, options);
      const begun = monotonicNow();
      return found(idOrName, settings).pipe(
        untilAborted(settings.signal),
        mergeMap(({ id }) => {
          const soFar = monotonicNow() - begun;
          const timeoutMs = Math.max(0, Math.round(settings.timeoutMs - soFar));
          return waitForState(source, id, target, { ...options, mayBeAbsent: false, timeoutMs });
        }),
        map((outcome) => ({ ...outcome, elapsedMs: monotonicNow() - begun })),
      );
    });
}

const absentIsNone = (known$: Observable<Instance>): Observable<Instance> =>
  known$.pipe(
    catchError((error: unknown) => (hasTag(error, 'InstanceNotFound') ? EMPTY : throwError(() => error))),
  );
