import { defer, EMPTY, ignoreElements, Observable, Subject, type Subscriber, take } from 'rxjs';
import { Fifo } from './fifo.js';

/** Runs tasks of one key one after another, and tasks of different keys side by side. */
export interface KeyedQueue {
  /**
   * Puts a task in the queue of its key, on subscribe. A task that has begun runs to its end, whoever still listens;
   * one whose subscriber has gone before its turn is left out. A task that begins at once begins within `subscribe`.
   */
  run<T>(key: string, task: () => Observable<T>): Observable<T>;
  /** Completes once no task is under way and none waits; at once when that is so. */
  whenIdle(): Observable<never>;
  /** How many keys have a task under way. */
  readonly size: number;
}

/** Begins a task; `release` is called once, at its end. */
type Begin = (release: () => void) => void;

interface Lane {
  readonly waiting: Fifo<Begin>;
  busy: boolean;
  draining: boolean;
}

/** Creates a {@link KeyedQueue}; a key is forgotten with its last task. */
export function createKeyedQueue(): KeyedQueue {
  const lanes = new Map<string, Lane>();
  const emptied$ = new Subject<void>();

  // A task that ends at once comes back here: the flag turns what would be recursion into this loop.
  const drain = (key: string, lane: Lane): void => {
    if (lane.draining) return;
    lane.draining = true;
    while (!lane.busy) {
      const begin = lane.waiting.shift();
      if (begin === undefined) break;
      lane.busy = true;
      begin(() => {
        lane.busy = false;
        drain(key, lane);
      });
    }
    lane.draining = false;
    if (lane.busy) return;
    lanes.delete(key);
    if (lanes.size === 0) emptied$.next();
  };

  const enter = (key: string, begin: Begin): void => {
    const lane = lanes.get(key) ?? { waiting: new Fifo<Begin>(), busy: false, draining: false };
    lanes.set(key, lane);
    lane.waiting.push(begin);
    drain(key, lane);
  };

  return {
    run: (key, task) =>
      new Observable((subscriber) => {
        enter(key, (release) => {
          if (subscriber.closed) release();
          else follow(task, subscriber, release);
        });
      }),
    whenIdle: () => defer(() => (lanes.size === 0 ? EMPTY : emptied$.pipe(take(1), ignoreElements()))),
    get size() {
      return lanes.size;
    },
  };
}

/** Subscribes to a task for good: what the subscriber does has no bearing on it. The queue is left before the end is told. */
function follow<T>(task: () => Observable<T>, subscriber: Subscriber<T>, release: () => void): void {
  let task$: Observable<T>;
  try {
    task$ = task();
  } catch (error) {
    release();
    subscriber.error(error);
    return;
  }
  task$.subscribe({
    next: (value) => {
      subscriber.next(value);
    },
    error: (error: unknown) => {
      release();
      subscriber.error(error);
    },
    complete: () => {
      release();
      subscriber.complete();
    },
  });
}
