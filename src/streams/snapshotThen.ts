import { asapScheduler, first, NEVER, Observable, type OperatorFunction, type Subscription } from 'rxjs';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import type { QueueSettings } from './buffering.js';
import { connect } from './connect.js';
import { RingBuffer } from './ringBuffer.js';

/**
 * What a watcher is told: the whole table first and after every lag, then one change after another. Whoever applies
 * each in turn holds the true table. The cursor of a snapshot is the place of the last event that is in it.
 *
 * `removed` has the instance as it last was in `last`. `closing` changes nothing in the table: it comes once, when the manager
 * begins to close, before the stops are told; from then on every verb fails with {@link ManagerClosed}.
 */
export type InstanceChange =
  | { readonly kind: 'snapshot'; readonly instances: readonly Instance[]; readonly cursor: Cursor }
  | { readonly kind: 'upsert'; readonly instance: Instance; readonly event: LifecycleEvent }
  | {
      readonly kind: 'removed';
      readonly instanceId: string;
      readonly last?: Instance;
      readonly event: LifecycleEvent;
    }
  | { readonly kind: 'closing' };

/** All instances as they were after the event at this cursor. */
export interface TableView extends Cursor {
  readonly instances: readonly Instance[];
}

/**
 * Turns events into a table and its changes: subscribes, then reads the table, then emits the events that came after
 * it. Changes are emitted in a turn of their own, never within the publisher's call; when more than `capacity` wait for
 * it, or when the sequence of the events has a hole, what waits is forgotten and the table is read again.
 *
 * Once `closing$` has emitted, that is told before any change that is still to be told, never before the table.
 *
 * A read has to show at least what the events told before it was begun; its first value counts.
 *
 * Errors: those of the events, of the read, and of `onLag`; `EmptyError` for a read without a value.
 */
export function snapshotThen(
  read: () => Observable<TableView>,
  settings: QueueSettings<LifecycleEvent>,
  closing$: Observable<void> = NEVER,
): OperatorFunction<LifecycleEvent, InstanceChange> {
  return (events$) =>
    new Observable<InstanceChange>((subscriber) => {
      const queue = new RingBuffer<LifecycleEvent>(settings);
      let cursor: Cursor = { epoch: '', sequence: 0 };
      let reading = false;
      let turn: Subscription | undefined;
      let isClosing = false;
      let completed = false;

      const isKnown = (event: LifecycleEvent): boolean =>
        event.epoch === cursor.epoch && event.sequence <= cursor.sequence;

      const isNext = (event: LifecycleEvent): boolean =>
        event.epoch === cursor.epoch && event.sequence === cursor.sequence + 1;

      const readTable = (): void => {
        reading = true;
        connect(read().pipe(first()), subscriber, {
          next: ({ instances, epoch, sequence }) => {
            cursor = { epoch, sequence };
            subscriber.next({ kind: 'snapshot', instances, cursor: { epoch, sequence } });
          },
          error: fail,
          complete: () => {
            reading = false;
            flushSoon();
          },
        });
      };

      const bringLevel = (): void => {
        settings.ledger.lagged();
        queue.clear();
        readTable();
      };

      const flush = (): void => {
        turn = undefined;
        while (!reading && !subscriber.closed) {
          if (isClosing) {
            isClosing = false;
            subscriber.next({ kind: 'closing' });
            continue;
          }
          const lag = queue.takeLag();
          if (lag !== undefined && !isKnown(lag.to)) {
            settings.onLag(lag);
            bringLevel();
            return;
          }
          if (queue.size === 0) break;
          const event = queue.shift();
          if (isKnown(event)) continue;
          if (!isNext(event)) {
            bringLevel();
            return;
          }
          cursor = event;
          subscriber.next(changeOf(event));
        }
        if (completed && !reading) subscriber.complete();
      };

      const flushSoon = (): void => {
        if (turn === undefined && !reading) turn = asapScheduler.schedule(guarded);
      };

      const guarded = (): void => {
        try {
          flush();
        } catch (error) {
          fail(error);
        }
      };

      const fail = (error: unknown): void => {
        subscriber.error(error);
      };

      subscriber.add(settings.ledger.opened(queue));
      subscriber.add(() => {
        turn?.unsubscribe();
        queue.clear();
      });
      subscriber.add(
        closing$.subscribe(() => {
          isClosing = true;
          flushSoon();
        }),
      );
      connect(events$, subscriber, {
        next: (event) => {
          queue.push(event);
          flushSoon();
        },
        error: fail,
        complete: () => {
          completed = true;
          flushSoon();
        },
      });
      readTable();
    });
}

const changeOf = (event: LifecycleEvent): InstanceChange =>
  event.action === 'delete'
    ? {
        kind: 'removed',
        instanceId: event.instanceId,
        ...(event.last !== undefined && { last: event.last }),
        event,
      }
    : { kind: 'upsert', instance: event.instance, event };
