import { defer, mergeMap, Observable, repeat, type Subscriber, type Subscription, timer } from 'rxjs';
import { isInUse } from './isInUse.js';
import { findProcess, type ProcessHandle } from './processHandle.js';

/** Identifies a process among all that had or will have its pid. */
type Identity = Pick<ProcessHandle, 'pid' | 'startTime' | 'bootId'>;

/** Polls for the ends of processes that somebody else has started: the kernel notifies only their parent. */
export interface EndWatch {
  /** Completes once a process has ended. */
  ended(process: Identity): Observable<never>;
}

/** For how many, at each poll, the start time is compared; of the others only whether their pid is in use. */
const comparedAtATime = 32;
/** Milliseconds between two polls for each process: to ask whether its pid is in use takes a hundredth of that. */
const restMs = 0.25;

/** Creates an {@link EndWatch} that polls all processes in one go, every `pollMs`; less often when they are thousands. */
export function createEndWatch(pollMs: number): EndWatch {
  const watched = new Map<Subscriber<never>, Identity>();
  let polling: Subscription | undefined;

  /** Those whose turn it is to be compared; they come last the next time. */
  const next = (): readonly (readonly [Subscriber<never>, Identity])[] => {
    const some = [...watched].slice(0, comparedAtATime);
    for (const [subscriber, handle] of some) {
      watched.delete(subscriber);
      watched.set(subscriber, handle);
    }
    return some;
  };

  const poll = async (): Promise<void> => {
    for (const [subscriber, { pid }] of watched) if (!isInUse(pid)) subscriber.complete();
    await Promise.all(
      next().map(async ([subscriber, handle]) => {
        if (await hasEnded(handle)) subscriber.complete();
      }),
    );
  };

  const polls$ = defer(() => timer(Math.max(pollMs, watched.size * restMs))).pipe(mergeMap(poll), repeat());

  return {
    ended: (handle) =>
      new Observable((subscriber) => {
        watched.set(subscriber, handle);
        polling ??= polls$.subscribe();
        return () => {
          watched.delete(subscriber);
          if (watched.size > 0) return;
          polling?.unsubscribe();
          polling = undefined;
        };
      }),
  };
}

/** A failure is no proof of an end. */
const hasEnded = (handle: Identity): Promise<boolean> =>
  findProcess(handle).then(
    (entry) => entry === undefined,
    () => false,
  );
