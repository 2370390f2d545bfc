import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import type * as t from 'io-ts';
import { decode } from '../../src/codecs/decode.js';
import { cText, integer, longestTimerMs, oneOf, port, text } from '../../src/codecs/scalars.js';

const takes = (codec: t.Mixed, value: unknown): boolean => {
  const taken = E.isRight(decode(codec, value));
  expect(codec.is(value)).toBe(taken);
  return taken;
};

const fault = (codec: t.Mixed, value: unknown): unknown => {
  const decoded = decode(codec, value);
  return E.isLeft(decoded) ? decoded.left[0] : 'no fault';
};

describe('integer', () => {
  const dozen = integer('dozen', -12, 12);

  test('takes whole numbers from the least to the greatest, both included', () => {
    fc.assert(
      fc.property(fc.integer({ min: -20, max: 20 }), (value) => {
        expect(takes(dozen, value)).toBe(value >= -12 && value <= 12);
      }),
    );
  });

  test.each([
    [NaN],
    [Infinity],
    [-Infinity],
    [1.5],
    ['1'],
    [1n],
    [true],
    [null],
    [undefined],
    [[1]],
    [new Number(1)],
  ])('takes no %p', (value) => {
    expect(takes(dozen, value)).toBe(false);
  });

  test('makes -0 a plain 0', () => {
    expect(decode(dozen, -0)).toStrictEqual(E.right(0));
    expect(dozen.encode(3)).toBe(3);
  });

  test('tells its name and its limits', () => {
    expect(fault(dozen, 13)).toEqual({
      path: '',
      found: '13',
      expected: 'dozen (a whole number from -12 to 12)',
    });
  });
});

describe('text', () => {
  const word = text('a word', (value) => /^[a-z]+$/.test(value));

  test.each([
    ['word', true],
    ['', false],
    ['two words', false],
    [7, false],
    [null, false],
    [new String('word'), false],
    [['word'], false],
  ])('asks its test about texts only: %p', (value, taken) => {
    expect(takes(word, value)).toBe(taken);
  });

  test('tells its name, and encodes as it is', () => {
    expect(fault(word, 'A')).toEqual({ path: '', found: "'A'", expected: 'a word' });
    expect(word.encode('a')).toBe('a');
  });
});

test.each([
  ['red', true],
  ['green', true],
  ['Red', false],
  ['', false],
  ['toString', false],
  [0, false],
])('oneOf takes the given texts and nothing else: %p', (value, taken) => {
  expect(takes(oneOf(['red', 'green']), value)).toBe(taken);
});

test('oneOf tells which texts there are', () => {
  expect(fault(oneOf(['red', 'green']), 'blue')).toEqual({
    path: '',
    found: "'blue'",
    expected: 'one of red, green',
  });
});

test.each([
  ['', true],
  ['text\n', true],
  ['cut\0here', false],
])('cText takes texts that a C library can take: %p', (value, taken) => {
  expect(takes(cText, value)).toBe(taken);
});

test('cText tells what it wants', () => {
  expect(fault(cText, '\0')).toEqual({
    path: '',
    found: "'\\x00'",
    expected: 'a text without NUL characters',
  });
});

test.each([
  [0, false],
  [1, true],
  [65_535, true],
  [65_536, false],
])('port takes 1 to 65535: %p', (value, taken) => {
  expect(takes(port, value)).toBe(taken);
});

test('port tells its limits', () => {
  expect(fault(port, 0)).toEqual({
    path: '',
    found: '0',
    expected: 'TCP port (a whole number from 1 to 65535)',
  });
});

test('the longest timer is one that Node does not cut to 1 ms', () => {
  expect(longestTimerMs).toBe(2_147_483_647);
});
