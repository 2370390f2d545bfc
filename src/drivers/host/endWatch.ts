import { defer, mergeMap, Observable, repeat, type Subscriber, type Subscription, timer } from 'rxjs';
import { isInUse } from './isInUse.js';
import { findProcess, type ProcessHandle } from './processHandle.js';

/** What tells a process from others that had or will have its pid. */
type Identity = Pick<ProcessHandle, 'pid' | 'startTime' | 'bootId'>;

/** Looks out for the ends of processes that somebody else has started: only their parent is told of them. */
export interface EndWatch {
  /** Completes once a process has ended. */
  ended(process: Identity): Observable<never>;
}

/** Of how many it is asked each time whether whoever has the pid is still the same; of the others, whether somebody has it. */
const askedAtATime = 32;
/** How long to rest for each: to ask whether its pid is in use takes a hundredth of that. */
const restMs = 0.25;

/** Creates an {@link EndWatch} that looks at all processes in one go, every `pollMs`; less often when they are thousands. */
export function createEndWatch(pollMs: number): EndWatch {
  const watched = new Map<Subscriber<never>, Identity>();
  let looking: Subscription | undefined;

  /** Those whose turn it is to be asked about; they are last the next time. */
  const next = (): readonly (readonly [Subscriber<never>, Identity])[] => {
    const some = [...watched].slice(0, askedAtATime);
    for (const [subscriber, handle] of some) {
      watched.delete(subscriber);
      watched.set(subscriber, handle);
    }
    return some;
  };

  const look = async (): Promise<void> => {
    for (const [subscriber, { pid }] of watched) if (!isInUse(pid)) subscriber.complete();
    await Promise.all(
      next().map(async ([subscriber, handle]) => {
        if (await hasEnded(handle)) subscriber.complete();
      }),
    );
  };

  const looks$ = defer(() => timer(Math.max(pollMs, watched.size * restMs))).pipe(mergeMap(look), repeat());

  return {
    ended: (handle) =>
      new Observable((subscriber) => {
        watched.set(subscriber, handle);
        looking ??= looks$.subscribe();
        return () => {
          watched.delete(subscriber);
          if (watched.size > 0) return;
          looking?.unsubscribe();
          looking = undefined;
        };
      }),
  };
}

/** A look that fails is no proof of an end. */
const hasEnded = (handle: Identity): Promise<boolean> =>
  findProcess(handle).then(
    (entry) => entry === undefined,
    () => false,
  );
