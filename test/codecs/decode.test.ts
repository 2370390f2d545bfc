import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import * as t from 'io-ts';
import { inspect } from 'node:util';
import { closed } from '../../src/codecs/closed.js';
import { decode, decodeAllOrThrow, decodeOrThrow, found } from '../../src/codecs/decode.js';
import { InvalidRequest } from '../../src/lifecycle/errors.js';
import { onOneLine } from '../../src/lifecycle/onOneLine.js';

const faults = (codec: t.Mixed, value: unknown): unknown => {
  const decoded = decode(codec, value);
  return E.isLeft(decoded) ? decoded.left : 'no fault';
};

const throwing = (): never => {
  throw new Error('code of the value was run');
};

const deep = (levels: number): unknown => {
  let value: unknown = 'end';
  for (let level = 0; level < levels; level += 1) value = { value };
  return value;
};

describe('found', () => {
  test.each<[unknown, string]>([
    [undefined, 'nothing'],
    [null, 'null'],
    ['', "''"],
    ['text', "'text'"],
    ["it's", `"it's"`],
    ['two\nlines', "'two\\nlines'"],
    [7, '7'],
    [-0, '-0'],
    [NaN, 'NaN'],
    [7n, '7n'],
    [true, 'true'],
    [Symbol('two\nlines'), 'Symbol(two\\nlines)'],
    [Symbol('\u001b[2Jclear\u2028'), 'Symbol(\\x1B[2Jclear\\u{2028})'],
    [[], '[]'],
    [[1, 2, 3, 4, 5, 6, 7, 8], 'an array of 8 values'],
    [{ a: { b: { c: 1 } } }, 'an object with a'],
    [JSON.parse('{ "__proto__": 1 }'), 'an object with __proto__'],
    [Object.create(null), '{}'],
    [new Map([[1, 2]]), 'an instance of Map'],
  ])('writes %p', (value, text) => {
    expect(found(value)).toBe(text);
  });

  test('writes what is no object as a person would, on one line', () => {
    const primitive = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.double(),
      fc.bigInt(),
      fc.boolean(),
    );
    fc.assert(
      fc.property(primitive, (value) => {
        expect(found(value)).toBe(onOneLine(inspect(value), 80));
      }),
    );
    expect(['\b\f', '\ud800', 'a\\b', `'"`, `'"\``].map(found)).toEqual([
      "'\\b\\f'",
      "'\\uD800'",
      "'a\\\\b'",
      '`\'"`',
      `'\\'"\`'`,
    ]);
  });

  test('runs no code of the value', () => {
    expect(found({ toString: throwing, toJSON: throwing })).toBe('an object with toString, toJSON');
    expect(found(Object.defineProperty({}, 'a', { get: throwing, enumerable: true }))).toBe(
      'an object with a',
    );
    expect(found({ [inspect.custom]: throwing })).toBe('{}');
    expect(found(Object.create(new Proxy({}, { get: throwing, getPrototypeOf: throwing })))).toBe(
      'an instance of a class',
    );
    expect(found(new Proxy({ a: 1 }, { get: throwing, ownKeys: throwing }))).toBe('a proxy');
  });

  test('tells of what an object holds nothing but its keys', () => {
    expect(found({ key: 'secret', 'a b': ['secret'] })).toBe("an object with key, 'a b'");
    expect(found([['secret']])).toBe('an array of 1 value');
    expect(
      found(
        new (class Kept {
          readonly key = 'secret';
        })(),
      ),
    ).toBe('an instance of Kept');
  });

  test('writes what would move the cursor, or hide, as its number', () => {
    expect(found('a\u202eb\u200b')).toBe("'a\\u{202E}b\\u{200B}'");
  });

  test.each([
    ['a long text', 'x'.repeat(1_000_000)],
    ['a long list', new Array<number>(1_000_000).fill(1)],
    [
      'many keys',
      Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${String(index)}`, index])),
    ],
    ['many bytes', new Uint8Array(1000)],
    ['an error with its stack', new Error('a\nb')],
    ['a hundred thousand levels', deep(100_000)],
    ['a long symbol', Symbol('s'.repeat(1000))],
    ['a key of a million blanks', { [' '.repeat(1_000_000)]: 1 }],
  ])('stays on one line of 80 characters: %s', (_, value) => {
    const text = found(value);
    expect(text.length).toBeLessThanOrEqual(80);
    expect(text).not.toMatch(/\n/);
  });

  test('ends what it had to cut with an ellipsis, and cuts no character in two', () => {
    expect(found('x'.repeat(79))).toBe(`'${'x'.repeat(78)}…`);
    expect(found('x'.repeat(78))).toBe(`'${'x'.repeat(78)}'`);
    expect(found(`${'x'.repeat(77)}😀😀`)).toBe(`'${'x'.repeat(77)}…`);
  });

  test('never throws, never writes more than one line or 80 characters', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withSparseArray: true, withBigInt: true }),
        (value) => {
          const text = found(value);
          expect(text.length).toBeLessThanOrEqual(80);
          expect(text).not.toMatch(/[\n\r]/);
        },
      ),
    );
  });
});

