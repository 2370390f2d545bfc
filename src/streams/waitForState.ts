import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  asyncScheduler,
  catchError,
  concat,
  concatWith,
  defer,
  EMPTY,
  filter,
  first,
  map,
  merge,
  mergeMap,
  NEVER,
  Observable,
  of,
  switchMap,
  take,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { closed, isRecord } from '../codecs/closed.js';
import { decodeOrThrow } from '../codecs/decode.js';
import { integer, oneOf } from '../codecs/scalars.js';
import { InstanceNotFound, ManagerClosed, StateUnreadable } from '../lifecycle/errors.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { type State, states } from '../lifecycle/state.js';
import { createSharedPoll, type Look, type SharedPoll } from './sharedPoll.js';

/** Where a wait learns of an instance. */
export interface StateSource {
  /** Events from the moment of subscribe on. Completes when the source closes; errors end the wait. */
  events(instanceId: string): Observable<LifecycleEvent>;
  /** What is known now; its first value counts. {@link InstanceNotFound} ends the wait, another error is passed over. */
  read(instanceId: string): Observable<Instance>;
  /** What is true, where that may differ from what is known: used by polls and at the deadline. @defaultValue `read` */
  refresh?(instanceId: string): Observable<Instance>;
}

/** How long to wait, and how often to look. Defaults are hypeman's. */
export interface WaitOptions {
  /** Milliseconds to the deadline, 0 to 300000 (5 minutes). @defaultValue 60000 */
  readonly timeoutMs?: number;
  /** Milliseconds between polls, 1 to 300000. @defaultValue 5000 */
  readonly pollMs?: number;
  /** Ends the wait at once when it aborts: with its reason as the error. */
  readonly signal?: AbortSignal;
}

/** How a wait ended. */
export interface WaitOutcome {
  readonly state: State;
  /** Why the state is `Unknown`. */
  readonly stateError?: string;
  /** The newest view of the instance. */
  readonly instance: Instance;
  /** Whether the deadline came first. */
  readonly timedOut: boolean;
  /**
   * What decided: the first read, an event, a poll, or the look at the deadline. A manager publishes what its polls
   * find, so that there such a change arrives as an `event`.
   */
  readonly via: 'read' | 'event' | 'poll' | 'deadline';
  readonly elapsedMs: number;
  /** Looks that were answered to this wait, failed ones included. */
  readonly reads: number;
}

/** How long the look at the deadline may take. */
const lastLookMs = 1_000;

