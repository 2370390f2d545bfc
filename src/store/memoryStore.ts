import { createId } from '@paralleldrive/cuid2';
import { defer, EMPTY, type Observable, of } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { beginningOf, defaultRetention, pageAfter } from './logSpan.js';
import type { Store } from './store.js';

/** Creates a store that keeps nothing beyond the process. All takes effect within `subscribe`. */
export function createMemoryStore(now: () => number = Date.now, retention = defaultRetention): Store {
  const epoch = createId();
  const instances = new Map<string, Instance>();
  const snapshots = new Map<string, Snapshot>();
  const cursors = new Map<string, number>();
  const runtimes = new Map<string, Map<string, Json>>();
  const log = new Map<number, LifecycleEvent>();
  let oldest = 1;
  let sequence = 0;

  const shorten = (): void => {
    const limit = now() - retention.maxAgeMs;
    const isOld = (place: number): boolean => (log.get(place) as LifecycleEvent).time < limit;
    const beginning = beginningOf({ oldest, sequence }, retention, Infinity, isOld);
    for (; oldest < beginning; oldest += 1) log.delete(oldest);
  };

  const keep = (event: LifecycleEvent): void => {
    log.set(event.sequence, event);
    if (event.action !== 'delete') {
      instances.set(event.instanceId, event.instance);
      return;
    }
    instances.delete(event.instanceId);
    for (const runtime of runtimes.values()) runtime.delete(event.instanceId);
  };

  return {
    epoch,
    load: () =>
      defer(() =>
        of({
          instances: [...instances.values()],
          snapshots: [...snapshots.values()],
          sequence,
          damaged: [],
        }),
      ),
    commit: (change) =>
      defer(() => {
        sequence += 1;
        const event = deepFreeze({ epoch, sequence, time: now(), ...change });
        keep(event);
        shorten();
        return of(event);
      }),
    read: (after, limit) =>
      defer(() => {
        const [first, last] = pageAfter(after, limit, epoch, { oldest, sequence });
        const events: LifecycleEvent[] = [];
        for (let place = first; place <= last; place += 1) events.push(log.get(place) as LifecycleEvent);
        return of({ events, oldest });
      }),

    loadCursor: (consumer) => defer(() => of(cursors.get(consumer))),
    saveCursor: (consumer, place) => done(() => cursors.set(consumer, place)),

    loadRuntime: (controller) => defer(() => of(new Map(runtimes.get(controller)))),
    saveRuntime: (controller, instanceId, value) =>
      done(() => {
        const runtime = runtimes.get(controller) ?? new Map<string, Json>();
        runtimes.set(controller, runtime);
        if (value === undefined) runtime.delete(instanceId);
        else if (instances.has(instanceId)) runtime.set(instanceId, deepFreeze(structuredClone(value)));
      }),

    saveSnapshot: (snapshot) => done(() => snapshots.set(snapshot.id, deepFreeze(snapshot))),
    deleteSnapshot: (id) => done(() => snapshots.delete(id)),

    close: () => EMPTY,
  };
}

const done = (work: () => unknown): Observable<never> =>
  defer(() => {
    work();
    return EMPTY;
  });
