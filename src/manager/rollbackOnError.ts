import { catchError, concat, EMPTY, ignoreElements, type Observable, throwError } from 'rxjs';
import type { Logger } from '../instances/logger.js';

/** Undoes what was done, step by step, when the rest fails; the first failure is the one that is told. */
export type RollbackOnError = <T>(
  work$: Observable<T>,
  ...undo: readonly Observable<unknown>[]
) => Observable<T>;

/** Creates a {@link RollbackOnError}; a step that fails is written to the log. */
export const createRollbackOnError =
  (logger: Logger): RollbackOnError =>
  (work$, ...undo) =>
    work$.pipe(
      catchError((error: unknown) =>
        concat(
          ...undo.map((step$) =>
            step$.pipe(
              ignoreElements(),
              catchError((cause: unknown) => {
                logger.warn({ err: cause }, 'a failed verb could not be undone');
                return EMPTY;
              }),
            ),
          ),
          throwError(() => error),
        ),
      ),
    );
