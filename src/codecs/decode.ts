import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { inspect } from 'node:util';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';

const longestFound = 80;

/** Writes a value found at a door so that a person can read it on one line. */
export function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: longestFound });
  return text.length > longestFound ? `${text.slice(0, longestFound - 1)}…` : text;
}

const pathOf = (context: t.Context): string =>
  context.reduce((path, { key }) => {
    if (key === '') return path;
    if (/^\d+$/.test(key)) return `${path}[${key}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');

const faultOf = ({ context, value, message }: t.ValidationError): Fault => ({
  path: pathOf(context),
  found: found(value),
  expected: message ?? context.at(-1)?.type.name ?? 'another value',
});

/** Decodes a value from outside; on the left is every fault, each with its path, the value found and what was expected. */
export function decode<A>(codec: t.Decoder<unknown, A>, value: unknown): E.Either<readonly Fault[], A> {
  const decoded = codec.decode(value);
  return E.isRight(decoded) ? decoded : E.left(decoded.left.map(faultOf));
}

/** Decodes a value from outside, or throws. @throws {@link InvalidRequest} naming every fault. */
export function decodeOrThrow<A>(codec: t.Decoder<unknown, A>, value: unknown): A {
  const decoded = decode(codec, value);
  if (E.isLeft(decoded)) throw new InvalidRequest(decoded.left);
  return decoded.right;
}
