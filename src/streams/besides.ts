import { connect, endWith, ignoreElements, merge, mergeMap, type Observable, takeUntil } from 'rxjs';

/** Does something with a program as long as that runs: what comes of it counts only if it fails. */
export const besides =
  <Program>(work: (program: Program) => Observable<unknown>) =>
  (source$: Observable<Program>): Observable<Program> =>
    source$.pipe(
      connect((program$) => {
        const over$ = program$.pipe(ignoreElements(), endWith(undefined));
        const working$ = program$.pipe(mergeMap(work), ignoreElements(), takeUntil(over$));
        return merge(program$, working$);
      }),
    );
