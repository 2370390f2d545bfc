import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  exhaustMap,
  finalize,
  ignoreElements,
  interval,
  merge,
  type Observable,
  retry,
  share,
  startWith,
  Subject,
  switchMap,
  take,
  tap,
  timer,
} from 'rxjs';
import type {
  Connection,
  ConnectionChange,
  ConnectionSource,
  ConnectionSourceState,
} from '../instances/connectionSource.js';
import type { Logger } from '../instances/logger.js';

/** A source whose table is known. */
export interface WatchedSource {
  /** Follows the source while it is subscribed. */
  readonly run$: Observable<never>;
  /** Reads the table anew, and completes once it is taken in; fails where it can't be read. Who asks meanwhile shares the next read. */
  read(): Observable<never>;
  /** Why it does not see everything, if it does not. */
  trouble(): 'unsupported_platform' | 'observer_error' | undefined;
}

/** Told of each change of the table. */
export type OnConnection = (key: string, connection: Connection, isOpen: boolean) => void;

/** hypeman's. */
const readAgainMs = 2_000;
const longestReadAgainMs = 60_000;

/**
 * Makes a {@link WatchedSource}: its changes are hints, its table is the truth. That is read at the beginning and after each `reset`, again
 * until that succeeds; and of a source that may miss changes every two seconds while somebody is connected.
 */
export function watchSource(source: ConnectionSource, changed: OnConnection, logger: Logger): WatchedSource {
  const { name } = source;
  let known = new Map<string, Connection>();
  let state: ConnectionSourceState = { kind: 'connected' };
  let isReadable = true;
  const isUsed$ = new BehaviorSubject(false);
  const resets$ = new Subject<void>();
  /** What is told while the table is read is newer than what is read. */
  const reads = new Set<Map<string, Connection | undefined>>();

  const apply = (change: ConnectionChange): void => {
    if (change.kind === 'reset') {
      resets$.next();
      return;
    }
    const { kind, connection } = change;
    const key = keyOf(connection);
    const isOpen = kind === 'opened';
    for (const newer of reads) newer.set(key, isOpen ? connection : undefined);
    if (isOpen) known.set(key, connection);
    else if (!known.delete(key)) return;
    isUsed$.next(known.size > 0);
    changed(key, connection, isOpen);
  };

  const takeIn = (read: readonly Connection[], newer: ReadonlyMap<string, Connection | undefined>): void => {
    const found = new Map(read.map((connection) => [keyOf(connection), connection]));
    for (const [key, connection] of newer) {
      if (connection === undefined) found.delete(key);
      else found.set(key, connection);
    }
    const before = known;
    known = found;
    isUsed$.next(known.size > 0);
    for (const [key, connection] of before) if (!found.has(key)) changed(key, connection, false);
    for (const [key, connection] of found) if (!before.has(key)) changed(key, connection, true);
  };

  const readable = (is: boolean, err?: unknown): void => {
    if (isReadable && !is) logger.warn({ source: name, err }, 'the connections of a source cannot be read');
    isReadable = is;
  };

  const fresh$ = nextRead(() => {
    const newer = new Map<string, Connection | undefined>();
    reads.add(newer);
    return source.read().pipe(
      take(1),
      tap({
        next: (read) => {
          readable(true);
          takeIn(read, newer);
        },
        error: (err: unknown) => {
          readable(false, err);
        },
      }),
      ignoreElements(),
      finalize(() => reads.delete(newer)),
    );
  });

  const resynced$ = resets$.pipe(
    startWith(undefined),
    switchMap(() =>
      fresh$.pipe(
        retry({
          delay: (_, failures) =>
            timer(Math.min(readAgainMs * 2 ** Math.min(failures - 1, 10), longestReadAgainMs)),
        }),
      ),
    ),
  );

  const reconciled$ = isUsed$.pipe(
    distinctUntilChanged(),
    switchMap((isUsed) => (isUsed ? interval(readAgainMs) : EMPTY)),
    exhaustMap(() => fresh$.pipe(catchError(() => EMPTY))),
  );

  const { state$ } = source;
  const stated$ =
    state$?.pipe(
      tap((told) => {
        state = told;
      }),
      ignoreElements(),
    ) ?? EMPTY;

  return {
    run$: merge(
      stated$,
      resynced$,
      state$ === undefined ? EMPTY : reconciled$,
      source.changes$.pipe(tap(apply), ignoreElements()),
    ),
    read: () => fresh$,
    trouble: () => {
      if (state.kind === 'unsupported_platform') return state.kind;
      return state.kind === 'observer_error' || !isReadable ? 'observer_error' : undefined;
    },
  };
}

/** One read at a time: who subscribes while one is under way shares the one after it, which begins later than they asked. */
function nextRead(read: () => Observable<never>): Observable<never> {
  let underWay$: Observable<never> = EMPTY;
  let next$: Observable<never> | undefined;
  return defer(() => {
    if (next$ !== undefined) return next$;
    const ended$ = new Subject<never>();
    const isNext = (): boolean => next$ === mine$;
    const mine$: Observable<never> = concat(
      underWay$,
      defer(() => {
        if (isNext()) next$ = undefined;
        underWay$ = ended$;
        return read();
      }),
    ).pipe(
      finalize(() => {
        if (isNext()) next$ = undefined;
        ended$.complete();
      }),
      share(),
    );
    next$ = mine$;
    return mine$;
  });
}

const keyOf = ({ instanceId, guest, source }: Connection): string =>
  `${instanceId} ${String(guest)} ${source.address} ${String(source.port)}`;
