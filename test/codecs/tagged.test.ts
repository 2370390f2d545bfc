import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { closed } from '../../src/codecs/closed.js';
import { decode } from '../../src/codecs/decode.js';
import { tagged } from '../../src/codecs/tagged.js';

const shape = tagged('shape', 'kind', {
  circle: closed('circle', { kind: t.literal('circle'), radius: t.number }, {}),
  square: closed('square', { kind: t.literal('square'), side: t.number }, {}),
});

const faults = (value: unknown): unknown => {
  const decoded = decode(closed('drawing', { shape }, {}), { shape: value });
  return E.isLeft(decoded) ? decoded.left : 'no fault';
};

test.each([[{ kind: 'circle', radius: 1 }], [{ kind: 'square', side: 1 }]])(
  'takes each variant: %p',
  (value) => {
    expect(decode(shape, value)).toEqual(E.right(value));
    expect(shape.is(value)).toBe(true);
    expect(shape.encode(value as never)).toBe(value);
  },
);

test('types what it decodes, so that nothing of it is any', () => {
  const decoded = E.getOrElseW(() => undefined)(decode(shape, { kind: 'circle', radius: 1 }));
  // @ts-expect-error -- 'circle' or 'square'
  const kind: 'triangle' | undefined = decoded?.kind;
  expect(kind).toBe('circle');
});

test('tells the faults of the variant that was meant, and of no other', () => {
  expect(faults({ kind: 'circle', side: 1 })).toEqual([
    { path: 'shape.side', found: 'a number', expected: 'another key; known are kind, radius' },
    { path: 'shape.radius', found: 'nothing', expected: 'number' },
  ]);
  expect(shape.is({ kind: 'circle', side: 1 })).toBe(false);
});

test.each([
  [{}, 'nothing'],
  [{ kind: 'triangle' }, "'triangle'"],
  [{ kind: 7 }, '7'],
  [{ kind: ['circle'] }, 'an array of 1 value'],
  [{ kind: 'toString' }, "'toString'"],
  [{ kind: '__proto__' }, "'__proto__'"],
  [Object.create({ kind: 'circle', radius: 1 }), 'nothing'],
])('tells which kinds there are: %p', (value: unknown, found) => {
  expect(faults(value)).toEqual([{ path: 'shape.kind', found, expected: 'one of circle, square' }]);
});

test.each([[null], ['circle'], [[]], [7]])('takes nothing but an object: %p', (value) => {
  expect(faults(value)).toEqual([expect.objectContaining({ path: 'shape', expected: 'shape' })]);
});
