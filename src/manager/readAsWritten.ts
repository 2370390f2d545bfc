import { catchError, defer, mergeMap, type Observable, take, tap } from 'rxjs';
import type { LogReading } from '../drivers/driver.js';
import type { LogLine } from '../lifecycle/logLine.js';

/** Reads lines of a log after a place in it; `followUntil$` as in {@link LogReading}. */
export type ReadLines = (reading: Pick<LogReading, 'after' | 'followUntil$'>) => Observable<LogLine>;

/**
 * Emits all lines of a log while they are written, and completes with what is there when `end$` emits. Where reading fails
 * meanwhile, the rest is read then; only what fails there too is an error.
 */
export const readAsWritten = (read: ReadLines, end$: Observable<unknown>): Observable<LogLine> =>
  defer(() => {
    let after = 0;
    const rest$ = end$.pipe(
      take(1),
      mergeMap(() => read({ after })),
    );
    return read({ after, followUntil$: end$ }).pipe(
      tap(({ cursor }) => {
        after = cursor;
      }),
      catchError(() => rest$),
    );
  });
