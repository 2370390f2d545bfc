import { ignoreElements, type Observable, retry, timer } from 'rxjs';
import type { KeyedQueue } from '../streams/keyedQueue.js';
import type { Logger } from '../instances/logger.js';

/**
 * Does a task in the queue of an instance, and does it again for as long as it fails: after 100 ms, then after twice as long each
 * time, up to 5 s. The queue is free meanwhile. Unsubscribing ends it.
 */
export type UntilKept = (
  instanceId: string,
  fields: object,
  task: () => Observable<unknown>,
) => Observable<never>;

const firstDelayMs = 100;
const longestDelayMs = 5_000;

/** Creates an {@link UntilKept}. The first failure is a warning, with the fields. */
export const createUntilKept =
  (queue: Pick<KeyedQueue, 'run'>, logger: Logger): UntilKept =>
  (instanceId, fields, task) =>
    queue.run(instanceId, task).pipe(
      ignoreElements(),
      retry({
        delay: (err, times) => {
          const delayMs = Math.min(firstDelayMs * 2 ** (times - 1), longestDelayMs);
          const told = { ...fields, instanceId, delayMs, err: err as unknown };
          if (times === 1) logger.warn(told, 'what became of an instance could not be kept: tried again');
          else logger.debug(told, 'what became of an instance can still not be kept');
          return timer(delayMs);
        },
      }),
    );
