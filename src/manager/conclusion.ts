import { catchError, concat, defer, EMPTY, mergeMap, type Observable, of, tap, throwError } from 'rxjs';
import { type InstanceError, isInstanceError } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import type { AskedRequest, RequestOutcome, Store } from '../store/store.js';

/** Of a store what verbs change. */
export type ChangingStore = Pick<Store, 'commit'>;

/** Remembers one request with what comes of it. */
export interface Conclusion {
  readonly request: AskedRequest;
  /** Keeps the request in the transaction of the change that concludes its verb. */
  readonly store: ChangingStore;
  /**
   * Does the work of the verb. What it came to is remembered before it is told where no change did that: a failure, and that there was
   * nothing to do. A refusal is not remembered: nothing was begun, and the next time it may go. Such work emits one instance or
   * snapshot.
   */
  concluded<T>(work: () => Observable<T>): Observable<T>;
}

/** The last event of each verb, or whichever of several comes, where it is called otherwise. */
const lastActions: Readonly<Record<string, readonly string[]>> = {
  restart: ['start'],
  ensure: ['create', 'start', 'restore'],
  createSnapshot: ['create_snapshot'],
  deleteSnapshot: ['delete_snapshot'],
  forkSnapshot: ['fork'],
  restoreSnapshot: ['restore'],
  // Its source goes on: this is no end of what was asked for.
  still: [],
};

/** What is told before anything was begun, or because nothing could be kept; both are undone where need be. */
const refusals: ReadonlySet<InstanceError['_tag']> = new Set<InstanceError['_tag']>([
  ...(['InvalidRequest', 'InstanceNotFound', 'SnapshotNotFound', 'AmbiguousName', 'NameTaken'] as const),
  ...(['InvalidState', 'Conflict', 'NotSupported', 'ManagerClosed', 'StoreFailed'] as const),
]);

/** Creates the {@link Conclusion} of a request for a verb. */
export function createConclusion(store: Store, request: AskedRequest, verb: string): Conclusion {
  const last = lastActions[verb] ?? [verb];
  let isRemembered = false;

  /** What is told of a change is kept; its end comes after what is made of it. */
  const remembering = <T>(change$: Observable<T>): Observable<T> =>
    change$.pipe(
      tap(() => {
        isRemembered = true;
      }),
    );

  const remember = (outcome: RequestOutcome): Observable<never> =>
    defer(() => store.saveRequest({ ...request, outcome }));

  return {
    request,
    store: {
      commit: (change) =>
        last.includes(change.action) ? remembering(store.commit(change, request)) : store.commit(change),
    },
    concluded: (work) =>
      defer(work).pipe(
        mergeMap((value) => concat(isRemembered ? EMPTY : remember(outcomeOf(value)), of(value))),
        catchError((error: unknown) =>
          concat(
            // The first failure is the one that is told.
            isRefusal(error) ? EMPTY : remember(failureOf(error)).pipe(catchError(() => EMPTY)),
            throwError(() => error),
          ),
        ),
      ),
  };
}

const isRefusal = (error: unknown): boolean => isInstanceError(error) && refusals.has(error._tag);

function outcomeOf(value: unknown): RequestOutcome {
  const emitted = value as Instance | Snapshot;
  return 'instanceId' in emitted ? { snapshot: emitted } : { instance: emitted };
}

const failureOf = (error: unknown): RequestOutcome => ({
  error: error instanceof Error ? error : new Error(messageOf(error)),
});
