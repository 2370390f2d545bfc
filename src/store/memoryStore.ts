import { createId } from '@paralleldrive/cuid2';
import { EMPTY, Observable, of } from 'rxjs';
import type { LifecycleEvent } from '../lifecycle/event.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { Store } from './store.js';

/**
 * Creates a store that keeps nothing beyond the process: the manager's own table is the only copy, and the log is only
 * numbered. Commits take effect within `subscribe`.
 */
export function createMemoryStore(now: () => number = Date.now): Store {
  const epoch = createId();
  let sequence = 0;
  return {
    epoch,
    load: () => of({ instances: [], sequence }),
    commit: (change) =>
      new Observable<LifecycleEvent>((subscriber) => {
        sequence += 1;
        subscriber.next(deepFreeze({ epoch, sequence, time: now(), ...change }));
        subscriber.complete();
      }),
    close: () => EMPTY,
  };
}
