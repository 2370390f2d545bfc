import { catchError, EMPTY, Observable } from 'rxjs';
import type { Machine } from '../driver.js';

/** Emits a machine once it runs; one that comes up when nobody waits for it any more is killed. */
export const untilLaunched = <M extends Machine>(launch: () => Promise<M>): Observable<M> =>
  new Observable((subscriber) => {
    launch().then(
      (machine) => {
        if (subscriber.closed)
          machine
            .kill()
            .pipe(catchError(() => EMPTY))
            .subscribe();
        subscriber.next(machine);
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
  });
