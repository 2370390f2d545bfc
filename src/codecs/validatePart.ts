import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';

/**
 * Validates what stands at a key. The context is made for what fails only: most of what is decoded is right, and a context for each
 * key would take longer than the rest.
 */
export function validatePart<A>(
  codec: t.Decoder<unknown, A>,
  part: unknown,
  context: t.Context,
  key: string,
): t.Validation<A> {
  const result = codec.validate(part, context);
  return E.isRight(result) ? result : codec.validate(part, t.appendContext(context, key, codec, part));
}
