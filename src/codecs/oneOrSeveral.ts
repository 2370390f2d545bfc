import * as t from 'io-ts';

/** Decodes one value, or a list of such; what is neither is told as no value. */
export const oneOrSeveral = <Value, Output>(
  one: t.Type<Value, Output>,
  several: t.Type<readonly Value[], unknown>,
): t.Type<Value | readonly Value[], unknown> =>
  new t.Type<Value | readonly Value[], unknown>(
    one.name,
    (value): value is Value | readonly Value[] => one.is(value) || several.is(value),
    (value, context) =>
      Array.isArray(value) ? several.validate(value, context) : one.validate(value, context),
    t.identity,
  );
