import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as t from 'io-ts';

/** What is wrong with a value at one of its keys that only the others show. */
export interface Contradiction {
  readonly key: string;
  readonly found: unknown;
  readonly expected: string;
}

/**
 * Decodes what the codec does, then checks it as a whole, and gives the form in which it is kept: what was left open is filled in, and
 * what is asked for in several ways has one.
 */
export function keptAs<Asked, Kept>(
  asked: t.Type<Asked, unknown>,
  keep: (value: Asked) => Kept,
  contradictionIn: (value: Asked) => Contradiction | undefined = () => undefined,
): t.Type<Kept, unknown> {
  const validate: t.Validate<unknown, Kept> = (value, context) =>
    pipe(
      asked.validate(value, context),
      E.chain((decoded) => {
        const wrong = contradictionIn(decoded);
        if (wrong === undefined) return t.success(keep(decoded));
        const { key, found, expected } = wrong;
        return t.failure(found, t.appendContext(context, key, t.never, found), expected);
      }),
    );
  return new t.Type<Kept, unknown>(
    asked.name,
    (value): value is Kept => E.isRight(validate(value, [])),
    validate,
    t.identity,
  );
}
