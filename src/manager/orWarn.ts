import { catchError, EMPTY, ignoreElements, type Observable } from 'rxjs';
import type { Logger } from './logger.js';

/** Does what may fail without harm to anybody: the failure is written to the log, with the fields. */
export type OrWarn = (fields: object, message: string, work$: Observable<unknown>) => Observable<never>;

/** Creates an {@link OrWarn}. */
export const createOrWarn =
  (logger: Logger): OrWarn =>
  (fields, message, work$) =>
    work$.pipe(
      ignoreElements(),
      catchError((error: unknown) => {
        logger.warn({ ...fields, err: error }, message);
        return EMPTY;
      }),
    );
