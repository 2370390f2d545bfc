import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { anotherKey } from './anotherKey.js';
import { isProxy } from './isProxy.js';
import { secret } from './secret.js';
import { validatePart } from './validatePart.js';

type Decoded<Required extends t.Props, Optional extends t.Props> = {
  readonly [K in keyof Required]: t.TypeOf<Required[K]>;
} & { readonly [K in keyof Optional]?: t.TypeOf<Optional[K]> };

/**
 * Decodes an object that has every key of `required`, may have those of `optional`, and has no other: an unknown key is
 * a fault at its own path, of which kind and size are told only; the keys that are known are named, with the one that it can be meant for. A key whose value is `undefined` counts as absent. The result is a new object.
 *
 * The object has to be a plain one, as JSON and literals are: what an instance of a class inherits would pass unseen.
 * Symbols are not looked at; what a getter throws goes through.
 */
export function closed<Required extends t.Props, Optional extends t.Props>(
  name: string,
  required: Required,
  optional: Optional,
): t.Type<Decoded<Required, Optional>, unknown> {
  const known = new Map<string, t.Mixed>(Object.entries({ ...required, ...optional }));
  const names = [...known.keys()];

  const validate: t.Validate<unknown, Decoded<Required, Optional>> = (value, context) => {
    if (!isPlain(value)) return t.failure(value, context);
    const errors: t.Errors = Object.keys(value)
      .filter((key) => !known.has(key))
      .map((key, index) => ({
        value: value[key],
        context: t.appendContext(context, key, unknownKey, value[key]),
        // More are not told, and to compare them takes long.
        message: anotherKey(index < 100 ? key : '', names),
      }));
    const decoded: Record<string, unknown> = {};
    for (const [key, codec] of known) {
      const part = Object.hasOwn(value, key) ? value[key] : undefined;
      if (part === undefined && !Object.hasOwn(required, key)) continue;
      const result = validatePart(codec, part, context, key);
      if (E.isRight(result)) decoded[key] = result.right;
      // Not all in one call: the errors of a long list are more than a call takes arguments.
      else for (const error of result.left) errors.push(error);
    }
    return errors.length > 0 ? t.failures(errors) : t.success(decoded as Decoded<Required, Optional>);
  };

  return new t.Type(
    name,
    (value): value is Decoded<Required, Optional> => E.isRight(validate(value, [])),
    validate,
    t.identity,
  );
}

/** What stands at a mistyped key may be what is a secret at the right one. */
const unknownKey = secret(t.never);

/** Tells an object with keys from everything else. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Tells what JSON and literals make from instances of classes; also from another realm, which has another `Object`. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isRecord(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (!isProxy(prototype) && Object.getPrototypeOf(prototype) === null);
}
