import {
  asyncScheduler,
  auditTime,
  defer,
  EMPTY,
  expand,
  ignoreElements,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  retry,
  Subject,
  Subscription,
  tap,
  timer,
} from 'rxjs';
import { cursorText } from '../codecs/wire/cursorText.js';
import { wireEvent } from '../codecs/wire/wireEvent.js';
import type { DisabledReason, Webhook, WebhookFailure, WebhookReport } from '../instances/webhooks.js';
import { type CursorExpired, hasTag } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import { meets } from '../streams/eventCriteria.js';
import type { EndpointRecord } from './endpointRecord.js';
import type { Attempt, Post, PostEvent } from './postEvent.js';
import { backoffMs, retryAfterMs } from './retryDelay.js';
import { stillSigning } from './secrets.js';
import { signedHeaders } from './signedHeaders.js';
import type { WebhookManager } from './webhookManager.js';
import type { WebhookSettings } from './webhookOptions.js';

/** The name under which all endpoints hear; each has its id as its label. */
export const consumer = 'webhooks';

/** How many events wait for an endpoint in memory; more wait in the log. */
const capacity = 64;
/** How often it is written down how far an endpoint came that has not asked for what comes. */
const passedOverMs = 1_000;

/** What endpoints share. */
export interface EndpointContext {
  readonly manager: Pick<WebhookManager, 'consume'>;
  readonly post: PostEvent;
  readonly settings: Pick<WebhookSettings, 'disableAfterMs' | 'logger'>;
  /** The sequence of the last event that there is. */
  head(): number;
  report(report: WebhookReport): void;
}

/** Sends events to one receiver, one after another, each until it is taken. */
export interface Endpoint {
  readonly record: EndpointRecord;
  /** What it is, and how it stands with it. */
  view(): Webhook;
  /** Goes on after its place, unless it is disabled. */
  start(): void;
  /** Breaks off what is under way. */
  stop(): void;
}

/** What is known of an endpoint for as long as it is open. */
interface Progress {
  attempts: number;
  expired: number;
  lastDeliveredAt?: number;
  lastFailure?: WebhookFailure;
  nextAttemptAt?: number | undefined;
}

