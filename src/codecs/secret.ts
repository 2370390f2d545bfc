import * as t from 'io-ts';

/** Decodes what the codec does; but of what it can't, only kind and size are told, see {@link described}. */
export const secret = <A>(codec: t.Type<A, unknown>): t.Type<A, unknown> =>
  new SecretType(codec.name, codec.is, codec.validate, t.identity);

class SecretType<A> extends t.Type<A, unknown> {
  readonly _tag = 'SecretType';
}
