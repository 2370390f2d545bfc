import * as E from 'fp-ts/lib/Either.js';
import { defer, mergeMap, type Observable, of, tap } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { Fault } from '../lifecycle/errors.js';
import type { Change, Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Database, Row } from './database.js';
import type { GroupCommit, Transaction } from './groupCommit.js';
import { keptOf, type LogSpan, pageAfter, type Retention } from './logSpan.js';
import type { Header, TimedChange } from './recordCodecs.js';
import type { DamagedRecord, LogPage } from './store.js';
import { events, eventName, header, headerName, setAside } from './tables.js';

/** The log of events in a database. */
export interface EventLog {
  /** Writes the next event, and takes away what need not be kept any more. */
  append(transaction: Transaction<LogSpan>, change: Change): LifecycleEvent;
  /** Takes away at most so many events that need not be kept; tells how many. */
  shorten(transaction: Transaction<LogSpan>, most: number): number;
  /** See `Store`. */
  read(after: Cursor, limit: number): Observable<LogPage>;
}

/** What a log needs. */
export interface EventLogOptions {
  readonly retention: Retention;
  readonly now: () => number;
  /** Told of an event that can't be understood; it has been set aside, and the log begins after it. */
  readonly onDamaged: (damaged: DamagedRecord) => void;
}

/** How many old events go with a new one at most. */
const goneWithOne = 16;

/** Creates the log of a database that holds the events of the group's span. */
export function createEventLog(
  database: Database,
  group: GroupCommit<LogSpan>,
  { epoch, origin }: Omit<Header, 'floor'>,
  { retention, now, onDamaged }: EventLogOptions,
): EventLog {
  /** An event and its time: those after it are not older, and need not be looked up. */
  let known = { sequence: 0, time: -Infinity };

  const isOld = (transaction: Transaction<LogSpan>, sequence: number): boolean => {
    const limit = now() - retention.maxAgeMs;
    if (sequence >= known.sequence && known.time >= limit) return false;
    const event = eventIn(transaction, sequence);
    // What can't be understood is of no use to anyone.
    known = { sequence, time: E.isRight(event) ? event.right.time : -Infinity };
    return known.time < limit;
  };

  const shorten: EventLog['shorten'] = (transaction, most) => {
    const { oldest } = transaction.state;
    const kept = keptOf(
      transaction.state,
      retention,
      most,
      (each) => isOld(transaction, each),
      (each) => bytesOf(transaction, each),
    );
    for (let gone = oldest; gone < kept.oldest; gone += 1) transaction.remove(keyOf(gone));
    transaction.state = kept;
    return kept.oldest - oldest;
  };

  /**
   * A log with a hole in it is none: it begins anew after an event that can't be understood. Looks again in its turn, since
   * a transaction that is under way may have taken the event away by now.
   */
  const cutOff = (sequence: number): Observable<unknown> => {
    const key = keyOf(sequence);
    return group
      .run((transaction) => {
        const { oldest, sequence: last } = transaction.state;
        let { bytes: left } = transaction.state;
        const event = eventIn(transaction, sequence);
        if (sequence < oldest || E.isRight(event)) return undefined;
        const bytes = transaction.get(key);
        for (let gone = oldest; gone <= sequence; gone += 1) {
          left -= bytesOf(transaction, gone);
          transaction.remove(keyOf(gone));
        }
        transaction.put(header.encode(headerName, { epoch, origin, floor: sequence + 1 }));
        if (bytes !== undefined) setAside(transaction, { key, bytes });
        transaction.state = { oldest: sequence + 1, sequence: last, bytes: left };
        return event.left;
      })
      .pipe(
        tap((faults) => {
          if (faults !== undefined) onDamaged({ key, faults });
        }),
      );
  };

  const read: EventLog['read'] = (after, limit) =>
    defer(() => {
      const { oldest, sequence: end } = group.state();
      const [first, last] = pageAfter(after, limit, epoch, { oldest, sequence: end });
      const rows = last < first ? [] : database.range(keyOf(first), keyOf(last + 1), limit);
      const page: LifecycleEvent[] = [];
      for (let sequence = first; sequence <= last; sequence += 1) {
        const event = eventOf(sequence, rows[sequence - first]);
        if (E.isLeft(event)) return cutOff(sequence).pipe(mergeMap(() => read(after, limit)));
        const { time, change } = event.right;
        page.push(deepFreeze({ epoch, sequence, time, ...change }));
      }
      return of({ events: page, oldest });
    });

  return {
    append: (transaction, change) => {
      const { oldest, sequence: last, bytes } = transaction.state;
      const [sequence, time] = [last + 1, now()];
      const row = events.encode(eventName(sequence), { time, change });
      transaction.put(row);
      transaction.state = { oldest, sequence, bytes: bytes + row.bytes.length };
      shorten(transaction, goneWithOne);
      return deepFreeze({ epoch, sequence, time, ...change });
    },
    shorten,
    read,
  };
}

const bytesOf = ({ get }: Transaction<LogSpan>, sequence: number): number =>
  get(keyOf(sequence))?.length ?? 0;

const keyOf = (sequence: number): string => events.keyOf(eventName(sequence));

const eventIn = (
  { get }: Transaction<LogSpan>,
  sequence: number,
): E.Either<readonly Fault[], TimedChange> => {
  const key = keyOf(sequence);
  const bytes = get(key);
  return eventOf(sequence, bytes && { key, bytes });
};

/** Decodes the record that stands where an event has to be. */
function eventOf(sequence: number, row: Row | undefined): E.Either<readonly Fault[], TimedChange> {
  return row?.key === keyOf(sequence)
    ? events.decode(row)
    : E.left([{ path: '', found: 'nothing', expected: 'an event' }]);
}
