import { defer, map, type Observable, tap, timer } from 'rxjs';
import type { ExecOutput, Execution } from '../lifecycle/execution.js';
import { besides } from '../streams/besides.js';

/** Kills a program when its time is over, in milliseconds from its start; how it ended then says so. */
export const timeLimit =
  (timeoutMs: number) =>
  (source$: Observable<Execution>): Observable<Execution> =>
    defer(() => {
      let isLate = false;
      // It may end by itself in that moment.
      const told = (output: ExecOutput | undefined): ExecOutput | undefined =>
        isLate && output?.kind === 'exit' && output.code === null ? { ...output, timedOut: true } : output;
      return source$.pipe(
        besides(({ kill }) =>
          timer(timeoutMs).pipe(
            tap(() => {
              isLate = true;
              kill();
            }),
          ),
        ),
        map((execution) => ({ ...execution, read: () => execution.read().then(told) })),
      );
    });
