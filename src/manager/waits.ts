import { defer, type Observable, tap } from 'rxjs';
import type { Instance } from '../lifecycle/instance.js';
import type { State } from '../lifecycle/state.js';
import { createSharedPoll } from '../streams/sharedPoll.js';
import {
  type StateSource,
  type WaitOptions,
  type WaitOutcome,
  waitThrough,
} from '../streams/waitForState.js';
import type { Measurement } from './commands.js';
import { stopwatch } from './stopwatch.js';

/** Waits for a state of the instance with this exact id. */
export type Wait = (
  instanceId: string,
  target: State | readonly State[],
  options: WaitOptions,
) => Observable<WaitOutcome>;

/** Creates the waits of a manager: all share one poll, and the end of each is measured. */
export function createWaits(
  source: StateSource,
  poll: (instanceId: string) => Observable<Instance>,
  measure: (measurement: Measurement) => void,
): Wait {
  const sharedPoll = createSharedPoll(poll);

  return (instanceId, target, options) =>
    defer(() => {
      const seconds = stopwatch();
      return waitThrough(source, sharedPoll, instanceId, target, options).pipe(
        tap({
          next: ({ state, timedOut, via }) => {
            const reached = [target].flat().includes(state);
            const outcome = timedOut ? 'timed_out' : reached ? 'reached' : 'unreachable';
            measure({ kind: 'wait', outcome, via, seconds: seconds() });
          },
          error: () => {
            measure({ kind: 'wait', outcome: 'failed', via: 'none', seconds: seconds() });
          },
        }),
      );
    });
}
