import * as t from 'io-ts';

/** Decodes nothing at all where an A stands elsewhere; `expected` says why nothing can. */
export const nothing = <A>(expected: string): t.Type<A, unknown> =>
  new t.Type<A, unknown>(expected, t.never.is, t.failure, t.identity);
