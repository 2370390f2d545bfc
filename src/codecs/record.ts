import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { isRecord } from './closed.js';
import { validatePart } from './validatePart.js';

/**
 * Decodes an object of any keys for which `keys` holds, with values for which `values` holds. The result is a new object,
 * in which `__proto__` is a key like any other. (The `record` of io-ts leaves out, in silence, the keys that it does not
 * know.)
 */
export function record<A>(
  name: string,
  keys: t.Type<string>,
  values: t.Type<A>,
): t.Type<Readonly<Record<string, A>>, unknown> {
  const validate: t.Validate<unknown, Readonly<Record<string, A>>> = (value, context) => {
    // Not by its prototype: that of `process.env` is its own. A Map would pass unseen, with no keys.
    if (!isRecord(value) || Object.prototype.toString.call(value) !== '[object Object]') {
      return t.failure(value, context);
    }
    const errors: t.ValidationError[] = [];
    const decoded: [string, A][] = [];
    for (const [key, part] of Object.entries(value)) {
      const known = validatePart(keys, key, context, key);
      const result = validatePart(values, part, context, key);
      if (E.isRight(known) && E.isRight(result)) decoded.push([known.right, result.right]);
      for (const failed of [known, result]) {
        if (E.isLeft(failed)) for (const error of failed.left) errors.push(error);
      }
    }
    return errors.length > 0 ? t.failures(errors) : t.success(Object.fromEntries(decoded));
  };

  return new t.Type(
    name,
    (value): value is Readonly<Record<string, A>> => E.isRight(validate(value, [])),
    validate,
    t.identity,
  );
}
