import {
  catchError,
  defer,
  first,
  interval,
  map,
  Observable,
  of,
  skip,
  Subject,
  type Subscription,
} from 'rxjs';

/** What one read brought: a value, or why there is none. */
export type Look<T> = { readonly value: T } | { readonly error: unknown };

/** Reads things again and again for all who want to know, each thing once per tick. */
export interface SharedPoll<T> {
  /**
   * Emits what the reads of `key` bring, until unsubscribed; it never errors. All who poll at one interval share one
   * timer, so that the first read begins within one interval. A read that is slower than the interval is waited for.
   * What a read brings that began before the subscribe is passed over: it may be older than what the subscriber knows.
   */
  poll(key: string, intervalMs: number): Observable<Look<T>>;
}

interface Polled<T> {
  readonly looks$: Subject<Look<T>>;
  reading: Subscription | undefined;
}

const isReading = <T>({ reading }: Polled<T>): boolean => reading?.closed === false;

/** Creates a {@link SharedPoll} over `read`, of which the first value counts; no value is an error, `EmptyError`. */
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
    // It is waited for, or all who polled have gone within this tick.
    if (isReading(entry) || !entry.looks$.observed) return;
    entry.reading = defer(() => read(key))
      .pipe(
        first(),
        map((value): Look<T> => ({ value })),
        catchError((error: unknown) => of({ error })),
      )
      .subscribe((look) => {
        // Over before it is told: who begins to poll on hearing it waits for the next read, not the one after.
        entry.reading = undefined;
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
      const membership = entry.looks$.pipe(skip(isReading(entry) ? 1 : 0)).subscribe((look) => {
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
