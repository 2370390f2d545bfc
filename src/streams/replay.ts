import { asyncScheduler, Observable, type Subscription } from 'rxjs';
import { ManagerClosed } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { LifecycleLog } from './lifecycleLog.js';
import type { Listener } from './listeners.js';
import { look } from './look.js';
import type { GatedSource, Join, Turnstile } from './turnstile.js';

/** Where a replay begins, and how it goes. */
export interface ReplayOptions {
  /** Place after which it begins; without one it begins live. */
  readonly after?: Cursor | undefined;
  /** How many events are read at a time. */
  readonly pageSize: number;
  /** Of which instance; without one, of all. */
  readonly instanceId?: string | undefined;
  /** Called whenever events that were not heard live are read from the log, once until it is live again. */
  readonly onResumed: () => void;
}

/** How many events are read from the log at a time, and told in one turn, at most. */
export const largestPage = 1_000;

/**
 * Brings one subscriber every event after a place, once and in order: from the log, page by page, 1,000 events a turn at
 * most, then live. It goes over within the turn in which the log has no more and nothing was published while it was read: so
 * a publisher who never pauses is caught up with as well, and nothing is kept meanwhile but a page.
 *
 * While its gate is closed it tells nothing. Once it is open again, it reads on from the log.
 *
 * Errors: those of the log; {@link ManagerClosed} when the bus closes before it has told all that is in the log.
 */
export function replay(
  log: LifecycleLog,
  turnstile: Turnstile<LifecycleEvent>,
  join: Join<LifecycleEvent>,
  { after, pageSize, instanceId, onResumed }: ReplayOptions,
): GatedSource<LifecycleEvent> {
  let last = after;
  let page: readonly LifecycleEvent[] = [];
  let told = 0;
  let isLive = false;
  let isShut = false;
  // While it reads, or waits for its turn.
  let isBusy = false;
  let isTelling = false;
  // How many more may be told in this turn.
  let spare = 0;
  let isBehind = false;
  let goLive = nothing;
  let goOn = nothing;
  let leave = nothing;
  let standBy = nothing;

  return {
    values$: new Observable((subscriber) => {
      let turn: Subscription | undefined;

      const tell = (event: LifecycleEvent): void => {
        last = event;
        if (instanceId === undefined || event.instanceId === instanceId) subscriber.next(event);
      };

      const listener: Listener<LifecycleEvent> = {
        next: (event) => {
          // The log may have told it already, while its publish was still to come.
          if (!isKnown(event, last)) tell(event);
        },
        complete: () => {
          subscriber.complete();
        },
      };

      const fail = (error: unknown): void => {
        subscriber.error(error);
      };

      const take = (events: readonly LifecycleEvent[]): void => {
        if (!isBehind) onResumed();
        isBehind = true;
        page = events;
        told = 0;
        if (spare < events.length) turn = asyncScheduler.schedule(goOnInTurn);
        else goOnWith(spare - events.length);
      };

      const goOnInTurn = (): void => {
        goOnWith(largestPage - page.length);
      };

      const goOnWith = (left: number): void => {
        spare = left;
        isBusy = false;
        goOn();
      };

      const readOn = (from: Cursor): void => {
        isBusy = true;
        const { passed } = turnstile;
        const reading = look(
          () => log.read(from, pageSize),
          (found) => {
            if ('error' in found) fail(found.error);
            else if (found.value.events.length > 0) take(found.value.events);
            else if (turnstile.passed === passed) goLive();
            else readOn(from);
          },
        );
        subscriber.add(reading);
      };

      /** Whether the log has nothing more to tell, as far as can be found out at once. */
      const hasAll = (): boolean => {
        let isEnd = false;
        look(
          () => log.read(last as Cursor, 1),
          (found) => {
            isEnd = 'value' in found && found.value.events.length === 0;
          },
        ).unsubscribe();
        return told === page.length && isEnd;
      };

      // What is told may come back here, and so may a read that answers at once: the flag makes this one loop.
      goOn = () => {
        if (isTelling) return;
        isTelling = true;
        while (!isLive && !isBusy && !isShut && !subscriber.closed) {
          if (told < page.length) tell(page[told++] as LifecycleEvent);
          else readOn(last as Cursor);
        }
        isTelling = false;
      };

      goLive = () => {
        leave();
        isBusy = false;
        isBehind = false;
        isLive = true;
        page = [];
        told = 0;
        leave = join(listener);
      };

      standBy = () => {
        leave();
        isLive = false;
        leave = turnstile.wait(() => {
          if (hasAll()) subscriber.complete();
          else fail(new ManagerClosed());
        });
      };

      if (last === undefined) goLive();
      else {
        standBy();
        goOn();
      }
      return () => {
        turn?.unsubscribe();
        leave();
        goOn = nothing;
      };
    }),
    gate: {
      close: () => {
        isShut = true;
        if (isLive) standBy();
      },
      open: () => {
        isShut = false;
        goOn();
        return undefined;
      },
    },
  };
}

const isKnown = (event: LifecycleEvent, last: Cursor | undefined): boolean =>
  event.epoch === last?.epoch && event.sequence <= last.sequence;

const nothing = (): void => undefined;