/** Creates an {@link Endpoint}. */
export function createEndpoint(id: string, record: EndpointRecord, context: EndpointContext): Endpoint {
  const { manager, post, settings, report } = context;
  const { disableAfterMs, logger } = settings;
  const now = (): number => asyncScheduler.now();
  const wants = meets(record.kept.filter);
  const passedOver$ = new Subject<void>();
  const progress: Progress = { attempts: 0, expired: 0 };
  let working = Subscription.EMPTY;

  const stop = (): void => {
    working.unsubscribe();
    progress.nextAttemptAt = undefined;
  };

  const disable = (reason: DisabledReason): void => {
    stop();
    record.change({ disabled: { at: now(), reason } });
    record.save();
    logger.warn({ webhookId: id, reason, failure: progress.lastFailure }, 'a webhook is disabled');
    report({ webhookId: id, kind: 'disabled', reason });
  };

  const taken = (event: LifecycleEvent): void => {
    progress.attempts = 0;
    progress.lastDeliveredAt = now();
    record.change({ place: placeOf(event), failingSince: undefined });
    record.save();
    report({ webhookId: id, kind: 'delivered', cursor: placeOf(event) });
  };

  /** Emits when it is time to try again; never, once it is disabled. */
  const failed = (
    event: LifecycleEvent,
    failure: WebhookFailure,
    retryAfter?: string,
  ): Observable<unknown> => {
    progress.attempts += 1;
    progress.lastFailure = failure;
    report({ webhookId: id, kind: 'failed', cursor: placeOf(event), failure });
    const { failingSince = now() } = record.kept;
    if (record.kept.failingSince === undefined) {
      logger.warn({ webhookId: id, failure }, 'a webhook fails, and is tried again');
      record.change({ failingSince });
      record.save();
    }
    const left = failingSince + disableAfterMs - now();
    if (failure.status === 410 || left <= 0) {
      disable(failure.status === 410 ? 'gone' : 'failed');
      return NEVER;
    }
    const wait = Math.min(left, Math.max(backoffMs(progress.attempts), retryAfterMs(retryAfter, now())));
    progress.nextAttemptAt = now() + wait;
    return timer(wait);
  };

  const attempt = (id: string, body: string): Observable<Attempt> =>
    defer(() => {
      progress.nextAttemptAt = undefined;
      return post(postOf(id, body, record.kept, now()));
    });

  const deliver = (event: LifecycleEvent): Observable<never> =>
    defer(() => {
      if (!wants(event)) {
        record.change({ place: placeOf(event) });
        passedOver$.next();
        return EMPTY;
      }
      const messageId = cursorText(event);
      const body = JSON.stringify(wireEvent.encode(event));
      return attempt(messageId, body).pipe(
        expand(({ failure, retryAfter }) =>
          failure === undefined
            ? EMPTY
            : failed(event, failure, retryAfter).pipe(mergeMap(() => attempt(messageId, body))),
        ),
        tap(({ failure }) => {
          if (failure === undefined) taken(event);
        }),
        ignoreElements(),
      );
    });

  const lose = ({ cursor, oldest, epoch }: CursorExpired): void => {
    progress.expired += 1;
    record.change({ place: { epoch, sequence: oldest - 1 } });
    record.save();
    logger.warn(
      { webhookId: id, place: cursor, oldest },
      'the log has lost events that a webhook had not been sent: it goes on with the oldest',
    );
    report({ webhookId: id, kind: 'expired', place: cursor, oldest });
  };

  const work$ = defer(() =>
    manager.consume(consumer, deliver, { after: record.kept.place, label: id, capacity }),
  ).pipe(
    retry({
      delay: (err: unknown, failures) => {
        if (hasTag(err, 'ManagerClosed')) return EMPTY;
        if (hasTag(err, 'CursorExpired')) {
          lose(err);
          return of(undefined);
        }
        logger.warn({ webhookId: id, err }, 'a webhook lost sight of the events');
        return timer(backoffMs(failures));
      },
    }),
  );
  const saving$ = passedOver$.pipe(
    auditTime(passedOverMs),
    tap(() => {
      record.save();
    }),
  );

  return {
    record,
    view: () => viewOf(id, record.kept, progress, context.head(), now()),
    start: () => {
      stop();
      if (record.kept.disabled === undefined) working = merge(work$, saving$).subscribe();
    },
    stop,
  };
}

const placeOf = ({ epoch, sequence }: Cursor): Cursor => ({ epoch, sequence });

const postOf = (id: string, body: string, { url, secrets }: EndpointRecord['kept'], now: number): Post => {
  const signing = stillSigning(secrets, now).map(({ secret }) => secret);
  const own = { 'content-type': 'application/json', 'user-agent': 'rx-instances' };
  return { url, body, headers: { ...own, ...signedHeaders(id, now, body, signing) } };
};

function viewOf(
  id: string,
  kept: EndpointRecord['kept'],
  progress: Progress,
  head: number,
  now: number,
): Webhook {
  const { url, filter, createdAt, secrets, place, failingSince, disabled } = kept;
  const { nextAttemptAt, ...known } = progress;
  return {
    ...{ id, url, filter, createdAt },
    secrets: stillSigning(secrets, now).map(({ until }) => (until === undefined ? {} : { until })),
    status: {
      state: disabled !== undefined ? 'disabled' : failingSince !== undefined ? 'failing' : 'active',
      ...{ place, lag: Math.max(0, head - place.sequence), ...known },
      ...(failingSince !== undefined && { failingSince }),
      ...(nextAttemptAt !== undefined && { nextAttemptAt }),
      ...(disabled !== undefined && { disabledAt: disabled.at, disabledReason: disabled.reason }),
    },
  };
}
