import { type Observable, Subscriber } from 'rxjs';
import { SubscriberLagged } from '../lifecycle/errors.js';
import type { Buffering, Lag } from './buffering.js';
import { type QueueInput, unrecorded } from './feed.js';
import { Fifo } from './fifo.js';
import { type QueueSettings, queueSettings } from './queueSettings.js';
import { RingBuffer } from './ringBuffer.js';

/**
 * Reads an Observable with `for await`, and lets at most `capacity` values wait for the reader; beyond that the
 * {@link Overflow} policy decides what is lost.
 *
 * Each iteration subscribes when its iterator is made, so that nothing is missed before the first `next()`, and
 * unsubscribes when the loop ends, whichever way. What waits when the source completes or fails is still read, then the
 * loop ends or throws. With the policy `fail` the reader gets {@link SubscriberLagged} at its next read, and what a
 * function in `buffering` throws likewise.
 *
 * @throws {@link InvalidRequest} at once, when `buffering` can't be understood.
 *
 * @example
 * ```ts
 * import { boundedIterable } from 'rx-instances';
 * import { range } from 'rxjs';
 *
 * const seen: number[] = [];
 * for await (const n of boundedIterable(range(1, 9), { capacity: 3, overflow: 'dropOldest' })) seen.push(n);
 * seen; // => [7, 8, 9]
 * ```
 */
export function boundedIterable<T>(source$: Observable<T>, buffering: Buffering<T> = {}): AsyncIterable<T> {
  const settings = queueSettings(buffering);
  return iterateQueue(() => unrecorded(source$), settings);
}

/** {@link boundedIterable} of a source that its queue may pause, with settings decoded already; each iteration has an input of its own. */
export const iterateQueue = <T>(
  input: () => QueueInput<T>,
  settings: QueueSettings<T>,
): AsyncIterable<T> => ({
  [Symbol.asyncIterator]: () => createIterator(input(), settings),
});

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

interface Failure {
  readonly error: unknown;
}

const done = { done: true, value: undefined } as const;

function createIterator<T>(
  { source, recorder }: QueueInput<T>,
  settings: QueueSettings<T>,
): AsyncIterator<T, undefined> {
  // Readers wait only while the queue is empty.
  const readers = new Fifo<Reader<T>>();
  let ended = false;
  let failure: Failure | undefined;

  /** One reader gets an error; whoever reads after it finds the end. */
  const finish = (reader: Reader<T>): void => {
    const thrown = failure;
    failure = undefined;
    if (thrown === undefined) reader.resolve(done);
    else reader.reject(thrown.error);
  };

  const end = (how?: Failure): void => {
    ended = true;
    failure = how;
    closeRecord();
    for (let reader = readers.shift(); reader !== undefined; reader = readers.shift()) finish(reader);
  };

  const stop = (how?: Failure): void => {
    link.unsubscribe();
    queue.clear();
    end(how);
  };

  const offer = (value: T): void => {
    try {
      if (!queue.push(value))
        stop({ error: new SubscriberLagged({ capacity: settings.capacity, missed: queue.size + 1 }) });
    } catch (error) {
      stop({ error });
    }
  };

  const link = new Subscriber<T>({
    next: (value: T) => {
      const reader = readers.shift();
      if (reader === undefined) offer(value);
      else reader.resolve({ done: false, value });
    },
    error: (error: unknown) => {
      end({ error });
    },
    complete: () => {
      end();
    },
  });
  const feed = source(link);
  const queue = new RingBuffer<T>(settings, recorder, feed);
  const closeRecord = recorder.opened(queue);
  feed.start();

  const reportLag = (lag: Lag<T>): void => {
    recorder.lagged();
    settings.onLag(lag);
  };

  const read = (reader: Reader<T>): void => {
    const lag = queue.takeLag();
    // Taken together, since `onLag` may make the source emit, and so change the queue.
    const first = queue.size > 0 ? { done: false as const, value: queue.shift() } : undefined;
    if (lag !== undefined) reportLag(lag);
    if (first !== undefined) reader.resolve(first);
    else if (lag !== undefined) read(reader);
    else if (ended) finish(reader);
    else readers.push(reader);
  };

  return {
    next: () =>
      new Promise((resolve, reject) => {
        const reader: Reader<T> = { resolve, reject };
        try {
          read(reader);
        } catch (error) {
          stop();
          reader.reject(error);
        }
      }),
    return: () => {
      stop();
      return Promise.resolve(done);
    },
  };
}
