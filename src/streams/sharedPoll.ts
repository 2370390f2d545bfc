import { catchError, defer, interval, map, Observable, of, Subject, type Subscription, take } from 'rxjs';

/** What one read brought: a value, or why there is none. */
export type Look<T> = { readonly value: T } | { readonly error: unknown };

/** Reads things again and again for all who want to know, each thing once per tick. */
export interface SharedPoll<T> {
  /**
   * Emits what the reads of `key` bring, until unsubscribed; it never errors. All who poll at one interval share one
   * timer, so that the first look comes within one interval. A read that is slower than the interval is waited for.
   */
  poll(key: string, intervalMs: number): Observable<Look<T>>;
}

interface Polled<T> {
  readonly looks$: Subject<Look<T>>;
  reading: Subscription | undefined;
}

/** Creates a {@link SharedPoll} over `read`, of which the first value counts. */
export function createSharedPoll<T>(read: (key: string) => Observable<T>): SharedPoll<T> {
  const tickers = new Map<number, Ticker<T>>();

  const tickerOf = (intervalMs: number): Ticker<T> => {
    const ticker =
      tickers.get(intervalMs) ?? createTicker(read, intervalMs, () => tickers.delete(intervalMs));
    tickers.set(intervalMs, ticker);
    return ticker;
  };

  return {
    poll: (key, intervalMs) => new Observable((subscriber) => tickerOf(intervalMs).join(key, subscriber)),
  };
}

interface Ticker<T> {
  join(key: string, subscriber: { next(look: Look<T>): void }): () => void;
}

/** Reads every key that somebody polls, at one interval; `onIdle` is called when the last one has gone. */
function createTicker<T>(
  read: (key: string) => Observable<T>,
  intervalMs: number,
  onIdle: () => void,
): Ticker<T> {
  const polled = new Map<string, Polled<T>>();

  const readOnce = (key: string, entry: Polled<T>): void => {
    if (entry.reading?.closed === false) return;
    entry.reading = defer(() => read(key))
      .pipe(
        take(1),
        map((value): Look<T> => ({ value })),
        catchError((error: unknown) => of({ error })),
      )
      .subscribe((look) => {
        entry.looks$.next(look);
      });
  };

  const timer = interval(intervalMs).subscribe(() => {
    for (const [key, entry] of [...polled]) readOnce(key, entry);
  });

  return {
    join: (key, subscriber) => {
      const entry = polled.get(key) ?? { looks$: new Subject<Look<T>>(), reading: undefined };
      polled.set(key, entry);
      const membership = entry.looks$.subscribe((look) => {
        subscriber.next(look);
      });
      return () => {
        membership.unsubscribe();
        if (entry.looks$.observed) return;
        entry.reading?.unsubscribe();
        polled.delete(key);
        if (polled.size > 0) return;
        timer.unsubscribe();
        onIdle();
      };
    },
  };
}
