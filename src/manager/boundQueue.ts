import { AsyncResource } from 'node:async_hooks';
import { Observable, type Subscription } from 'rxjs';
import { createKeyedQueue, type KeyedQueue } from '../streams/keyedQueue.js';

/**
 * Creates a queue of which each task runs in the asynchronous context of whoever put it there: what waits is begun by the end of the task before it, and
 * would find that one's `AsyncLocalStorage`, and with it the wrong trace.
 */
export function createBoundQueue(): KeyedQueue {
  const queue = createKeyedQueue();
  return {
    run: (key, task) => {
      const within = AsyncResource.bind((work: () => Subscription) => work());
      return queue.run(key, () => new Observable((subscriber) => within(() => task().subscribe(subscriber))));
    },
    whenIdle: queue.whenIdle,
    get size() {
      return queue.size;
    },
  };
}
