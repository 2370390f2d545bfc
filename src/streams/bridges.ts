import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { firstValueFrom, type Observable, of, throwError } from 'rxjs';

/**
 * Turns an Either into an Observable: its right is the one value, its left the error.
 *
 * @example
 * ```ts
 * import * as E from 'fp-ts/lib/Either.js';
 * import { fromEither } from 'rx-instances';
 * import { firstValueFrom } from 'rxjs';
 *
 * await firstValueFrom(fromEither(E.right(1))); // => 1
 * ```
 */
export const fromEither = <A>(either: E.Either<unknown, A>): Observable<A> =>
  E.isRight(either) ? of(either.right) : throwError(() => either.left);

/**
 * Turns an Observable into a TaskEither of its first value; an error, and an end without a value, are the left. Nothing
 * happens before the task is run, and each run subscribes anew.
 *
 * @example
 * ```ts
 * import { toTaskEither } from 'rx-instances';
 * import { of } from 'rxjs';
 *
 * await toTaskEither(of(1))(); // => { _tag: 'Right', right: 1 }
 * ```
 */
export const toTaskEither =
  <A>(source$: Observable<A>): TaskEither<unknown, A> =>
  () =>
    firstValueFrom(source$).then(E.right, E.left);
