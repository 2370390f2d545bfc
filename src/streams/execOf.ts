import { Observable, Subscription } from 'rxjs';
import type { ExecOutput, Execution } from '../lifecycle/execution.js';

/**
 * A program to be run in an instance: each subscription, and each `for await`, runs it anew. Both tell the same; only `for await` lets a slow reader
 * hold the program up.
 */
export type Exec = Observable<ExecOutput> & AsyncIterable<ExecOutput>;

type Readable = Pick<Execution, 'read'>;

/**
 * Makes an {@link Exec} of what starts a program and emits it: each subscriber, and each reader, starts one of its own, and ends it by
 * unsubscribing.
 */
export function execOf(starting$: Observable<Readable>): Exec {
  const outputs$ = new Observable<ExecOutput>((subscriber) => {
    const pass = async (execution: Readable): Promise<void> => {
      for (;;) {
        const output = await execution.read();
        if (subscriber.closed) return;
        if (output === undefined) {
          subscriber.complete();
          return;
        }
        subscriber.next(output);
      }
    };
    const fail = (error: unknown): void => {
      subscriber.error(error);
    };
    // It completes once nothing of the program is left; what that has written may still have to be read.
    return starting$.subscribe({
      next: (execution) => {
        pass(execution).catch(fail);
      },
      error: fail,
    });
  });
  return Object.assign(outputs$, { [Symbol.asyncIterator]: () => iterate(starting$) });
}

const end = { done: true, value: undefined } as const;

type Result = IteratorResult<ExecOutput, undefined>;

interface Reader {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

function iterate(starting$: Observable<Readable>): AsyncIterator<ExecOutput, undefined> {
  const link = new Subscription();
  const readers: Reader[] = [];
  let execution: Readable | undefined;
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
    if (execution === undefined || isReading || readers.length === 0) return;
    isReading = true;
    execution.read().then((output) => {
      isReading = false;
      if (output === undefined) close();
      else readers.shift()?.resolve({ done: false, value: output });
      readNext();
    }, fail);
  };

  const begin = (): void => {
    hasBegun = true;
    const started = (it: Readable): void => {
      execution = it;
      readNext();
    };
    link.add(starting$.subscribe({ next: started, error: fail }));
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
