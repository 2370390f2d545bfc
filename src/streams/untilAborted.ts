import { type MonoTypeOperatorFunction, Observable } from 'rxjs';

/** Errors with the reason of a signal once it aborts, and unsubscribes from the source; aborted before, it does not subscribe. */
export const untilAborted =
  <T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> =>
  (source$) =>
    signal === undefined
      ? source$
      : new Observable((subscriber) => {
          const abort = (): void => {
            subscriber.error(signal.reason);
          };
          if (signal.aborted) {
            abort();
            return;
          }
          signal.addEventListener('abort', abort);
          subscriber.add(() => {
            signal.removeEventListener('abort', abort);
          });
          subscriber.add(source$.subscribe(subscriber));
        });
