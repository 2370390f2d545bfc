import { type Observable, Subscriber } from 'rxjs';
import { SubscriberLagged } from '../lifecycle/errors.js';
import { type Buffering, type QueueSettings, queueSettings } from './buffering.js';
import { RingBuffer } from './ringBuffer.js';

/**
 * Reads an Observable with `for await`, and lets at most `capacity` values wait for the reader; beyond that the
 * {@link Overflow} policy decides what is lost.
 *
 * Each iteration subscribes when its iterator is made, so that nothing is missed before the first `next()`, and
 * unsubscribes when the loop ends, whichever way. What waits when the source completes or fails is still read, then the
 * loop ends or throws. With the policy `fail` the reader gets {@link SubscriberLagged} at its next read.
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
  return iterateThrough(source$, queueSettings(buffering));
}

/** {@link boundedIterable} with settings decoded already. */
export const iterateThrough = <T>(source$: Observable<T>, settings: QueueSettings<T>): AsyncIterable<T> => ({
  [Symbol.asyncIterator]: () => createIterator(source$, settings),
});

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const done = { done: true, value: undefined } as const;

function createIterator<T>(source$: Observable<T>, settings: QueueSettings<T>): AsyncIterator<T, undefined> {
  const queue = new RingBuffer<T>(settings);
  // Readers wait only while the queue is empty.
  const readers: Reader<T>[] = [];
  const closeLedger = settings.ledger.opened(queue);
  let ending: { readonly error?: unknown } | undefined;

  const end = (how: { readonly error?: unknown }): void => {
    ending ??= how;
    closeLedger();
    const [first, ...others] = readers.splice(0);
    if (first !== undefined) finish(first);
    for (const reader of others) reader.resolve(done);
  };

  /** An error is told to one reader; whoever reads after it finds the end. */
  const finish = (reader: Reader<T>): void => {
    const how = ending ?? {};
    ending = {};
    if ('error' in how) reader.reject(how.error);
    else reader.resolve(done);
  };

  const stop = (): void => {
    subscription.unsubscribe();
    queue.clear();
    end({});
  };

  const subscription = new Subscriber<T>({
    next: (value) => {
      const reader = readers.shift();
      if (reader !== undefined) reader.resolve({ done: false, value });
      else if (!queue.push(value)) {
        const missed = queue.size + 1;
        queue.clear();
        subscription.unsubscribe();
        end({ error: new SubscriberLagged(settings.capacity, missed) });
      }
    },
    error: (error: unknown) => {
      end({ error });
    },
    complete: () => {
      end({});
    },
  });
  source$.subscribe(subscription);

  const read = (reader: Reader<T>): void => {
    const lag = queue.takeLag();
    if (lag !== undefined) {
      settings.ledger.lagged();
      settings.onLag(lag);
    }
    if (queue.size > 0) reader.resolve({ done: false, value: queue.shift() });
    else if (ending !== undefined) finish(reader);
    else readers.push(reader);
  };

  return {
    next: () =>
      new Promise((resolve, reject) => {
        try {
          read({ resolve, reject });
        } catch (error) {
          stop();
          reject(error as Error);
        }
      }),
    return: () => {
      stop();
      return Promise.resolve(done);
    },
  };
}
