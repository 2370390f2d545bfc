import { Observable, Subscription } from 'rxjs';
import type { ExecOutput, Execution } from '../lifecycle/execution.js';

/**
 * A program to be run in an instance: each subscription, and each `for await`, runs it anew. Both tell the same; only `for await` lets a slow reader
 * hold the program up.
 */
export type Exec = Observable<ExecOutput> & AsyncIterable<ExecOutput>;

/**
 * Makes an {@link Exec} of what starts a program and emits it: each subscriber, and each reader, starts one of its own, and ends it by
 * unsubscribing.
 */
export function execOf(starting$: Observable<Execution>): Exec {
  const outputs$ = new Observable<ExecOutput>((subscriber) => {
    const pass = async (execution: Execution): Promise<void> => {
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

function iterate(starting$: Observable<Execution>): AsyncIterator<ExecOutput, undefined> {
  const link = new Subscription();
  let begun: Promise<Execution> | undefined;
  let isOver = false;
  let last: Promise<unknown> = Promise.resolve();
  let fail: (error: unknown) => void;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  // Told to the next read, if there is one.
  failed.catch(() => undefined);
  let stop: () => void;
  const stopped = new Promise<undefined>((resolve) => {
    stop = () => {
      resolve(undefined);
    };
  });

  const start = (): Promise<Execution> =>
    new Promise((resolve) => {
      link.add(starting$.subscribe({ next: resolve, error: fail }));
    });

  const close = (): void => {
    isOver = true;
    stop();
    link.unsubscribe();
  };

  const read = async (): Promise<IteratorResult<ExecOutput, undefined>> => {
    if (isOver) return end;
    begun ??= start();
    const next = begun.then((execution) => execution.read());
    try {
      const output = await Promise.race([next, failed, stopped]);
      if (output !== undefined) return { done: false, value: output };
    } catch (error) {
      close();
      throw error;
    }
    close();
    return end;
  };

  return {
    next: () => {
      const reading = last.then(read, read);
      last = reading;
      return reading;
    },
    return: () => {
      close();
      return Promise.resolve(end);
    },
  };
}
