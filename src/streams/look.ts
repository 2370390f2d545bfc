import { type Observable, Subscriber } from 'rxjs';

/** What one read brought: a value, or why there is none. */
export type Look<T> = { readonly value: T } | { readonly error: unknown };

/** Reads once: the first value counts, none is an error. Tells once, unless unsubscribed before. */
export function look<T>(read: () => Observable<T>, tell: (look: Look<T>) => void): Subscriber<T> {
  const link = new Subscriber<T>({
    next: (value: T) => {
      link.unsubscribe();
      tell({ value });
    },
    error: (error: unknown) => {
      tell({ error });
    },
    complete: () => {
      tell({ error: new Error('the read ended without a value') });
    },
  });
  try {
    read().subscribe(link);
  } catch (error) {
    link.error(error);
  }
  return link;
}
