import { asapScheduler, defer, EMPTY, observeOn, of } from 'rxjs';
import { CursorExpired } from '../../src/lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../../src/lifecycle/event.js';
import { createLifecycleBus } from '../../src/streams/lifecycleBus.js';
import type { LifecycleLog } from '../../src/streams/lifecycleLog.js';
import { anUpdate } from './lifecycleEvents.js';

interface LoggedBusOptions {
  /** Events that the log has before the bus begins. */
  readonly before?: number;
  /** How many events the log keeps. */
  readonly keeps?: number;
  /** Whether to read takes a turn. */
  readonly isSlow?: boolean;
}

/** A bus and the log of all that it publishes, whose events are numbered from 1 on. */
export function createLoggedBus({ before = 0, keeps = Infinity, isSlow = false }: LoggedBusOptions = {}) {
  const events: LifecycleEvent[] = [];
  const cursors = new Map<string, number>();
  const reads: (readonly [after: number, limit: number])[] = [];
  const saves: number[] = [];

  const log: LifecycleLog = {
    head: () => ({ epoch: 'e', sequence: events.length }),
    read: (after, limit) => {
      const page$ = defer(() => {
        reads.push([after.sequence, limit]);
        const oldest = Math.max(1, events.length - keeps + 1);
        if (after.epoch !== 'e' || after.sequence > events.length || after.sequence < oldest - 1) {
          throw new CursorExpired({ cursor: after, oldest, epoch: 'e' });
        }
        return of({ events: events.slice(after.sequence, after.sequence + limit) });
      });
      return isSlow ? page$.pipe(observeOn(asapScheduler)) : page$;
    },
    loadCursor: (consumer) => defer(() => of(cursors.get(consumer))),
    saveCursor: (consumer, sequence) =>
      defer(() => {
        saves.push(sequence);
        cursors.set(consumer, sequence);
        return EMPTY;
      }),
  };

  /** Puts the next event into the log. */
  const commit = (id = 'a'): LifecycleEvent => {
    const event = anUpdate(events.length + 1, { id });
    events.push(event);
    return event;
  };
  for (let index = 0; index < before; index += 1) commit();

  const bus = createLifecycleBus({ log });
  return {
    bus,
    log,
    events,
    reads,
    saves,
    cursors,
    commit,
    publish: (count = 1, id = 'a'): void => {
      for (let index = 0; index < count; index += 1) bus.publish(commit(id));
    },
  };
}

/** A place in the log of {@link createLoggedBus}. */
export const place = (sequence: number): Cursor => ({ epoch: 'e', sequence });

/** The whole numbers from one to another, both included. */
export const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
