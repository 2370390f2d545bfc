import { catchError, type MonoTypeOperatorFunction, type Observable, retry, throwError, timer } from 'rxjs';

/** Why something failed, and whether to try it again. It never leaves this room. */
export class Failure extends Error {
  constructor(
    /** What is told in the end. */
    readonly told: unknown,
    readonly isWorthAgain: boolean,
    /** How long the API asks to be left alone, in milliseconds. */
    readonly afterMs = 0,
    /** Whether it was turned away unread. */
    readonly isRefused = false,
  ) {
    super('a request failed');
  }
}

const firstMs = 200;
const longestMs = 5_000;

/** How long to wait after so many failures in a row: twice as long each time, and half of it by chance, so that not all come back at once. */
export const backoffMs = (failures: number, chance = Math.random()): number =>
  Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 10)) * (0.5 + chance / 2);

/** Tries again what is worth it, so often at most; what has emitted begins to count anew. */
export const again = <T>(mostFailures: number): MonoTypeOperatorFunction<T> =>
  retryWhere(mostFailures, ({ isWorthAgain }) => isWorthAgain);

/** The same for what must not be done twice: only what was refused before it began. */
export const onlyRefused = <T>(mostFailures: number): MonoTypeOperatorFunction<T> =>
  retryWhere(mostFailures, ({ isRefused }) => isRefused);

const retryWhere = <T>(mostFailures: number, isTried: (failure: Failure) => boolean) =>
  retry<T>({
    resetOnSuccess: true,
    delay: (failure: unknown, failures): Observable<unknown> =>
      failure instanceof Failure && isTried(failure) && failures < mostFailures
        ? timer(Math.max(backoffMs(failures), failure.afterMs))
        : throwError(() => failure),
  });

/** What a failure is told as. */
export const toldOf = (failure: unknown): unknown => (failure instanceof Failure ? failure.told : failure);

/** Fails as what the failure is told as. */
export const told = <T>(source$: Observable<T>): Observable<T> =>
  source$.pipe(catchError((failure: unknown) => throwError(() => toldOf(failure))));
