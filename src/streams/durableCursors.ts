import { concat, defer, from, mergeMap, Observable, type ObservableInput, of, Subscriber, tap } from 'rxjs';
import { ConsumerTaken, hasTag } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { FeedSource } from './feed.js';
import type { LifecycleLog } from './lifecycleLog.js';

/** What is done for an event. */
type Project<R> = (event: LifecycleEvent, index: number) => ObservableInput<R>;

/** Where one consumer is in the log, while he works. */
export interface DurableCursor {
  /** Place of the last event with which he was done before. */
  readonly after: Cursor;
  /** Watches over where the events come from. */
  follow(source: FeedSource<LifecycleEvent>): FeedSource<LifecycleEvent>;
  /** Watches over what is done for each of them. */
  mark<R>(project: Project<R>): Project<R>;
}

/** Remembers for each consumer with which event he was done last. */
export interface DurableCursors {
  /**
   * Runs work that begins where the consumer was before; the first time at the end of the log, which is remembered before
   * the work begins. Each event is remembered once its project has completed, and so have those of all events before
   * it; one save at a time is under way, and the newest place is saved next.
   *
   * Errors: {@link ConsumerTaken}; those of the log; those of the work.
   */
  keep<R>(consumer: string, work: (bookmark: DurableCursor) => Observable<R>): Observable<R>;
  /** How many events come in the log after the last with which a consumer was done; `undefined` where it never worked here. */
  behind(consumer: string): number | undefined;
}

/** Creates the {@link DurableCursors} of a log. */
export function createDurableCursors(log: LifecycleLog): DurableCursors {
  // Newer than what is in the log while a save is under way.
  const places = new Map<string, number>();
  const taken = new Set<string>();

  const placeOf = (consumer: string): Observable<number> => {
    const place = places.get(consumer);
    return place === undefined
      ? log
          .loadCursor(consumer)
          .pipe(mergeMap((saved) => (saved === undefined ? first(consumer) : of(saved))))
      : of(place);
  };

  // Otherwise one that is killed before it is done with its first event would begin after that the next time.
  const first = (consumer: string): Observable<number> =>
    defer(() => {
      const { sequence } = log.head();
      return concat(log.saveCursor(consumer, sequence), of(sequence));
    });

  return {
    keep: (consumer, work) =>
      new Observable((subscriber) => {
        if (taken.has(consumer)) {
          subscriber.error(new ConsumerTaken({ consumer }));
          return;
        }
        taken.add(consumer);
        subscriber.add(() => {
          taken.delete(consumer);
        });
        const fail = (error: unknown): void => {
          subscriber.error(error);
        };
        const work$ = placeOf(consumer).pipe(
          mergeMap((place) => {
            places.set(consumer, place);
            const moveTo = (sequence: number): Observable<never> => {
              places.set(consumer, sequence);
              return log.saveCursor(consumer, sequence);
            };
            return work(createDurableCursor({ epoch: log.head().epoch, sequence: place }, moveTo, fail));
          }),
        );
        subscriber.add(work$.subscribe(subscriber));
      }),
    behind: (consumer) => {
      const place = places.get(consumer);
      return place === undefined ? undefined : log.head().sequence - place;
    },
  };
}

function createDurableCursor(
  after: Cursor,
  moveTo: (sequence: number) => Observable<never>,
  fail: (error: unknown) => void,
): DurableCursor {
  // In the order of the events, which have no holes.
  const underWay = new Set<number>();
  let begun = after.sequence;
  let saved = begun;
  let isSaving = false;
  let isOver = false;

  /** Of the last event before which all are done. */
  const place = (): number => {
    for (const sequence of underWay) return sequence - 1;
    return begun;
  };

  const save = (): void => {
    const sequence = place();
    if (isSaving || isOver || sequence === saved) return;
    isSaving = true;
    saved = sequence;
    moveTo(sequence).subscribe({
      error: fail,
      complete: () => {
        isSaving = false;
        save();
      },
    });
  };

  /** The last save, of which nobody will hear: the log may be closed right after. */
  const saveAtOnce = (): void => {
    isOver = true;
    const sequence = place();
    if (sequence === saved) return;
    saved = sequence;
    moveTo(sequence).subscribe({ error: ignore });
  };

  /** When all that came before is done, what the log has lost is all that was lost: next time it goes on behind that. */
  const passOver = (error: unknown): void => {
    if (!hasTag(error, 'CursorExpired') || error.cursor.sequence !== place()) return;
    begun = error.oldest - 1;
    saveAtOnce();
  };

  return {
    after,
    follow: (source) => (subscriber) => {
      const link = new Subscriber<LifecycleEvent>({
        next: (event: LifecycleEvent) => {
          subscriber.next(event);
        },
        error: (error: unknown) => {
          passOver(error);
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      });
      link.add(saveAtOnce);
      subscriber.add(link);
      return source(link);
    },
    mark: (project) => (event, index) => {
      begun = event.sequence;
      underWay.add(begun);
      return from(project(event, index)).pipe(
        tap({
          complete: () => {
            underWay.delete(event.sequence);
            save();
          },
        }),
      );
    },
  };
}

const ignore = (): void => undefined;
