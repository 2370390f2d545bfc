import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { isPlain } from './closed.js';
import { described } from './described.js';
import { isProxy } from './isProxy.js';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';
import { onOneLine } from '../lifecycle/onOneLine.js';

interface Place {
  readonly path: string;
  /** What stands there, as it may be told. */
  readonly found: () => string;
  readonly expected: string;
}

const longestFound = 80;
const mostFaults = 100;

/**
 * Writes a value found at a door so that a person can read it: on one line, 80 characters at most, without running any
 * code of the value. Of what an object or an array holds nothing is written but the names of keys: it may be a secret.
 */
export function found(value: unknown): string {
  switch (typeof value) {
    case 'object':
      return value === null ? 'null' : onOneLine(outlined(value), longestFound);
    case 'function':
    case 'undefined':
      return described(value);
    case 'string':
      return onOneLine(quoted(value.slice(0, longestFound)), longestFound);
    case 'bigint':
      return onOneLine(`${String(value)}n`, longestFound);
    default:
      return onOneLine(Object.is(value, -0) ? '-0' : String(value), longestFound);
  }
}

function outlined(value: object): string {
  const keys = !isProxy(value) && isPlain(value) ? Object.keys(value) : [];
  if (keys.length === 0) return described(value);
  const names = keys
    .slice(0, mostKeys)
    .map((key) => (isWord(key) ? key : quoted(key.slice(0, longestFound))));
  return `an object with ${names.join(', ')}${keys.length > mostKeys ? ', …' : ''}`;
}

/** In the quotes that it does not hold, as it would stand in a program. */
function quoted(text: string): string {
  const quote = ["'", '"', '`'].find((mark) => !text.includes(mark)) ?? "'";
  const escaped = text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`);
  return `${quote}${escaped.replace(/\p{Cs}/gu, unpaired)}${quote}`;
}

/** Half of a character, which no encoding can carry. */
const unpaired = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).toUpperCase()}`;

const mostKeys = 20;

const isWord = (key: string): boolean => /^[\w$-]{1,80}$/.test(key);

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
  if (E.isLeft(decoded)) throw new InvalidRequest({ faults: decoded.left });
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
  if (faults.length > 0) throw new InvalidRequest({ faults });
}

function faultsOf(errors: t.Errors): readonly Fault[] {
  // Every member of a union fails with the same words, the union's.
  const places = new Map(errors.map(placeOf).map((place) => [`${place.path}\n${place.expected}`, place]));
  const faults = [...places.values()]
    .slice(0, mostFaults)
    .map(({ path, found, expected }) => ({ path, found: found(), expected }));
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
  const isWhole = place.length === context.length;
  const expected = (isWhole ? message : undefined) ?? last?.type.name ?? 'another value';
  const told = isWhole ? value : last?.actual;
  const isSecret = place.some(({ type }) => tagOf(type) === 'SecretType');
  return { path, found: () => (isSecret ? described(told) : found(told)), expected };
}

const pathOf = (context: t.Context): string =>
  context.reduce((path, { key }, index) => {
    const parent = context[index - 1];
    // The first entry is the value itself; those below an intersection count its members.
    if (parent === undefined || tagOf(parent.type) === 'IntersectionType') return path;
    if (Array.isArray(parent.actual)) return `${path}[${key}]`;
    if (!isWord(key)) return `${path}[${tagOf(parent.type) === 'SecretType' ? described(key) : found(key)}]`;
    return path === '' ? key : `${path}.${key}`;
  }, '');

const tagOf = (type: t.Decoder<unknown, unknown>): unknown => ('_tag' in type ? type._tag : undefined);
