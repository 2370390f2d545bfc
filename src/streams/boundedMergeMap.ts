import {
  from,
  Observable,
  type ObservableInput,
  type Observer,
  type OperatorFunction,
  Subscriber,
} from 'rxjs';
import { SubscriberLagged } from '../lifecycle/errors.js';
import type { Lag, WorkBuffering } from './buffering.js';
import { connect } from './connect.js';
import { type QueueInput, unrecorded } from './feed.js';
import { type WorkSettings, workSettings } from './queueSettings.js';
import { RingBuffer } from './ringBuffer.js';

/**
 * Does work for every value, `concurrency` at a time, and lets at most `capacity` values wait; beyond that the
 * {@link Overflow} policy decides what is lost. RxJS's `mergeMap` with a bounded buffer.
 *
 * Results are emitted as they come, values are begun in their order. When the source completes, what waits is still
 * done. An error of the source, of a project, or of a function in `buffering` ends the stream at once. Unsubscribing stops the running
 * work and forgets what waits.
 *
 * ```text
 * source  -1-2-3-4-|         capacity 1, dropNewest, a project takes 6
 * result  -------1-----(2|)  2 waits; for 3 and 4 there is no room: onLag({ missed: 2, from: 3, to: 4 })
 * ```
 *
 * @throws {@link InvalidRequest} at once, when `project` is no function or `buffering` can't be understood.
 * Errors of the stream: {@link SubscriberLagged}, with the policy `fail`.
 *
 * @example
 * ```ts
 * import { boundedMergeMap } from 'rx-instances';
 * import { delay, lastValueFrom, of, range, toArray } from 'rxjs';
 *
 * const slow$ = range(1, 5).pipe(
 *   boundedMergeMap((n) => of(n).pipe(delay(5)), { capacity: 1, overflow: 'dropOldest' }),
 *   toArray(),
 * );
 * await lastValueFrom(slow$); // => [1, 5]
 * ```
 */
export function boundedMergeMap<T, R>(
  project: (value: T, index: number) => ObservableInput<R>,
  buffering: WorkBuffering<T> = {},
): OperatorFunction<T, R> {
  const settings = workSettings(project, buffering);
  return (source$) => mergeMapQueue(unrecorded(source$), project, settings);
}

/** {@link boundedMergeMap} of a source that its queue may pause, with settings decoded already. */
export function mergeMapQueue<T, R>(
  { source, recorder }: QueueInput<T>,
  project: (value: T, index: number) => ObservableInput<R>,
  settings: WorkSettings<T>,
): Observable<R> {
  return new Observable<R>((subscriber) => {
    let index = 0;
    let active = 0;
    let sourceCompleted = false;
    let draining = false;

    const fail = (error: unknown): void => {
      subscriber.error(error);
    };

    // One for all the work: nothing in it depends on the value.
    const work: Observer<R> = {
      next: (result) => {
        subscriber.next(result);
      },
      error: fail,
      complete: () => {
        active -= 1;
        drain();
      },
    };

    const begin = (value: T): void => {
      if (subscriber.closed) return;
      // Counted before the project is called: a project that makes the source emit must not find room twice.
      active += 1;
      let result$: Observable<R>;
      try {
        result$ = from(project(value, index++));
      } catch (error) {
        fail(error);
        return;
      }
      connect(result$, subscriber, work);
    };

    const offer = (value: T): void => {
      try {
        if (!queue.push(value))
          fail(new SubscriberLagged({ capacity: settings.capacity, missed: queue.size + 1 }));
      } catch (error) {
        fail(error);
      }
    };

    const reportLag = (lag: Lag<T>): void => {
      recorder.lagged();
      try {
        settings.onLag(lag);
      } catch (error) {
        fail(error);
      }
    };

    // A project that completes at once comes back here: the flag turns what would be recursion into this loop.
    const drain = (): void => {
      if (draining) return;
      draining = true;
      while (active < settings.concurrency && !subscriber.closed) {
        const lag = queue.takeLag();
        // Taken together, since `onLag` may make the source emit, and so change the queue.
        const first = queue.size > 0 ? { value: queue.shift() } : undefined;
        if (lag !== undefined) reportLag(lag);
        if (first !== undefined) begin(first.value);
        else if (lag === undefined) break;
      }
      draining = false;
      if (sourceCompleted && active === 0 && queue.size === 0) subscriber.complete();
    };

    const link = new Subscriber<T>({
      next: (value: T) => {
        if (active < settings.concurrency && !draining) begin(value);
        else offer(value);
      },
      error: fail,
      complete: () => {
        sourceCompleted = true;
        drain();
      },
    });
    const feed = source(link);
    const queue = new RingBuffer<T>(settings, recorder, feed);
    subscriber.add(recorder.opened(queue));
    subscriber.add(() => {
      queue.clear();
    });
    subscriber.add(link);
    feed.start();
  });
}
