import { createId } from '@paralleldrive/cuid2';
import { defer, EMPTY, type Observable, of } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { LifecycleEvent } from '../lifecycle/event.js';
import type { Instance, Json } from '../lifecycle/instance.js';
import type { Snapshot } from '../lifecycle/snapshot.js';
import { defaultRetention, emptySpan, pageAfter, shortened } from './logSpan.js';
import { createMemoryRecords } from './memoryRecords.js';
import { createMemoryRequests } from './memoryRequests.js';
import type { Store } from './store.js';
import { toldOutcome } from './toldOutcome.js';

/** Creates a store that keeps nothing beyond the process. All takes effect within `subscribe`. */
export function createMemoryStore(now: () => number = Date.now, retention = defaultRetention): Store {
  const epoch = createId();
  const instances = new Map<string, Instance>();
  const snapshots = new Map<string, Snapshot>();
  const cursors = new Map<string, number>();
  const runtimes = new Map<string, Map<string, Json>>();
  const log = new Map<number, LifecycleEvent>();
  const sizeOf = createSizeOf();
  const requests = createMemoryRequests(retention);
  const { damaged, ...records } = createMemoryRecords();
  let span = emptySpan;

  const shorten = (): void => {
    const limit = now() - retention.maxAgeMs;
    const at = (place: number): LifecycleEvent => log.get(place) as LifecycleEvent;
    const isOld = (place: number): boolean => at(place).time < limit;
    span = shortened(span, retention, Infinity, isOld, (place) => {
      const size = sizeOf(at(place));
      log.delete(place);
      return size;
    });
    span = requests.shorten(span);
  };

  const keep = (event: LifecycleEvent): void => {
    log.set(event.sequence, event);
    if (event.action === 'create_snapshot') snapshots.set(event.snapshot.id, event.snapshot);
    else if (event.action === 'delete_snapshot') snapshots.delete(event.snapshot.id);
    else if (event.instance !== undefined) instances.set(event.instanceId, event.instance);
    else {
      instances.delete(event.instanceId);
      for (const runtime of runtimes.values()) runtime.delete(event.instanceId);
    }
  };

  return {
    epoch,
    load: () =>
      defer(() =>
        of({
          instances: [...instances.values()],
          snapshots: [...snapshots.values()],
          sequence: span.sequence,
          damaged: damaged(),
        }),
      ),
    commit: (change, request) =>
      defer(() => {
        const sequence = span.sequence + 1;
        const event = deepFreeze({ epoch, sequence, time: now(), ...change });
        span = { ...span, sequence, bytes: span.bytes + sizeOf(event) };
        keep(event);
        shorten();
        const outcome = toldOutcome(event);
        if (request !== undefined && outcome !== undefined)
          span = requests.keep(span, request, outcome, true);
        return of(event);
      }),
    read: (after, limit) =>
      defer(() => {
        const [first, last] = pageAfter(after, limit, epoch, span);
        const events: LifecycleEvent[] = [];
        for (let place = first; place <= last; place += 1) events.push(log.get(place) as LifecycleEvent);
        return of({ events, oldest: span.oldest });
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

    ...records,

    saveRequest: (request) =>
      done(() => {
        span = requests.keep(span, request, request.outcome, false);
      }),
    loadRequest: (by, requestId) => defer(() => of(requests.find(by, requestId))),

    close: () => EMPTY,
  };
}

/** What an event takes beside its spec, which it shares with others. */
const bytesBesides = 400;

/** Creates what tells how much an event takes, which is the same each time that it is asked for the same event. */
function createSizeOf(): (event: LifecycleEvent) => number {
  const bySpec = new WeakMap<object, number>();
  return ({ instance, last, snapshot }) => {
    const { spec } = instance ?? last ?? snapshot ?? {};
    if (spec === undefined) return bytesBesides;
    const known = bySpec.get(spec) ?? JSON.stringify(spec).length;
    bySpec.set(spec, known);
    return bytesBesides + known;
  };
}

const done = (work: () => unknown): Observable<never> =>
  defer(() => {
    work();
    return EMPTY;
  });
