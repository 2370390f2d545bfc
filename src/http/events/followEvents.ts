import {
  asyncScheduler,
  defer,
  expand,
  ignoreElements,
  map,
  merge,
  type Observable,
  of,
  take,
  takeUntil,
  tap,
  timer,
  finalize,
  Subject,
} from 'rxjs';
import type { Cursor } from '../../lifecycle/event.js';
import { createFollower, type EventClient, type EventOrigin } from './follower.js';

/** Where events come from, and how they are sent. */
export interface FollowOptions extends Omit<EventOrigin, 'scheduler'> {
  /** How often a client is told that the stream lives, and how far it is. @defaultValue 15,000 */
  readonly heartbeatMs?: number;
  /** @defaultValue `asyncScheduler` */
  readonly scheduler?: EventOrigin['scheduler'];
}

/** What a client is sent next: the events of all, or those of the log after a place, at its own pace. */
type Stage = { readonly kind: 'live' } | { readonly kind: 'log'; readonly after: Cursor };

const live: Stage = { kind: 'live' };
const log = (after: Cursor): Stage => ({ kind: 'log', after });

/**
 * Sends a client the events that it wants, until unsubscribed; completes when the manager closes. Nothing is lost and nothing is sent
 * twice, however slow the client: while more than 64 KiB wait for it, it is sent nothing live; it is told so (`lagged`), and what it has
 * not heard is read from the log at its own pace.
 *
 * Errors: as `events` with `after`; `TimeoutError` for a client that is behind and takes nothing for a minute.
 */
export const followEvents = (client: EventClient, options: FollowOptions): Observable<never> =>
  defer(() => {
    const { heartbeatMs = 15_000, scheduler = asyncScheduler } = options;
    const { after } = client;
    const follower = createFollower(client, { ...options, scheduler });
    const ended$ = new Subject<void>();

    const first$ = after === undefined ? of(live) : firstStage(options.live.head$, after);
    const sent$ = first$.pipe(
      expand((stage): Observable<Stage> =>
        stage.kind === 'live'
          ? follower.sendLive().pipe(map(log))
          : follower.sendLog(stage.after).pipe(map(() => live)),
      ),
      finalize(() => {
        ended$.next();
      }),
    );
    const beats$ = timer(heartbeatMs, heartbeatMs, scheduler).pipe(tap(follower.beat), takeUntil(ended$));
    return merge(sent$, beats$).pipe(ignoreElements());
  });

/** A client that has all needs nothing of the log. */
const firstStage = (head$: Observable<Cursor>, after: Cursor): Observable<Stage> =>
  head$.pipe(
    take(1),
    map(({ epoch, sequence }) => (epoch === after.epoch && sequence === after.sequence ? live : log(after))),
  );
