import type { Instance, LifecycleEvent, State } from 'rx-instances';
import { exhaustMap, filter, first, interval, map, merge, type Observable, timeout } from 'rxjs';

/** How long a race runs, and how often it looks. */
export interface RaceOptions {
  readonly timeoutMs: number;
  readonly pollMs: number;
}

/**
 * A wait for a state as one writes it with the operators of RxJS: everybody's events through a filter, beside an interval
 * that reads, under a timeout. Each wait has its own subscription and its own timers.
 */
export function rxjsRace(
  events$: Observable<LifecycleEvent>,
  read: (instanceId: string) => Observable<Instance>,
  instanceId: string,
  target: State,
  { timeoutMs, pollMs }: RaceOptions,
): Observable<Pick<Instance, 'state'>> {
  const told$ = events$.pipe(
    filter((event) => event.instanceId === instanceId),
    map(({ instance }) => ({ state: instance?.state ?? 'Unknown' })),
  );
  const found$ = interval(pollMs).pipe(exhaustMap(() => read(instanceId)));
  return merge(told$, found$).pipe(
    first(({ state }) => state === target),
    timeout(timeoutMs),
  );
}
