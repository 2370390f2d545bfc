import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { defer, mergeMap, type Observable, of, tap } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { Fault } from '../lifecycle/errors.js';
import type { CausedChange, Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { InstanceSpec } from '../lifecycle/instance.js';
import type { Database, Row } from './database.js';
import type { GroupCommit, Transaction } from './groupCommit.js';
import { pageAfter, type Retention, shortened, type StoreState } from './logSpan.js';
import type { Header, StoredEvent } from './recordCodecs.js';
import { createSharedSpecs, type SharedSpecs } from './sharedSpecs.js';
import type { DamagedRecord, LogPage } from './store.js';
import { events, header, headerName, placeName, setAside } from './tables.js';

/** The log of events in a database. */
export interface EventLog {
  /** Writes the next event, with the JSON of its instance where it has one, and takes away what need not be kept any more. */
  append(transaction: Transaction<StoreState>, change: CausedChange, instance?: string): LifecycleEvent;
  /** Takes away at most so many events that need not be kept; tells how many. */
  shorten(transaction: Transaction<StoreState>, most: number): number;
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
  group: GroupCommit<StoreState>,
  { epoch, origin }: Omit<Header, 'floor'>,
  { retention, now, onDamaged }: EventLogOptions,
): EventLog {
  const shared = createSharedSpecs(database);
  /** An event and its time: those after it are not older, and need not be looked up. */
  let known = { sequence: 0, time: -Infinity };

  const isOld = (transaction: Transaction<StoreState>, sequence: number): boolean => {
    const limit = now() - retention.maxAgeMs;
    if (sequence >= known.sequence && known.time >= limit) return false;
    const event = eventIn(transaction, sequence);
    // What can't be understood is of no use to anyone.
    known = { sequence, time: E.isRight(event) ? event.right.time : -Infinity };
    return known.time < limit;
  };

  /** Takes an event away, and its spec if no other has it; tells how many bytes that frees. */
  const drop = (transaction: Transaction<StoreState>, sequence: number): number => {
    const key = keyOf(sequence);
    const bytes = transaction.get(key);
    if (bytes === undefined) return 0;
    transaction.remove(key);
    if (!bytes.includes(sharesSpec)) return bytes.length;
    const event = eventOf(sequence, { key, bytes });
    const hash = E.isRight(event) ? event.right.specHash : undefined;
    return bytes.length + (hash === undefined ? 0 : shared.release(transaction, hash));
  };

  const shorten: EventLog['shorten'] = (transaction, most) => {
    const { oldest } = transaction.state;
    transaction.state = shortened(
      transaction.state,
      retention,
      most,
      (each) => isOld(transaction, each),
      (each) => drop(transaction, each),
    );
    return transaction.state.oldest - oldest;
  };

  /**
   * A log with a hole in it is none: it begins anew after an event that can't be understood. Looks again in its turn, since
   * a transaction that is under way may have taken the event away by now.
   */
  const cutOff = (sequence: number): Observable<unknown> => {
    const key = keyOf(sequence);
    return group
      .run((transaction) => {
        const { oldest } = transaction.state;
        let { bytes: left } = transaction.state;
        const event = pipe(eventIn(transaction, sequence), E.chain(whole(shared.read)));
        if (sequence < oldest || E.isRight(event)) return undefined;
        const bytes = transaction.get(key);
        for (let gone = oldest; gone <= sequence; gone += 1) left -= drop(transaction, gone);
        transaction.put(header.encode(headerName, { epoch, origin, floor: sequence + 1 }));
        if (bytes !== undefined) setAside(transaction, { key, bytes });
        transaction.state = { ...transaction.state, oldest: sequence + 1, bytes: left };
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
      const specOf = memoized(shared.read);
      for (let sequence = first; sequence <= last; sequence += 1) {
        const event = pipe(eventOf(sequence, rows[sequence - first]), E.chain(whole(specOf)));
        if (E.isLeft(event)) return cutOff(sequence).pipe(mergeMap(() => read(after, limit)));
        page.push(deepFreeze({ epoch, sequence, ...event.right }));
      }
      return of({ events: page, oldest });
    });

  return {
    append: (transaction, change, instance) => {
      const { sequence: last, bytes } = transaction.state;
      const [sequence, time] = [last + 1, now()];
      const spec = specIn(change);
      const specHash = spec && shared.hashOf(spec);
      const stored: StoredEvent = { ...change, time };
      const json =
        specHash === undefined
          ? jsonOf(stored, instance)
          : events.write({ ...withSpec(stored, bare), specHash });
      const row = events.seal(placeName(sequence), json);
      const specBytes = spec && specHash !== undefined ? shared.use(transaction, specHash, spec) : 0;
      transaction.put(row);
      transaction.state = { ...transaction.state, sequence, bytes: bytes + row.bytes.length + specBytes };
      shorten(transaction, goneWithOne);
      return deepFreeze({ epoch, sequence, time, ...change });
    },
    shorten,
    read,
  };
}

type TimedChange = CausedChange & { readonly time: number };

/** What stands in an event whose spec is kept apart. */
const sharesSpec = '"spec_hash":';
/** Stands in the place of such a spec. */
const bare = (spec: InstanceSpec): InstanceSpec => ({ driver: spec.driver, image: '', env: {}, tags: {} });

const specIn = ({ instance, last, snapshot }: CausedChange): InstanceSpec | undefined =>
  (instance ?? last ?? snapshot)?.spec;

/** The JSON of an event, of which that of its instance is there already. */
function jsonOf(event: StoredEvent, instance: string | undefined): string {
  if (instance === undefined) return events.write(event);
  const { instance: _, ...others } = event;
  return `${events.write(others as StoredEvent).slice(0, -1)},"instance":${instance}}`;
}

/** A change with another spec. */
function withSpec<C extends CausedChange>(change: C, specOf: (spec: InstanceSpec) => InstanceSpec): C {
  const { instance, last, snapshot } = change;
  return {
    ...change,
    ...(instance && { instance: { ...instance, spec: specOf(instance.spec) } }),
    ...(last && { last: { ...last, spec: specOf(last.spec) } }),
    ...(snapshot && { snapshot: { ...snapshot, spec: specOf(snapshot.spec) } }),
  };
}

/** Puts the spec that is kept apart in its place. */
const whole =
  (read: SharedSpecs['read']) =>
  ({ specHash, ...event }: StoredEvent): E.Either<readonly Fault[], TimedChange> =>
    specHash === undefined
      ? E.right(event)
      : pipe(
          read(specHash),
          E.map((spec) => withSpec(event, () => spec)),
        );

/** Reads each spec once. */
function memoized(read: SharedSpecs['read']): SharedSpecs['read'] {
  const known = new Map<string, ReturnType<SharedSpecs['read']>>();
  return (hash) => {
    const spec = known.get(hash) ?? read(hash);
    known.set(hash, spec);
    return spec;
  };
}

const keyOf = (sequence: number): string => events.keyOf(placeName(sequence));

const eventIn = (
  { get }: Transaction<StoreState>,
  sequence: number,
): E.Either<readonly Fault[], StoredEvent> => {
  const key = keyOf(sequence);
  const bytes = get(key);
  return eventOf(sequence, bytes && { key, bytes });
};

/** Decodes the record that stands where an event has to be. */
function eventOf(sequence: number, row: Row | undefined): E.Either<readonly Fault[], StoredEvent> {
  return row?.key === keyOf(sequence)
    ? events.decode(row)
    : E.left([{ path: '', found: 'nothing', expected: 'an event' }]);
}
