import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import * as t from 'io-ts';
import { decode } from '../../src/codecs/decode.js';
import { record } from '../../src/codecs/record.js';
import { text } from '../../src/codecs/scalars.js';

const word = text('a word', (value) => /^\w+$/.test(value));
const ages = record('ages', word, t.number);

test('takes an object whose keys and values are right, and gives a new one', () => {
  const value = { ann: 1, bob: 2 };
  const decoded = E.getOrElseW(() => ({}))(decode(ages, value));
  expect(decoded).toStrictEqual(value);
  expect(decoded).not.toBe(value);
  expect(ages.is(value)).toBe(true);
  expect(ages.encode(value)).toBe(value);
});

test('types what it decodes, so that nothing of it is any', () => {
  const decoded = E.getOrElseW(() => ({ ann: 2 }))(decode(ages, { ann: 1 }));
  // @ts-expect-error -- a number
  const age: string = decoded.ann;
  expect(age).toBe(1);
});

test('every wrong key and every wrong value is a fault at its own path', () => {
  expect(decode(ages, { 'an n': 1, bob: '2', '': null, carl: 3 })).toEqual(
    E.left([
      { path: "['an n']", found: "'an n'", expected: 'a word' },
      { path: 'bob', found: "'2'", expected: 'number' },
      { path: "['']", found: "''", expected: 'a word' },
      { path: "['']", found: 'null', expected: 'number' },
    ]),
  );
  expect(ages.is({ 'an n': 1 })).toBe(false);
  expect(ages.is({ bob: '2' })).toBe(false);
});

test('gives what the codecs made of keys and values', () => {
  const trimmed = new t.Type<string, string, unknown>(
    'trimmed',
    t.string.is,
    (value, context) => (typeof value === 'string' ? t.success(value.trim()) : t.failure(value, context)),
    t.identity,
  );
  expect(decode(record('texts', trimmed, trimmed), { ' a ': ' b ' })).toStrictEqual(E.right({ a: 'b' }));
});

test('names of prototypes are keys like any other', () => {
  const value: unknown = JSON.parse('{ "__proto__": 1, "constructor": 2 }');
  const decoded = E.getOrElseW(() => ({}))(decode(ages, value));
  expect(Object.entries(decoded)).toEqual([
    ['__proto__', 1],
    ['constructor', 2],
  ]);
  expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
});

test.each<[unknown]>([
  [undefined],
  [null],
  ['text'],
  [[]],
  [new Map([['ann', 1]])],
  [new Date(0)],
  [() => 1],
])('takes nothing but an object with keys of its own: %p', (value) => {
  expect(decode(ages, value)).toEqual(E.left([expect.objectContaining({ path: '', expected: 'ages' })]));
});

test.each<[unknown]>([
  [Object.create(null)],
  [Object.create({ ann: 'inherited' })],
  [{ [Symbol('s')]: 's' }],
])('looks at keys of its own alone: %p', (value) => {
  expect(decode(ages, value)).toStrictEqual(E.right({}));
});

test('takes the environment of this process', () => {
  expect(decode(record('variables', t.string, t.string), process.env)).toEqual(E.right({ ...process.env }));
});

test('nothing is left out in silence', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(fc.integer(), fc.string())), (value) => {
      const decoded = decode(ages, value);
      const wrong = Object.entries(value).filter(([key, part]) => !word.is(key) || typeof part !== 'number');
      if (wrong.length === 0) expect(decoded).toEqual(E.right(value));
      else expect(E.isLeft(decoded) && decoded.left.length).toBeGreaterThanOrEqual(wrong.length);
    }),
  );
});
