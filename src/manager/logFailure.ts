import { catchError, EMPTY, ignoreElements, type Observable } from 'rxjs';
import type { Logger } from '../instances/logger.js';

/** Does what may fail without harm to anybody: the failure is written to the log, with the fields. */
export type LogFailure = (fields: object, message: string, work$: Observable<unknown>) => Observable<never>;

/** Creates a {@link LogFailure}. */
export const createLogFailure =
  (logger: Logger): LogFailure =>
  (fields, message, work$) =>
    work$.pipe(
      ignoreElements(),
      catchError((error: unknown) => {
        logger.warn({ ...fields, err: error }, message);
        return EMPTY;
      }),
    );
