import { connect, endWith, ignoreElements, merge, mergeMap, type Observable, takeUntil } from 'rxjs';
import type { Execution } from '../lifecycle/execution.js';

/** Does something with a program as long as that runs: what comes of it counts only if it fails. */
export const besides =
  (work: (execution: Execution) => Observable<unknown>) =>
  (source$: Observable<Execution>): Observable<Execution> =>
    source$.pipe(
      connect((execution$) => {
        const over$ = execution$.pipe(ignoreElements(), endWith(undefined));
        const working$ = execution$.pipe(mergeMap(work), ignoreElements(), takeUntil(over$));
        return merge(execution$, working$);
      }),
    );
