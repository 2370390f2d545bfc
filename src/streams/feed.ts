import { Observable, type Subscriber } from 'rxjs';
import type { Lag } from './buffering.js';
import { noRecorder, type QueueRecorder } from './queueRecorder.js';

/** Brings one subscriber the values of a source, and can be paused by the queue that it fills. Ends when the subscriber does. */
export interface Feed<T> {
  /** Begins to emit; the first values may come at once. */
  start(): void;
  /** Emits nothing from now on. */
  pause(): void;
  /** Emits again. Returns what went by meanwhile and will not be emitted. */
  resume(): Missed<T> | undefined;
}

/** Values that a paused feed did not emit; `to` was the last. */
export type Missed<T> = Pick<Lag<T>, 'missed' | 'to'>;

/** A source of feeds: one for each subscriber. */
export type FeedSource<T> = (subscriber: Subscriber<T>) => Feed<T>;

/** What a queue is filled from, and what records it. */
export interface QueueInput<T> {
  readonly source: FeedSource<T>;
  readonly recorder: QueueRecorder;
}

/** The values of any Observable, which emits to a full queue as it does to an empty one. */
export const unpausable =
  <T>(source$: Observable<T>): FeedSource<T> =>
  (subscriber) => ({
    start: () => {
      source$.subscribe(subscriber);
    },
    pause: nothing,
    resume: nothing,
  });

/** The values of any Observable, for a queue that nobody records. */
export const unrecorded = <T>(source$: Observable<T>): QueueInput<T> => ({
  source: unpausable(source$),
  recorder: noRecorder,
});

/** The values of a source that is never paused. */
export const unqueued = <T>(source: FeedSource<T>): Observable<T> =>
  new Observable((subscriber) => {
    source(subscriber).start();
  });

const nothing = (): undefined => undefined;
