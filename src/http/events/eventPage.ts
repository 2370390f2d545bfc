import { map, mergeMap, type Observable, of, take, takeWhile, toArray } from 'rxjs';
import { cursorText } from '../../codecs/wire/cursorText.js';
import { wireEvent } from '../../codecs/wire/wireEvent.js';
import type { Cursor, LifecycleEvent } from '../../lifecycle/event.js';
import type { FollowOptions } from './followEvents.js';
import type { EventSelection } from './liveEvents.js';

/** Which events of the log are asked for. */
export interface EventPage {
  readonly selection: EventSelection;
  /** Those after this place; without one, those from now on, of which there are none yet. */
  readonly after: Cursor | undefined;
  /** How many to look at, at most. */
  readonly limit: number;
}

/** Emits what the log has after a place now, as JSON, and the place to go on from. Errors: as `events` with `after`. */
export const eventPage = (
  { selection, after, limit }: EventPage,
  { live, streams, consumer }: Pick<FollowOptions, 'live' | 'streams' | 'consumer'>,
): Observable<string> =>
  live.head$.pipe(
    take(1),
    mergeMap((head) => {
      if (after === undefined) return of(pageText([], head));
      if (after.epoch === head.epoch && after.sequence === head.sequence) return of(pageText([], after));
      return streams
        .consume(consumer, (event) => of(event), { after, overflow: 'resume', capacity: limit })
        .pipe(
          take(limit),
          takeWhile(({ sequence }) => sequence < head.sequence, true),
          toArray(),
          map((events) => pageText(events.filter(selection.wants), events.at(-1) ?? after)),
        );
    }),
  );

const pageText = (events: readonly LifecycleEvent[], place: Cursor): string =>
  JSON.stringify({
    events: events.map((event) => wireEvent.encode(event)),
    cursor: cursorText(place),
  });
