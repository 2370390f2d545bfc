import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import * as t from 'io-ts';
import { runInNewContext } from 'node:vm';
import { closed, isRecord } from '../../src/codecs/closed.js';
import { decode } from '../../src/codecs/decode.js';

const point = closed('point', { x: t.number }, { label: t.string });

const faults = (codec: t.Mixed, value: unknown): unknown => {
  const decoded = decode(codec, value);
  return E.isLeft(decoded) ? decoded.left : 'no fault';
};

test.each([[{ x: 1 }], [{ x: 1, label: 'a' }]])('takes an object with the keys it knows: %p', (value) => {
  expect(decode(point, value)).toEqual(E.right(value));
  expect(point.is(value)).toBe(true);
});

test('gives a new object, in which an optional key that is undefined is absent', () => {
  const value = { x: 1, label: undefined };
  const decoded = decode(point, value);
  expect(decoded).toStrictEqual(E.right({ x: 1 }));
  expect(point.encode(value as never)).toBe(value);
});

test('types what it decodes, so that nothing of it is any', () => {
  const { x, label } = E.getOrElseW(() => ({ x: 0, label: '' }))(decode(point, { x: 1 }));
  // @ts-expect-error -- a number
  const text: string = x;
  // @ts-expect-error -- absent, or a text
  const surely: string = label;
  expect([text, surely]).toEqual([1, undefined]);
});

test('gives what the codecs of the keys made of their values', () => {
  const trimmed = new t.Type<string, string, unknown>(
    'trimmed',
    t.string.is,
    (value) => t.success(String(value).trim()),
    String,
  );
  expect(decode(closed('word', { word: trimmed }, {}), { word: ' a ' })).toEqual(E.right({ word: 'a' }));
});

test('tells of all faults at once: unknown keys, missing keys, wrong values', () => {
  expect(faults(point, { label: 7, lable: 'a', X: 1 })).toEqual([
    {
      path: 'lable',
      found: 'a text of 1 character',
      expected: 'another key, perhaps label; known are x, label',
    },
    { path: 'X', found: 'a number', expected: 'another key, perhaps x; known are x, label' },
    { path: 'x', found: 'nothing', expected: 'number' },
    { path: 'label', found: '7', expected: 'string' },
  ]);
  expect(point.is({ label: 7 })).toBe(false);
});

test('a key that is undefined counts as absent, an unknown one as unknown', () => {
  expect(faults(point, { x: undefined })).toEqual([{ path: 'x', found: 'nothing', expected: 'number' }]);
  expect(faults(point, { x: 1, y: undefined })).toEqual([
    { path: 'y', found: 'nothing', expected: 'another key; known are x, label' },
  ]);
});

test('tells of a fault below at its path from the top', () => {
  const line = closed('line', { from: point }, { to: t.array(point) });
  expect(faults(line, { from: { x: 1, z: 1 }, to: [{ x: 1 }, {}] })).toEqual([
    { path: 'from.z', found: 'a number', expected: 'another key; known are x, label' },
    { path: 'to[1].x', found: 'nothing', expected: 'number' },
  ]);
});

test.each([[null], [undefined], [7], ['x'], [[]], [[{ x: 1 }]], [() => ({ x: 1 })]])(
  'takes nothing but an object: %p',
  (value) => {
    expect(faults(point, value)).toEqual([expect.objectContaining({ path: '', expected: 'point' })]);
    expect(point.is(value)).toBe(false);
  },
);

describe('of hostile objects', () => {
  class Point {
    x = 1;
    get label(): string {
      return 'unseen';
    }
  }

  test.each([
    ['an instance of a class', new Point()],
    ['a map', new Map([['x', 1]])],
    ['a date', new Date(0)],
    ['an object that inherits', Object.create({ x: 1 })],
  ])('refuses %s, of which a part would pass unseen', (_, value) => {
    expect(faults(point, value)).toEqual([expect.objectContaining({ path: '', expected: 'point' })]);
  });

  test('takes one without a prototype, and one of another realm', () => {
    const bare: unknown = Object.assign(Object.create(null), { x: 1 });
    expect(decode(point, bare)).toEqual(E.right({ x: 1 }));
    expect(decode(point, runInNewContext('({ x: 1 })'))).toEqual(E.right({ x: 1 }));
  });

  test('the key __proto__ is an unknown key, and changes no prototype', () => {
    expect(faults(point, JSON.parse('{ "x": 1, "__proto__": { "label": "a" } }'))).toEqual([
      { path: '__proto__', found: 'an object with 1 key', expected: 'another key; known are x, label' },
    ]);
    const none = closed('none', {}, {});
    expect(faults(none, JSON.parse('{ "constructor": 1, "toString": 2 }'))).toHaveLength(2);
  });

  test('a known key may bear the name of something that every object inherits', () => {
    const odd = closed('odd', {}, { constructor: t.string, toString: t.string });
    expect(decode(odd, {})).toEqual(E.right({}));
    const strict = closed('strict', { valueOf: t.string }, {});
    expect(faults(strict, {})).toEqual([{ path: 'valueOf', found: 'nothing', expected: 'string' }]);
  });

  test('symbols are not looked at and not taken over', () => {
    expect(decode(point, { x: 1, [Symbol('s')]: 2 })).toStrictEqual(E.right({ x: 1 }));
  });

  test('what a getter throws goes through; a getter that answers is asked once', () => {
    let asked = 0;
    const value = Object.defineProperty({}, 'x', { enumerable: true, get: () => (asked += 1) });
    expect(decode(point, value)).toEqual(E.right({ x: 1 }));
    const wrong = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no x today');
      },
    });
    expect(() => decode(point, wrong)).toThrow('no x today');
  });

  test('a list of half a million faults does not break the stack', () => {
    const lists = closed('lists', { list: t.array(t.string) }, {});
    expect(faults(lists, { list: new Array<number>(500_000).fill(7) })).toContainEqual({
      path: '',
      found: '499900 more faults',
      expected: 'none',
    });
  });
});

test('an object is taken exactly if it has the required key and no unknown one', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('x', 'label', 'y', '__proto__'), fc.integer()), (value) => {
      const keys = Object.keys(value);
      const expected = keys.includes('x') && keys.every((key) => key === 'x');
      expect(E.isRight(decode(point, value))).toBe(expected);
    }),
  );
});

test.each([
  [{}, true],
  [Object.create(null), true],
  [new Date(0), true],
  [[], false],
  [null, false],
  ['text', false],
  [undefined, false],
])('isRecord tells an object with keys from everything else: %p', (value: unknown, expected) => {
  expect(isRecord(value)).toBe(expected);
});
