import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { inspect } from 'node:util';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';

interface Place {
  readonly path: string;
  readonly value: unknown;
  readonly expected: string;
}

const longestFound = 80;
const mostFaults = 100;

/**
 * Writes a value found at a door so that a person can read it: on one line, 80 characters at most, without running any
 * code of the value.
 */
export function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  try {
    return cut(inspect(value, written).replace(/[\p{Cc}\u2028\u2029]+\s*/gu, ' '));
  } catch {
    // `inspect` still asks for the tag, the name and the stack, which may be getters that throw.
    return 'a value that cannot be shown';
  }
}

const written = {
  depth: 1,
  compact: true,
  breakLength: Infinity,
  maxStringLength: longestFound,
  maxArrayLength: 20,
  customInspect: false,
} as const;

const cut = (text: string): string =>
  text.length > longestFound ? `${text.slice(0, longestFound - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : text;

/**
 * Decodes a value from outside. On the left is every fault, each with its path, the value found and what was expected;
 * of more than 100 faults the first 100, and how many more there are.
 *
 * A union is told as one fault at its own path; where a person can have meant one member, `tagged` tells more.
 */
export function decode<A>(codec: t.Decoder<unknown, A>, value: unknown): E.Either<readonly Fault[], A> {
  const decoded = codec.decode(value);
  return E.isRight(decoded) ? decoded : E.left(faultsOf(decoded.left));
}

/** Decodes a value from outside, or throws. @throws {@link InvalidRequest} naming every fault. */
export function decodeOrThrow<A>(codec: t.Decoder<unknown, A>, value: unknown): A {
  const decoded = decode(codec, value);
  if (E.isLeft(decoded)) throw new InvalidRequest(decoded.left);
  return decoded.right;
}

/** Decodes the arguments of a call, each by its codec, or throws. @throws {@link InvalidRequest} naming the faults of all. */
export function decodeAllOrThrow(
  ...given: readonly (readonly [codec: t.Decoder<unknown, unknown>, value: unknown])[]
): void {
  const faults = given.flatMap(([codec, value]) => {
    const decoded = decode(codec, value);
    return E.isLeft(decoded) ? decoded.left : [];
  });
  if (faults.length > 0) throw new InvalidRequest(faults);
}

function faultsOf(errors: t.Errors): readonly Fault[] {
  // Every member of a union fails with the same words, the union's.
  const places = new Map(errors.map(placeOf).map((place) => [`${place.path}\n${place.expected}`, place]));
  const faults = [...places.values()]
    .slice(0, mostFaults)
    .map(({ path, value, expected }) => ({ path, found: found(value), expected }));
  const more = places.size - faults.length;
  return more === 0
    ? faults
    : [...faults, { path: '', found: `${String(more)} more faults`, expected: 'none' }];
}

function placeOf({ context, value, message }: t.ValidationError): Place {
  const union = context.findIndex(({ type }) => tagOf(type) === 'UnionType');
  const place = union === -1 ? context : context.slice(0, union + 1);
  const path = pathOf(place);
  const last = place.at(-1);
  const expected = last?.type.name ?? 'another value';
  return place.length === context.length
    ? { path, value, expected: message ?? expected }
    : { path, value: last?.actual, expected };
}

const pathOf = (context: t.Context): string =>
  context.reduce((path, { key }, index) => {
    const parent = context[index - 1];
    // The first entry is the value itself; those below an intersection count its members.
    if (parent === undefined || tagOf(parent.type) === 'IntersectionType') return path;
    if (Array.isArray(parent.actual)) return `${path}[${key}]`;
    if (!/^[\w$-]{1,80}$/.test(key)) return `${path}[${found(key)}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');

const tagOf = (type: t.Decoder<unknown, unknown>): unknown => ('_tag' in type ? type._tag : undefined);
