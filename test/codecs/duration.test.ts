import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { decode } from '../../src/codecs/decode.js';
import { duration, millisecondsOf } from '../../src/codecs/duration.js';

test.each([
  ['0s', 0],
  ['300ms', 300],
  ['1.5s', 1_500],
  ['1m', 60_000],
  ['1h30m', 5_400_000],
  ['1h1m1s1ms', 3_661_001],
  ['168h', 604_800_000],
])('%s are %d ms', (text, milliseconds) => {
  expect(millisecondsOf(text)).toBe(milliseconds);
});

test.each(['', '10', '1d', ' 5s', '5s ', '-5s', '1h 30m', 's', '.s', '1.s', '1e3s', '5S', '5s\n'])(
  '"%s" is no duration',
  (text) => {
    expect(millisecondsOf(text)).toBeNaN();
  },
);

test('any whole number of each unit is understood', () => {
  fc.assert(
    fc.property(fc.nat(999), fc.nat(59), fc.nat(59), fc.nat(999), (h, m, s, ms) => {
      const text = `${String(h)}h${String(m)}m${String(s)}s${String(ms)}ms`;
      expect(millisecondsOf(text)).toBe(((h * 60 + m) * 60 + s) * 1_000 + ms);
    }),
  );
});

describe('a duration between two others', () => {
  const age = duration('age', '1s', '1h');

  test.each(['1s', '1000ms', '30m', '1h', '60m'])('may be %s', (text) => {
    expect(decode(age, text)).toStrictEqual(E.right(text));
  });

  test.each(['999ms', '1h1ms', 'soon', 5])('may not be %p', (value) => {
    const decoded = decode(age, value);
    expect(E.isLeft(decoded) && decoded.left[0]?.expected).toBe(
      'age (a duration such as 1h30m, from 1s to 1h)',
    );
  });
});
