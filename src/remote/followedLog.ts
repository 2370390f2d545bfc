import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  ReplaySubject,
  switchMap,
  take,
  throwError,
  timeout,
} from 'rxjs';
import * as E from 'fp-ts/lib/Either.js';
import { decode } from '../codecs/decode.js';
import { cursorOf, cursorText } from '../codecs/wire/cursorText.js';
import { wireError } from '../codecs/wire/wireError.js';
import { wireEvent } from '../codecs/wire/wireEvent.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { ApiFailed, describeFault, hasTag } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import { createManagerBus, type ManagerBus } from '../streams/lifecycleBus.js';
import type { Api } from './api.js';
import { readPage, remoteLog } from './remoteLog.js';
import { again, Failure, toldOf } from './retries.js';
import type { ServerEvent } from './serverEvents.js';

/** A log of an API whose events are published on a bus as they come, each once and in order. */
export interface Followed {
  readonly bus: ManagerBus;
  /** Errors once the log can't be gone on with. */
  readonly over$: Observable<never>;
  /** What `over$` has errored with. */
  readonly failure: unknown;
}

/** The log that is followed, or the next one where that can't be gone on with. */
export interface FollowedLog {
  readonly now: Followed;
  /** Emits what is followed now, and each that takes its place. Errors where there can be none; completes when it is closed. */
  readonly followed$: Observable<Followed>;
  /** Completes once what the log has up to a place has been published. Where it can't be had soon it completes too. */
  reach(place: Cursor): Observable<never>;
  close(): void;
}

interface Following extends Followed {
  readonly place$: BehaviorSubject<Cursor>;
  readonly over$: ReplaySubject<never>;
  failure: unknown;
}

/** For so long the stream is waited for; then the log is asked. */
const streamLagMs = 250;
const pageEvents = 1_000;
/** How often the log is asked in vain by who only wants to be level. */
const mostFailures = 3;

/** Follows the log of an API from a place on, over cut connections and restarts of the server, until closed. */
export function followLog(api: Api, head: Cursor): FollowedLog {
  const begin = (from: Cursor): Following => {
    const place$ = new BehaviorSubject(from);
    const bus = createManagerBus({ log: remoteLog(api, () => place$.value) });
    return { bus, place$, over$: new ReplaySubject<never>(1), failure: undefined };
  };

  let now = begin(head);
  const followed$ = new BehaviorSubject(now);

  const end = (following: Following, failure: unknown): void => {
    following.failure = failure;
    following.over$.error(failure);
    following.bus.close();
  };

  const connected = (following: Following): Observable<void> =>
    defer(() => {
      const after = encodeURIComponent(cursorText(following.place$.value));
      const events$ = api.stream({ method: 'GET', path: `/events?after=${after}` });
      return concat(events$, ended$);
    }).pipe(
      map((event) => {
        hear(following, event);
      }),
      again(Infinity),
    );

  /** Nobody who was told of the old log is told of the new one without knowing, but those who watch: they begin anew. */
  const beginAnew = (following: Following, expired: unknown): Observable<never> =>
    readPage(api, { limit: 1 }, Infinity).pipe(
      mergeMap(({ cursor }) => {
        now = begin(cursor);
        followed$.next(now);
        end(following, expired);
        return follow(now);
      }),
    );

  const follow = (following: Following): Observable<never> =>
    connected(following).pipe(
      ignoreElements(),
      catchError((failure: unknown) => {
        const why = toldOf(failure);
        return hasTag(why, 'CursorExpired') ? beginAnew(following, why) : throwError(() => failure);
      }),
    );

  const following = follow(now).subscribe({
    error: (failure: unknown) => {
      const why = toldOf(failure);
      followed$.error(why);
      end(now, why);
    },
  });

  const catchUp = (place: Cursor): Observable<never> =>
    defer(() => {
      const reading = now;
      const at = reading.place$.value;
      if (at.epoch !== place.epoch || at.sequence >= place.sequence) return EMPTY;
      return readPage(api, { after: at, limit: pageEvents }, mostFailures).pipe(
        mergeMap(({ events }) => {
          for (const event of events) publish(reading, event);
          return events.length === 0 ? EMPTY : catchUp(place);
        }),
      );
    });

  return {
    get now() {
      return now;
    },
    followed$,
    reach: (place) =>
      followed$.pipe(
        switchMap(({ place$ }) => place$),
        filter(({ epoch, sequence }) => epoch === place.epoch && sequence >= place.sequence),
        take(1),
        ignoreElements(),
        timeout({ first: streamLagMs, with: () => catchUp(place) }),
        // Then it is told later, as to everybody.
        catchError(() => EMPTY),
      ),
    close: () => {
      following.unsubscribe();
      now.bus.closing();
      followed$.complete();
      now.bus.close();
    },
  };
}

const ended$ = throwError(() => failedBy('the stream of events ended'));

const failedBy = (reason: string, isWorthAgain = true): Failure =>
  new Failure(new ApiFailed({ reason }), isWorthAgain);

/** Takes an event of the stream, of whatever type. */
function hear(following: Following, { type, id, data }: ServerEvent): void {
  if (type === 'message') publish(following, eventOf(data));
  else if (type === 'heartbeat') checkLevel(following.place$.value, cursorOf(id ?? ''));
  else if (type === 'cursor_expired') {
    const error = wireError.decode(data);
    throw new Failure(E.isRight(error) ? error.right : new ApiFailed({ reason: 'the place is gone' }), false);
  }
}

function eventOf(data: unknown): LifecycleEvent {
  const decoded = decode(wireEvent, data);
  if (E.isRight(decoded)) return deepFreeze(decoded.right);
  throw failedBy(`an event is not understood: ${decoded.left.map(describeFault).join('; ')}`, false);
}

/** What was told already is passed over; where something is missing, the log is read from the place before it. */
function publish({ bus, place$ }: Following, event: LifecycleEvent): void {
  const { epoch, sequence } = place$.value;
  if (event.epoch === epoch && event.sequence <= sequence) return;
  if (event.epoch !== epoch || event.sequence !== sequence + 1) throw missing();
  bus.publish(event);
  place$.next({ epoch, sequence: event.sequence });
}

function checkLevel(place: Cursor, told: Cursor | undefined): void {
  if (told !== undefined && (told.epoch !== place.epoch || told.sequence > place.sequence)) throw missing();
}

const missing = (): Failure => failedBy('an event is missing in the stream');
