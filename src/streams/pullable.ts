import { Observable, Subscription } from 'rxjs';

/**
 * What can be subscribed to and be read with `for await`: each of both begins it anew, and both tell the same; only `for await` lets a slow reader hold up
 * what it comes from.
 */
export type Pullable<T> = Observable<T> & AsyncIterable<T>;

/** Something that is read: a program, a file. */
interface Source<T> {
  /** Resolves with what comes next, and with `undefined` at the end; one at a time. */
  read(): Promise<T | undefined>;
}

/** Makes a {@link Pullable} of what opens a source and emits it: each subscriber, and each reader, opens one of its own, and closes it by unsubscribing. */
export function pullable<T>(opening$: Observable<Source<T>>): Pullable<T> {
  const values$ = new Observable<T>((subscriber) => {
    const pass = async (source: Source<T>): Promise<void> => {
      for (;;) {
        const value = await source.read();
        if (subscriber.closed) return;
        if (value === undefined) {
          subscriber.complete();
          return;
        }
        subscriber.next(value);
      }
    };
    const fail = (error: unknown): void => {
      subscriber.error(error);
    };
    // It may complete before all was read.
    return opening$.subscribe({
      next: (source) => {
        pass(source).catch(fail);
      },
      error: fail,
    });
  });
  return Object.assign(values$, { [Symbol.asyncIterator]: () => iterate(opening$) });
}

const end = { done: true, value: undefined } as const;

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

function iterate<T>(opening$: Observable<Source<T>>): AsyncIterator<T, undefined> {
  const link = new Subscription();
  const readers: Reader<T>[] = [];
  let source: Source<T> | undefined;
  let hasBegun = false;
  let isReading = false;
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;

  /** The first that waits is told of a failure; all others find the end. */
  const close = (how?: { readonly error: unknown }): void => {
    if (isOver) return;
    isOver = true;
    link.unsubscribe();
    const [first, ...others] = readers.splice(0);
    if (first === undefined) failure = how;
    else if (how === undefined) first.resolve(end);
    else first.reject(how.error);
    for (const { resolve } of others) resolve(end);
  };

  const fail = (error: unknown): void => {
    close({ error });
  };

  const readNext = (): void => {
    if (source === undefined || isReading || readers.length === 0) return;
    isReading = true;
    source.read().then((value) => {
      isReading = false;
      if (value === undefined) close();
      else readers.shift()?.resolve({ done: false, value });
      readNext();
    }, fail);
  };

  const begin = (): void => {
    hasBegun = true;
    const opened = (it: Source<T>): void => {
      source = it;
      readNext();
    };
    link.add(opening$.subscribe({ next: opened, error: fail }));
  };

  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (isOver) {
          const told = failure;
          failure = undefined;
          if (told === undefined) resolve(end);
          else reject(told.error);
          return;
        }
        readers.push({ resolve, reject });
        if (hasBegun) readNext();
        else begin();
      }),
    return: () => {
      close();
      failure = undefined;
      return Promise.resolve(end);
    },
  };
}
