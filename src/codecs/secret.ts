import * as t from 'io-ts';

/** Decodes what the codec does; but of what it can't, only kind and size are told, see {@link described}. */
export const secret = <A>(codec: t.Type<A, unknown>): t.Type<A, unknown> =>
  new SecretType(codec.name, codec.is, codec.validate, t.identity);

/** Whether of what a codec can't decode kind and size are told only. */
export const isSecret = (codec: object): boolean => codec instanceof SecretType;

class SecretType<A> extends t.Type<A, unknown> {
  readonly _tag = 'SecretType';
}
