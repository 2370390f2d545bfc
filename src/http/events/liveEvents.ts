import {
  asapScheduler,
  asyncScheduler,
  first,
  map,
  merge,
  Observable,
  ReplaySubject,
  type SchedulerLike,
  Subject,
  type Subscription,
  takeUntil,
} from 'rxjs';
import { wireEvent } from '../../codecs/wire/wireEvent.js';
import type { LifecycleStreams } from '../../instances/lifecycleStreams.js';
import type { Cursor, LifecycleEvent } from '../../lifecycle/event.js';
import { cursorText } from '../../codecs/wire/cursorText.js';
import { serverSentEvent } from '../sse/serverSentEvent.js';

/** Live events for any number of clients: each is encoded once, and those that come close to each other are sent as one. */
export interface LiveEvents {
  /** Emits the place of the last event once it is known, and each new one. Completes when the manager closes. */
  readonly head$: Observable<Cursor>;
  /** What {@link head$} emitted last. */
  readonly head: Cursor | undefined;
  /** The place up to which all events of a selection have been sent. */
  sentUpTo(selection: EventSelection): Cursor | undefined;
  /** An event as it is sent. */
  textOf(event: LifecycleEvent): string;
  /** Sends at once what is still to be sent. */
  flush(): void;
  /** Emits the events of a selection together, in a turn of their own. Completes as `head$` does. */
  batches(selection: EventSelection): Observable<EventBatch>;
}

/** Which events a client wants. */
export interface EventSelection {
  /** The same for those who want the same. */
  readonly key: string;
  readonly wants: (event: LifecycleEvent) => boolean;
}

/** Events that are sent together. */
export interface EventBatch {
  readonly first: Cursor;
  readonly last: Cursor;
  /** Those after a place: the same bytes for all who have none of them. */
  bytesAfter(place: Cursor): Uint8Array;
}

/** How live events are sent. */
export interface LiveEventsOptions {
  /** The name under which they are heard. */
  readonly consumer: string;
  /** Events that come within this time after others were sent are sent together; the first after a quiet spell is sent at once. @defaultValue 10 */
  readonly joinMs?: number;
  /** @defaultValue `asyncScheduler` */
  readonly scheduler?: SchedulerLike;
}

/** Hears the events of a manager until that closes, or until `closed$` emits. */
export function liveEvents(
  streams: LifecycleStreams,
  closed$: Observable<unknown>,
  { consumer, joinMs = 10, scheduler = asyncScheduler }: LiveEventsOptions,
): LiveEvents {
  const groups = new Map<string, Group>();
  const texts = new WeakMap<LifecycleEvent, string>();
  const head$ = new ReplaySubject<Cursor>(1);
  let head: Cursor | undefined;
  let nextAt = -Infinity;
  let sending: Subscription | undefined;

  const textOf = (event: LifecycleEvent): string => {
    const known = texts.get(event);
    if (known !== undefined) return known;
    const text = serverSentEvent({ id: cursorText(event), data: JSON.stringify(wireEvent.encode(event)) });
    texts.set(event, text);
    return text;
  };

  const hear = (event: LifecycleEvent): void => {
    for (const group of groups.values()) {
      if (!group.wants(event)) continue;
      group.pending.push({ event, text: textOf(event) });
      sending ??= sendSoon();
    }
  };

  /** Never within the call that publishes. */
  const sendSoon = (): Subscription => {
    const wait = nextAt - scheduler.now();
    return wait <= 0 ? asapScheduler.schedule(send) : scheduler.schedule(send, wait);
  };

  const send = (): void => {
    sending = undefined;
    const startedAt = scheduler.now();
    for (const group of groups.values()) {
      const batch = batchOf(group.pending.splice(0));
      if (batch !== undefined) group.batches$.next(batch);
    }
    // From its end on: where sending takes longer than that, all that came meanwhile would go one by one.
    const endedAt = scheduler.now();
    nextAt = endedAt + Math.max(joinMs, endedAt - startedAt);
  };

  const flush = (): void => {
    sending?.unsubscribe();
    send();
  };

  const end = (): void => {
    flush();
    for (const { batches$ } of groups.values()) batches$.complete();
  };

  const reach = (place: Cursor): void => {
    if (head !== undefined && head.sequence >= place.sequence) return;
    head = { epoch: place.epoch, sequence: place.sequence };
    head$.next(head);
  };

  const heard$ = streams.events(consumer).pipe(
    map((event) => {
      reach(event);
      hear(event);
    }),
  );
  const table$ = tablePlace(streams, consumer).pipe(map(reach));
  merge(heard$, table$)
    .pipe(takeUntil(closed$))
    .subscribe({
      error: (error: unknown) => {
        head$.error(error);
        end();
      },
      complete: () => {
        head$.complete();
        end();
      },
    });

  return {
    head$,
    get head() {
      return head;
    },
    sentUpTo: ({ key }) => {
      const [next] = groups.get(key)?.pending ?? [];
      return next === undefined ? head : placeBefore(next.event);
    },
    textOf,
    flush,
    batches: ({ key, wants }) =>
      new Observable((subscriber) => {
        const group = groups.get(key) ?? { wants, pending: [], batches$: new Subject() };
        groups.set(key, group);
        subscriber.add(() => {
          if (!group.batches$.observed && groups.get(key) === group) groups.delete(key);
        });
        subscriber.add(group.batches$.subscribe(subscriber));
      }),
  };
}

/** An event that is still to be sent. */
interface PendingEvent {
  readonly event: Cursor;
  readonly text: string;
}

/** All who want the same events. */
interface Group {
  readonly wants: (event: LifecycleEvent) => boolean;
  readonly pending: PendingEvent[];
  readonly batches$: Subject<EventBatch>;
}

function batchOf(events: readonly PendingEvent[]): EventBatch | undefined {
  const [begin] = events;
  const end = events[events.length - 1];
  if (begin === undefined || end === undefined) return undefined;
  const all = bytesOf(events);
  return {
    first: begin.event,
    last: end.event,
    bytesAfter: ({ sequence }) =>
      sequence < begin.event.sequence
        ? all
        : bytesOf(events.filter(({ event }) => event.sequence > sequence)),
  };
}

/** The place before that of an event. */
export const placeBefore = ({ epoch, sequence }: Cursor): Cursor => ({ epoch, sequence: sequence - 1 });

const bytesOf = (events: readonly PendingEvent[]): Uint8Array =>
  Buffer.from(events.map(({ text }) => text).join(''));

/** An id that no instance has: who watches it is told the place of the table, and no table. */
const nobody = '-';

const tablePlace = (streams: LifecycleStreams, consumer: string): Observable<Cursor> =>
  streams.watch(consumer, { instanceId: nobody }).pipe(
    first(({ kind }) => kind === 'snapshot'),
    map((change) => ('cursor' in change ? change.cursor : { epoch: '', sequence: 0 })),
  );