/**
 * Waits until an instance reaches a state, or one of several, and emits how that ended: an observable race between the
 * events of the instance and an interval poll, under a deadline.
 *
 * Events are subscribed to first, then the instance is read, then polled; nothing that happens in between is missed. A
 * view older than one seen before decides nothing. The wait ends
 *
 * - with the target;
 * - with a state from which the target is out of reach unless somebody acts, not timed out: `Unknown` always; `Stopped`,
 *   `Standby`, `Shutdown`, `Paused` when not a target;
 * - at the deadline, after one last look: `timedOut` unless that look shows one of the above.
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
 * {@link InstanceNotFound}, also when it is deleted meanwhile; {@link ManagerClosed}, when the events complete;
 * {@link StateUnreadable}, at the deadline, when no look ever succeeded; the reason of `signal`.
 *
 * @see hypeman `lib/instances/wait.go`
 *
 * @example
 * ```ts
 * import { createMemoryDriver, openManager, waitForState } from 'rx-instances';
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
  target: State | readonly State[],
  options: WaitOptions = {},
): Observable<WaitOutcome> {
  return waitThrough(source, createSharedPoll(readsOf(source).truth), instanceId, target, options);
}

type Read = (instanceId: string) => Observable<Instance>;

const readsOf = (source: StateSource): { readonly known: Read; readonly truth: Read } => ({
  known: (instanceId) => source.read(instanceId),
  truth: (instanceId) => source.refresh?.(instanceId) ?? source.read(instanceId),
});

/** {@link waitForState} with a poll that others share. */
export function waitThrough(
  source: StateSource,
  sharedPoll: SharedPoll<Instance>,
  instanceId: string,
  target: State | readonly State[],
  options: WaitOptions,
): Observable<WaitOutcome> {
  return defer(() => {
    const {
      target: targets,
      timeoutMs = 60_000,
      pollMs = 5_000,
      signal,
    } = decodeOrThrow(waitCodec, { ...options, target });
    const { known, truth } = readsOf(source);
    const startedAt = asyncScheduler.now();
    let newest: Instance | undefined;
    let reads = 0;
    let lastFailure: ErrorOptions | undefined;

    const outcome = (instance: Instance, via: WaitOutcome['via'], timedOut: boolean): WaitOutcome => ({
      state: instance.state,
      ...(instance.stateError === undefined ? {} : { stateError: instance.stateError }),
      instance,
      timedOut,
      via,
      elapsedMs: Math.max(0, asyncScheduler.now() - startedAt),
      reads,
    });

    const consider = (instance: Instance, via: WaitOutcome['via']): Observable<WaitOutcome> => {
      if (newest !== undefined && instance.revision < newest.revision) return EMPTY;
      newest = instance;
      const decided = targets.includes(instance.state) || deadEnds.includes(instance.state);
      return decided ? of(outcome(instance, via, false)) : EMPTY;
    };

    const weigh = (look: Look<Instance>, via: WaitOutcome['via']): Observable<WaitOutcome> => {
      reads += 1;
      if ('value' in look) return consider(look.value, via);
      if (isFinal(look.error)) return throwError(() => look.error);
      lastFailure = { cause: look.error };
      return EMPTY;
    };

    const lookOnce = (read: Read, via: WaitOutcome['via']): Observable<WaitOutcome> =>
      defer(() => read(instanceId)).pipe(
        first(),
        map((value) => ({ value })),
        catchError((error: unknown) => of({ error })),
        mergeMap((look) => weigh(look, via)),
      );

    const giveUp = defer(() => {
      if (newest === undefined) throw new StateUnreadable(instanceId, lastFailure);
      return of(outcome(newest, 'deadline', true));
    });

    const events$ = source.events(instanceId).pipe(
      filter((event) => event.instanceId === instanceId),
      mergeMap((event) =>
        event.action === 'delete'
          ? throwError(() => new InstanceNotFound(instanceId))
          : consider(event.instance, 'event'),
      ),
      concatWith(throwError(() => new ManagerClosed())),
    );
    const polls$ = sharedPoll.poll(instanceId, pollMs).pipe(mergeMap((look) => weigh(look, 'poll')));
    const deadline$ = timer(timeoutMs).pipe(
      switchMap(() =>
        concat(lookOnce(truth, 'deadline').pipe(timeout({ first: lastLookMs, with: () => EMPTY })), giveUp),
      ),
    );

    return merge(aborted(signal), events$, lookOnce(known, 'read'), polls$, deadline$).pipe(take(1));
  });
}

/** States from which nothing leads on by itself. */
const deadEnds: readonly State[] = ['Unknown', 'Stopped', 'Standby', 'Shutdown', 'Paused'];

const isFinal = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  '_tag' in error &&
  (error._tag === 'InstanceNotFound' || error._tag === 'ManagerClosed');

/** Errors with the reason of a signal, once it aborts or if it has. */
const aborted = (signal: AbortSignal | undefined): Observable<never> =>
  signal === undefined
    ? NEVER
    : new Observable((subscriber) => {
        const onAbort = (): void => {
          subscriber.error(signal.reason);
        };
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort);
        return () => {
          signal.removeEventListener('abort', onAbort);
        };
      });

const reachable = oneOf(states.filter((state): state is Exclude<State, 'Unknown'> => state !== 'Unknown'));

const validateTarget: t.Validate<unknown, readonly State[]> = (value, context) => {
  if (!Array.isArray(value)) {
    const one = reachable.validate(value, context);
    return E.isRight(one) ? t.success([one.right]) : t.failure(value, context, reachable.name);
  }
  if (value.length === 0) return t.failure(value, context);
  return t.array(reachable).validate(value, context);
};

const target = new t.Type<readonly State[], unknown>(
  'a state, or a list of at least one',
  (value): value is readonly State[] => E.isRight(validateTarget(value, [])),
  validateTarget,
  t.identity,
);

// By its shape: it may come from another realm, or be somebody's own.
const isAbortSignal = (value: unknown): value is AbortSignal =>
  isRecord(value) && typeof value['aborted'] === 'boolean' && typeof value['addEventListener'] === 'function';

const longestMs = 300_000;

const waitCodec = closed(
  'wait',
  { target },
  {
    timeoutMs: integer('milliseconds', 0, longestMs),
    pollMs: integer('milliseconds', 1, longestMs),
    signal: new t.Type<AbortSignal, unknown>(
      'an AbortSignal',
      isAbortSignal,
      (value, context) => (isAbortSignal(value) ? t.success(value) : t.failure(value, context)),
      t.identity,
    ),
  },
);
