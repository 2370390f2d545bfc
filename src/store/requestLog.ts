import * as E from 'fp-ts/lib/Either.js';
import { catchError, defer, map, type Observable, of, throwError } from 'rxjs';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { CursorExpired } from '../lifecycle/errors.js';
import type { Database } from './database.js';
import type { EventLog } from './eventLog.js';
import type { GroupCommit, Transaction } from './groupCommit.js';
import { type Retention, sequenceFor, type StoreState, withoutOldRequests } from './logSpan.js';
import type { AskedRequest, ConcludedRequest, DamagedRecord, RequestOutcome, Store } from './store.js';
import { toldOutcome } from './toldOutcome.js';
import { placeName, requestNames, requests, setAside, type Table } from './tables.js';

/** The requests that are remembered in a database. */
export interface RequestLog {
  /** Remembers a request; where no outcome is given, the last event tells it. */
  keep(transaction: Transaction<StoreState>, request: AskedRequest, outcome?: RequestOutcome): void;
  /** Forgets at most so many requests that need not be remembered; tells how many. */
  shorten(transaction: Transaction<StoreState>, most: number): number;
  /** See `Store`. */
  load: Store['loadRequest'];
}

/** What the requests need. */
export interface RequestLogOptions {
  readonly epoch: string;
  readonly retention: Retention;
  readonly log: EventLog;
  readonly onDamaged: (damaged: DamagedRecord) => void;
}

/** How many old requests go with a new one at most. */
const goneWithOne = 16;

/** Creates the {@link RequestLog} of a database that holds the requests of the group's span. */
export function createRequestLog(
  database: Database,
  group: GroupCommit<StoreState>,
  { epoch, retention, log, onDamaged }: RequestLogOptions,
): RequestLog {
  /** A request and its event: those after it have none before that, and need not be looked up. */
  let known = { place: 0, sequence: 0 };

  const sequenceOf = (transaction: Transaction<StoreState>, place: number): number => {
    const { oldest } = transaction.state;
    if (place >= known.place && known.sequence >= oldest) return known.sequence;
    // What can't be understood is of no use to anyone.
    known = { place, sequence: understood(requests, placeName(place), transaction.get)?.sequence ?? 0 };
    return known.sequence;
  };

  /** Forgets a request, and its name if it has not gone to another; tells how many bytes that frees. */
  const drop = ({ get, remove }: Transaction<StoreState>, place: number): number => {
    const key = requests.keyOf(placeName(place));
    const bytes = get(key)?.length ?? 0;
    const request = understood(requests, placeName(place), get);
    remove(key);
    if (request === undefined) return bytes;
    const name = nameOf(request);
    if (understood(requestNames, name, get) !== place) return bytes;
    const nameBytes = get(requestNames.keyOf(name))?.length ?? 0;
    remove(requestNames.keyOf(name));
    return bytes + nameBytes;
  };

  const shorten: RequestLog['shorten'] = (transaction, most) => {
    const { oldest } = transaction.state.requests;
    transaction.state = withoutOldRequests(
      transaction.state,
      retention,
      most,
      (place) => sequenceOf(transaction, place),
      (place) => drop(transaction, place),
    );
    return transaction.state.requests.oldest - oldest;
  };

  /** What can't be understood is forgotten, and that is told. */
  const damaged = (place: number): Observable<undefined> =>
    group
      .run((transaction) => {
        const key = requests.keyOf(placeName(place));
        const bytes = transaction.get(key);
        const decoded = bytes && requests.decode({ key, bytes });
        if (bytes === undefined || decoded === undefined || E.isRight(decoded)) return undefined;
        setAside(transaction, { key, bytes });
        transaction.state = { ...transaction.state, bytes: transaction.state.bytes - bytes.length };
        return { key, faults: decoded.left };
      })
      .pipe(
        map((damage) => {
          if (damage !== undefined) onDamaged(damage);
          return undefined;
        }),
      );

  /** The outcome that an event tells, if that is still there and is what came of the request. */
  const toldBy = (sequence: number, requestId: string): Observable<RequestOutcome | undefined> =>
    log.read({ epoch, sequence: sequence - 1 }, 1).pipe(
      map(({ events: [event] }) => {
        return event?.cause.requestId === requestId ? toldOutcome(event) : undefined;
      }),
      catchError((error: unknown) =>
        error instanceof CursorExpired ? of(undefined) : throwError(() => error),
      ),
    );

  return {
    keep: (transaction, { by, requestId, fingerprint }, outcome) => {
      const { state, get, put } = transaction;
      const { oldest, next } = state.requests;
      const name = nameOf({ by, requestId });
      const sequence = sequenceFor(state, outcome === undefined);
      const row = requests.encode(placeName(next), {
        ...{ by, requestId, fingerprint, sequence },
        ...(outcome !== undefined && { outcome }),
      });
      const nameRow = requestNames.encode(name, next);
      const former = get(nameRow.key)?.length ?? 0;
      put(row);
      put(nameRow);
      const bytes = state.bytes + row.bytes.length + nameRow.bytes.length - former;
      transaction.state = { ...state, bytes, requests: { oldest, next: next + 1 } };
      shorten(transaction, goneWithOne);
    },

    shorten,

    load: (by, requestId) =>
      defer(() => {
        const { oldest } = group.state();
        const place = understood(requestNames, nameOf({ by, requestId }), database.get);
        if (place === undefined) return of(undefined);
        const request = understood(requests, placeName(place), database.get);
        if (request === undefined) return damaged(place);
        const { fingerprint, sequence, outcome } = request;
        if (sequence < oldest) return of(undefined);
        const outcome$ = outcome === undefined ? toldBy(sequence, requestId) : of(outcome);
        return outcome$.pipe(
          map((told): ConcludedRequest | undefined =>
            told === undefined ? undefined : frozen({ by, requestId, fingerprint, outcome: told }),
          ),
        );
      }),
  };
}

/** A name has no slash in its first part. */
const nameOf = ({ by, requestId }: Pick<AskedRequest, 'by' | 'requestId'>): string => `${by}/${requestId}`;

/** An error is whoever's throws it. */
const frozen = (request: ConcludedRequest): ConcludedRequest =>
  'error' in request.outcome ? request : deepFreeze(request);

function understood<A>(
  table: Table<A>,
  name: string,
  get: (key: string) => Buffer | undefined,
): A | undefined {
  const key = table.keyOf(name);
  const bytes = get(key);
  const decoded = bytes && table.decode({ key, bytes });
  return decoded !== undefined && E.isRight(decoded) ? decoded.right : undefined;
}
