import { concat, EMPTY, mergeMap, type Observable, of, type SchedulerLike, take } from 'rxjs';
import type { LifecycleStreams } from '../../instances/lifecycleStreams.js';
import type { Cursor, LifecycleEvent } from '../../lifecycle/event.js';
import { cursorText } from '../../codecs/cursorText.js';
import { type EventSink, isBehind, roomFor } from '../sse/eventSink.js';
import { type EventSelection, type LiveEvents, placeBefore } from './liveEvents.js';
import { serverSentEvent } from '../sse/serverSentEvent.js';

/** Who follows events. */
export interface EventClient extends EventSelection {
  /** The events after this place; without one, those from now on. */
  readonly after?: Cursor | undefined;
  /** Opens its stream, once, when it is known that the events can be had. */
  readonly open: () => EventSink;
}

/** Where events come from. */
export interface EventOrigin {
  readonly live: LiveEvents;
  readonly streams: LifecycleStreams;
  /** The name under which those who read the log are counted. */
  readonly consumer: string;
  readonly scheduler: SchedulerLike;
}

/** One client, and how far it is. */
export interface Follower {
  /** Sends live events. Emits the place after which it has to read the log once it is behind, and completes. */
  sendLive(): Observable<Cursor>;
  /** Sends what the log has after a place. Emits the place at which it is level with the live events, and completes. */
  sendLog(after: Cursor): Observable<Cursor>;
  /** Tells a client for which nothing waits that the stream lives, and how far it is, so that it can go on from there. */
  beat(): void;
}

/** How much of the log is sent at a time, and how many events are read at a time. */
const pageBytes = 16_384;
const pageEvents = 64;

/** Creates a {@link Follower}. */
export function createFollower(client: EventClient, origin: EventOrigin): Follower {
  const { live, streams, consumer, scheduler } = origin;
  let sink: EventSink | undefined;
  /** The last event that was sent or passed over. */
  let place = client.after ?? live.head;
  /** What is still to be sent of the log. */
  let page = '';
  let isLive = false;

  const opened = (): EventSink => (sink ??= client.open());

  const send = (text: string): void => {
    opened().write(Buffer.from(text));
  };

  const sendPage = (): void => {
    if (page !== '') send(page);
    page = '';
  };

  const takeEvent = (event: LifecycleEvent): Observable<Cursor> => {
    place = event;
    if (client.wants(event)) page += live.textOf(event);
    const isLevel = event.sequence >= (live.head?.sequence ?? Infinity);
    if (isLevel || page.length > pageBytes) sendPage();
    if (isLevel) return of(event);
    return roomFor(opened(), scheduler);
  };

  return {
    sendLive: () => {
      isLive = true;
      opened();
      const behind$ = live.batches(client).pipe(
        mergeMap(({ first, last, bytesAfter }) => {
          const from = place !== undefined && place.sequence >= first.sequence ? place : placeBefore(first);
          if (from.sequence >= last.sequence) return EMPTY;
          if (isBehind(opened())) {
            send(serverSentEvent({ event: 'lagged', id: cursorText(from), data: '{}' }));
            return of(from);
          }
          opened().write(bytesAfter(from));
          place = last;
          return EMPTY;
        }),
      );
      return behind$.pipe(take(1));
    },
    sendLog: (after) => {
      isLive = false;
      place = after;
      const options = { after, overflow: 'resume', capacity: pageEvents } as const;
      return concat(
        sink === undefined ? EMPTY : roomFor(sink, scheduler),
        streams.consume(consumer, takeEvent, options),
      ).pipe(take(1));
    },
    beat: () => {
      if (sink === undefined || sink.waiting > 0 || page !== '') return;
      const at = isLive ? laterOf(place, live.sentUpTo(client)) : place;
      send(serverSentEvent({ event: 'heartbeat', ...(at && { id: cursorText(at) }), data: '{}' }));
    },
  };
}

const laterOf = (one: Cursor | undefined, other: Cursor | undefined): Cursor | undefined =>
  (one?.sequence ?? -1) >= (other?.sequence ?? -1) ? one : other;