describe('decode', () => {
  test('gives what the codec made of the value', () => {
    expect(decode(t.array(t.number), [1, 2])).toEqual(E.right([1, 2]));
  });

  test('tells of a fault of the value itself without a path', () => {
    expect(faults(t.string, 7)).toEqual([{ path: '', found: '7', expected: 'string' }]);
  });

  test('names every failing path at once: keys after dots, indices in brackets', () => {
    const codec = t.type({ name: t.string, ports: t.array(t.type({ port: t.number })) });
    expect(faults(codec, { ports: [{ port: 1 }, { port: '2' }, 3] })).toEqual([
      { path: 'name', found: 'nothing', expected: 'string' },
      { path: 'ports[1].port', found: "'2'", expected: 'number' },
      { path: 'ports[2]', found: '3', expected: '{ port: number }' },
    ]);
  });

  test.each([
    ['7', 'env.7'],
    ['A_b-$', 'env.A_b-$'],
    ['a.b', "env['a.b']"],
    ['', "env['']"],
    ['two\nlines', "env['two\\nlines']"],
    ['__proto__', 'env.__proto__'],
    ['x'.repeat(81), `env['${'x'.repeat(78)}…]`],
  ])('writes a key so that the path can be told from another: %p', (key, path) => {
    const codec = t.type({ env: t.record(t.string, t.string) });
    const value = { env: Object.defineProperty({}, key, { value: 7, enumerable: true }) };
    expect(faults(codec, value)).toEqual([{ path, found: '7', expected: 'string' }]);
  });

  test('tells of a union as one fault at its own path', () => {
    const codec = t.type({ size: t.union([t.literal('all'), t.type({ max: t.number })], 'all, or { max }') });
    const expected = 'all, or { max }';
    expect(faults(codec, { size: { max: 'x' } })).toEqual([
      { path: 'size', found: 'an object with max', expected },
    ]);
    expect(faults(t.union([t.string, t.number]), null)).toEqual([
      { path: '', found: 'null', expected: '(string | number)' },
    ]);
  });

  test('does not count the members of an intersection in the path, nor tell twice of one key', () => {
    const codec = t.intersection([t.type({ a: t.string, b: t.string }), t.type({ a: t.string })]);
    expect(faults(codec, { a: 1, b: 2 })).toEqual([
      { path: 'a', found: '1', expected: 'string' },
      { path: 'b', found: '2', expected: 'string' },
    ]);
  });

  test("tells what a codec's own message says", () => {
    const codec = new t.Type<string>(
      'word',
      t.string.is,
      (value, context) => t.failure(value, context, 'a word'),
      String,
    );
    expect(faults(codec, 7)).toEqual([{ path: '', found: '7', expected: 'a word' }]);
  });

  test('bears a codec that tells no place', () => {
    const codec = new t.Type<string>('word', t.string.is, (value) => t.failure(value, []), String);
    expect(faults(codec, 7)).toEqual([{ path: '', found: '7', expected: 'another value' }]);
  });

  test('tells of a hundred faults, and then of how many more there are', () => {
    const many = (length: number): unknown => faults(t.array(t.string), new Array<number>(length).fill(7));
    expect(many(100)).toHaveLength(100);
    expect(many(100)).not.toContainEqual(expect.objectContaining({ path: '' }));
    expect(many(12_345)).toHaveLength(101);
    expect(many(12_345)).toContainEqual({ path: '', found: '12245 more faults', expected: 'none' });
  });

  test('a wrong value never throws', () => {
    const codec = closed(
      'thing',
      { id: t.string, list: t.array(t.number) },
      { of: t.record(t.string, t.number) },
    );
    fc.assert(
      fc.property(fc.object({ key: fc.constantFrom('id', 'list', 'of', '__proto__', 'x') }), (value) => {
        expect(E.isLeft(decode(codec, value)) || codec.is(value)).toBe(true);
      }),
    );
  });
});

describe('decodeOrThrow', () => {
  test('gives what the codec made of the value', () => {
    expect(decodeOrThrow(t.number, 7)).toBe(7);
  });

  test('throws InvalidRequest with every fault', () => {
    expect(() => decodeOrThrow(t.type({ a: t.string, b: t.string }), {})).toThrow(
      new InvalidRequest({
        faults: [
          { path: 'a', found: 'nothing', expected: 'string' },
          { path: 'b', found: 'nothing', expected: 'string' },
        ],
      }),
    );
  });
});

describe('decodeAllOrThrow', () => {
  test('is content with arguments that are right', () => {
    expect(() => {
      decodeAllOrThrow([t.number, 7], [t.string, 'seven']);
    }).not.toThrow();
  });

  test('throws InvalidRequest with the faults of all arguments, in their order', () => {
    expect(() => {
      decodeAllOrThrow([t.type({ a: t.string }), {}], [t.number, 7], [t.type({ b: t.string }), { b: 1 }]);
    }).toThrow(
      new InvalidRequest({
        faults: [
          { path: 'a', found: 'nothing', expected: 'string' },
          { path: 'b', found: '1', expected: 'string' },
        ],
      }),
    );
  });
});
