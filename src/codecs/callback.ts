import * as t from 'io-ts';

/** Decodes a function. */
export const callback = new t.Type<unknown>(
  'a function',
  (value): value is unknown => typeof value === 'function',
  (value, context) => (typeof value === 'function' ? t.success(value) : t.failure(value, context)),
  t.identity,
);
