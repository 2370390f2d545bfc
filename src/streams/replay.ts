import { asyncScheduler, noop } from 'rxjs';
import { ManagerClosed } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { FeedSource } from './feed.js';
import type { LifecycleLog } from './lifecycleLog.js';
import type { Listener } from './listeners.js';
import { readOnce } from './readOnce.js';
import type { Listen, PausedListeners } from './pausedListeners.js';

/** Where a replay begins, and how it goes. */
export interface ReplayOptions {
  /** Place after which it begins; without one it begins live. */
  readonly after?: Cursor | undefined;
  /** How many events are read at a time. */
  readonly pageSize: number;
  /** Of which instance; without one, of all. */
  readonly instanceId?: string | undefined;
  /** Which of these to tell; without it, each. */
  readonly wants?: ((event: LifecycleEvent) => boolean) | undefined;
  /** Called whenever events that were not heard live are read from the log, once until it is live again. */
  readonly onResumed: () => void;
}

/** How many events are read from the log at a time, and told in one turn, at most. */
export const largestPage = 1_000;

/** How many events to read at a time for a queue of this capacity: few more than it can take. */
export const pageFor = (capacity: number): number => Math.min(Math.max(capacity, 64), largestPage);

/**
 * Brings a subscriber every event after a place, once and in order: from the log, page by page, 1,000 events a turn at
 * most, then live. It goes over within the turn in which the log has no more and nothing was published while it was read: so
 * a publisher who never pauses is caught up with as well, and nothing is kept meanwhile but a page.
 *
 * While it is paused it emits nothing; resumed, it reads on from the log.
 *
 * Errors: those of the log; {@link ManagerClosed} when the bus closes before it has told all that is in the log.
 */
export const replay =
  (
    log: LifecycleLog,
    paused: PausedListeners<LifecycleEvent>,
    listen: Listen<LifecycleEvent>,
    { after, pageSize, instanceId, wants = always, onResumed }: ReplayOptions,
  ): FeedSource<LifecycleEvent> =>
  (subscriber) => {
    let last = after;
    /** What was read and is still to be told, the next event last. */
    let page: LifecycleEvent[] = [];
    let isLive = false;
    let isPaused = false;
    // While it reads, or waits for its turn.
    let isBusy = false;
    let isEmitting = false;
    // How many more may be told in this turn.
    let spare = 0;
    let isBehind = false;
    let unlisten = noop;

    const emit = (event: LifecycleEvent): void => {
      last = event;
      if (instanceId !== undefined && event.instanceId !== instanceId) return;
      if (wants(event)) subscriber.next(event);
    };

    const listener: Listener<LifecycleEvent> = {
      next: (event) => {
        // The log may have told it already, while its publish was still to come.
        if (last === undefined || event.sequence > last.sequence) emit(event);
      },
      complete: () => {
        subscriber.complete();
      },
    };

    const goLive = (): void => {
      unlisten();
      isBusy = false;
      isBehind = false;
      isLive = true;
      unlisten = listen(listener);
    };

    const standBy = (): void => {
      unlisten();
      isLive = false;
      unlisten = paused.add(() => {
        if (hasAll()) subscriber.complete();
        else subscriber.error(new ManagerClosed());
      });
    };

    /** Whether the log has nothing more to tell, as far as can be found out at once. */
    const hasAll = (): boolean => {
      let isEnd = false;
      readOnce(
        () => log.read(last as Cursor, 1),
        (found) => {
          isEnd = 'value' in found && found.value.events.length === 0;
        },
      ).unsubscribe();
      return isEnd;
    };

    // What is told may come back here, and so may a read that answers at once: the flag makes this one loop.
    const goOn = (): void => {
      if (isEmitting) return;
      isEmitting = true;
      while (!isLive && !isBusy && !isPaused && !subscriber.closed) {
        const event = page.pop();
        if (event === undefined) readOn(last as Cursor);
        else emit(event);
      }
      isEmitting = false;
    };

    const readOn = (from: Cursor): void => {
      isBusy = true;
      const { published } = paused;
      const reading = readOnce(
        () => log.read(from, pageSize),
        (found) => {
          if ('error' in found) subscriber.error(found.error);
          else if (found.value.events.length > 0) take(found.value.events);
          else if (paused.published === published) goLive();
          else readOn(from);
        },
      );
      subscriber.add(reading);
    };

    const take = (events: readonly LifecycleEvent[]): void => {
      if (!isBehind) onResumed();
      isBehind = true;
      page = events.toReversed();
      if (spare >= page.length) goOnWith(spare);
      else subscriber.add(asyncScheduler.schedule(goOnInTurn));
    };

    const goOnInTurn = (): void => {
      goOnWith(largestPage);
    };

    const goOnWith = (allowed: number): void => {
      spare = allowed - page.length;
      isBusy = false;
      goOn();
    };

    subscriber.add(() => {
      unlisten();
    });

    return {
      start: () => {
        if (last === undefined) goLive();
        else {
          standBy();
          goOn();
        }
      },
      pause: () => {
        isPaused = true;
        standBy();
      },
      resume: () => {
        isPaused = false;
        goOn();
        return undefined;
      },
    };
  };

const always = (): boolean => true;
