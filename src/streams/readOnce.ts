import { type Observable, Subscriber } from 'rxjs';

/** What a read came to: a value, or why there is none. */
export type ReadResult<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Subscribes to a read, and calls back once with what it came to, unless unsubscribed before: its first value, its error, or an error
 * when it completes without a value.
 */
export function readOnce<T>(
  read: () => Observable<T>,
  callback: (result: ReadResult<T>) => void,
): Subscriber<T> {
  const link = new Subscriber<T>({
    next: (value: T) => {
      link.unsubscribe();
      callback({ value });
    },
    error: (error: unknown) => {
      callback({ error });
    },
    complete: () => {
      callback({ error: new Error('the read ended without a value') });
    },
  });
  try {
    read().subscribe(link);
  } catch (error) {
    link.error(error);
  }
  return link;
}
