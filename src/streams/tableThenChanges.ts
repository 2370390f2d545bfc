import { asapScheduler, first, NEVER, Observable, Subscriber, type Subscription } from 'rxjs';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { changeOf, type InstanceChange } from '../lifecycle/instanceChange.js';
import { type EventFilter, hasConditions } from './instanceFilter.js';
import { createTablePart } from './tablePart.js';
import { connect } from './connect.js';
import type { QueueInput } from './feed.js';
import type { QueueSettings } from './queueSettings.js';
import { RingBuffer } from './ringBuffer.js';

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
 * With a filter the table is of those for which that holds; the events that are told may be those of its `instanceId` alone. What
 * concerns none of them takes no place in the queue.
 *
 * A read has to show at least what the events told before it was begun; its first value counts.
 *
 * Errors: those of the events, of the read, and of `onLag`; `EmptyError` for a read without a value.
 */
export function tableThenChanges(
  { source, recorder }: QueueInput<LifecycleEvent>,
  read: () => Observable<TableView>,
  settings: QueueSettings<LifecycleEvent>,
  closing$: Observable<void> = NEVER,
  filter: EventFilter = {},
): Observable<InstanceChange> {
  const isPart = filter.instanceId !== undefined || hasConditions(filter);
  return new Observable<InstanceChange>((subscriber) => {
    const part = isPart ? createTablePart(filter) : undefined;
    let cursor: Cursor = { epoch: '', sequence: 0 };
    let reading = false;
    let turn: Subscription | undefined;
    let isClosing = false;
    let completed = false;

    const isKnown = (event: LifecycleEvent): boolean =>
      event.epoch === cursor.epoch && event.sequence <= cursor.sequence;

    const isNext = (event: LifecycleEvent): boolean =>
      event.epoch === cursor.epoch && (isPart || event.sequence === cursor.sequence + 1);

    const readTable = (): void => {
      reading = true;
      connect(read().pipe(first()), subscriber, {
        next: ({ instances, epoch, sequence }) => {
          cursor = { epoch, sequence };
          const told = part === undefined ? instances : part.begin(instances);
          subscriber.next({ kind: 'snapshot', instances: told, cursor: { epoch, sequence } });
        },
        error: fail,
        complete: () => {
          reading = false;
          flushSoon();
        },
      });
    };

    const bringLevel = (): void => {
      recorder.lagged();
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
        const change = part === undefined ? changeOf(event) : part.change(event);
        if (change !== undefined) subscriber.next(change);
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

    const link = new Subscriber<LifecycleEvent>({
      next: (event: LifecycleEvent) => {
        if (part?.mayConcern(event, reading) === false) return;
        queue.push(event);
        flushSoon();
      },
      error: fail,
      complete: () => {
        completed = true;
        flushSoon();
      },
    });
    const feed = source(link);
    const queue = new RingBuffer<LifecycleEvent>(settings, recorder, feed);
    subscriber.add(recorder.opened(queue));
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
    subscriber.add(link);
    feed.start();
    readTable();
  });
}
