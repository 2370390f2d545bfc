import { AsyncResource } from 'node:async_hooks';
import { Observable } from 'rxjs';
import { createKeyedQueue, type KeyedQueue } from '../streams/keyedQueue.js';

/**
 * Creates a queue of which each task runs in the asynchronous context of whoever put it there: what waits is begun by the end of the task before it, and
 * would find that one's `AsyncLocalStorage`, and with it the wrong trace.
 */
export function createBoundQueue(): KeyedQueue {
  const queue = createKeyedQueue();
  return {
    run: (key, task) => {
      // `AsyncResource.bind` does the same in a hundred times the time.
      const caller = new AsyncResource('rx-instances');
      return queue.run(
        key,
        () => new Observable((subscriber) => caller.runInAsyncScope(() => task().subscribe(subscriber))),
      );
    },
    whenIdle: queue.whenIdle,
    get size() {
      return queue.size;
    },
  };
}
