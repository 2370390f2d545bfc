import { defer, ignoreElements, type Observable } from 'rxjs';

/** Does some work on subscribe, and completes once it is done; fails when it does. */
export const completeAfter = (work: () => Promise<unknown>): Observable<never> =>
  defer(work).pipe(ignoreElements());
