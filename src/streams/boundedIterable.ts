import { type Observable, Subscriber } from 'rxjs';
import { SubscriberLagged } from '../lifecycle/errors.js';
import { type Buffering, type Lag, type QueueSettings, queueSettings } from './buffering.js';
import { Fifo } from './fifo.js';
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
  const reading = { source$, settings: queueSettings(buffering) };
  return iterateThrough(() => reading);
}

/** What one iteration reads, and how. */
interface Reading<T> {
  readonly source$: Observable<T>;
  readonly settings: QueueSettings<T>;
}

/** {@link boundedIterable} with settings decoded already; each iteration begins a reading of its own. */
export const iterateThrough = <T>(begin: () => Reading<T>): AsyncIterable<T> => ({
  [Symbol.asyncIterator]: () => createIterator(begin()),
});

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

interface Failure {
  readonly error: unknown;
}

const done = { done: true, value: undefined } as const;

function createIterator<T>({ source$, settings }: Reading<T>): AsyncIterator<T, undefined> {
  const queue = new RingBuffer<T>(settings);
  // Readers wait only while the queue is empty.
  const readers = new Fifo<Reader<T>>();
  const closeLedger = settings.ledger.opened(queue);
  let ended = false;
  let failure: Failure | undefined;

  /** An error is told to one reader; whoever reads after it finds the end. */
  const finish = (reader: Reader<T>): void => {
    const told = failure;
    failure = undefined;
    if (told === undefined) reader.resolve(done);
    else reader.reject(told.error);
  };

  const end = (how?: Failure): void => {
    ended = true;
    failure = how;
    closeLedger();
    for (let reader = readers.shift(); reader !== undefined; reader = readers.shift()) finish(reader);
  };

  const stop = (how?: Failure): void => {
    subscription.unsubscribe();
    queue.clear();
    end(how);
  };

  const offer = (value: T): void => {
    try {
      if (!queue.push(value)) stop({ error: new SubscriberLagged(settings.capacity, queue.size + 1) });
    } catch (error) {
      stop({ error });
    }
  };

  const subscription = new Subscriber<T>({
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
  source$.subscribe(subscription);

  const tell = (lag: Lag<T>): void => {
    settings.ledger.lagged();
    settings.onLag(lag);
  };

  const read = (reader: Reader<T>): void => {
    const lag = queue.takeLag();
    // Taken together, since who is told of a lag may make the source emit, and so change the queue.
    const first = queue.size > 0 ? { done: false as const, value: queue.shift() } : undefined;
    if (lag !== undefined) tell(lag);
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
