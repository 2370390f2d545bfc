import * as fc from 'fast-check';
import { exceeded } from '../../src/codecs/measure.js';

const throwing = (): never => {
  throw new Error('code of the value was run');
};

const nested = (levels: number): unknown =>
  Array.from({ length: levels }).reduce<unknown>((inner) => ({ inner }), 'end');

describe('a value', () => {
  test.each<[string, unknown, string | undefined]>([
    ['a text that fits', 'x'.repeat(100), undefined],
    ['one that does not', 'x'.repeat(101), 'bytes'],
    ['one that does not in UTF-8', 'é'.repeat(51), 'bytes'],
    ['texts that do not together', ['x'.repeat(50), 'x'.repeat(50)], 'bytes'],
    ['a key that does not', { ['x'.repeat(101)]: 1 }, 'bytes'],
    ['many empty places', new Array(2 ** 23), 'bytes'],
    ['many numbers', new Array(1_000_000).fill(1), 'bytes'],
    ['what nests as deep as may be', nested(4), undefined],
    ['what nests deeper', nested(5), 'levels'],
    ['what nests without end', nested(100_000), 'levels'],
    ['nothing', undefined, undefined],
  ])('%s', (_, value, expected) => {
    expect(exceeded(value, { bytes: 108, levels: 4 })).toBe(expected);
  });

  test('that is a text takes as many bytes as UTF-8 does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), fc.nat(2), (text, surrogate) => {
        const value = [text, ['', '\ud83d', '\ude00'][surrogate], text].join('');
        const bytes = 8 + Buffer.byteLength(value);
        expect(exceeded(value, { bytes, levels: 1 })).toBeUndefined();
        expect(exceeded(value, { bytes: bytes - 1, levels: 1 })).toBe('bytes');
      }),
    );
  });

  test('that holds itself nests too deep', () => {
    const value: Record<string, unknown> = {};
    value['itself'] = value;
    expect(exceeded(value, { bytes: 1_000, levels: 32 })).toBe('levels');
  });

  test('that is told many times over counts as often', () => {
    let value: unknown = 'x';
    for (let level = 0; level < 30; level += 1) value = [value, value];
    expect(exceeded(value, { bytes: 2 ** 20, levels: 32 })).toBe('bytes');
  });

  test('is measured without running its code', () => {
    const getter = Object.defineProperty({}, 'a', { get: throwing, enumerable: true });
    const proxy = new Proxy({}, { get: throwing, ownKeys: throwing, getOwnPropertyDescriptor: throwing });
    expect(exceeded([getter, proxy], { bytes: 100, levels: 4 })).toBeUndefined();
  });
});
