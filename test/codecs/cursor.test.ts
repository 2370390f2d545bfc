import * as E from 'fp-ts/lib/Either.js';
import { cursor } from '../../src/codecs/cursor.js';
import { decode } from '../../src/codecs/decode.js';
import { nothing } from '../../src/codecs/nothing.js';
import { anUpdate } from '../support/lifecycleEvents.js';

test('takes a place, and that of an event without the rest of it', () => {
  const place = { epoch: 'e', sequence: 3 };
  expect(decode(cursor, place)).toStrictEqual(E.right(place));
  expect(decode(cursor, anUpdate(3))).toStrictEqual(E.right(place));
  expect(cursor.is(place)).toBe(true);
});

test('keeps nothing of what it was given, which may change', () => {
  const given = { epoch: 'e', sequence: 3 };
  const decoded = decode(cursor, given);
  given.sequence = 4;
  expect(decoded).toStrictEqual(E.right({ epoch: 'e', sequence: 3 }));
});

test.each([
  [undefined, ''],
  ['e-3', ''],
  [{ epoch: 'e' }, 'sequence'],
  [{ epoch: 'e', sequence: -1 }, 'sequence'],
  [{ epoch: 'e', sequence: 2 ** 53 }, 'sequence'],
  [{ sequence: 1 }, 'epoch'],
])('refuses %j', (value, path) => {
  expect(decode(cursor, value)).toMatchObject({ left: [{ path }] });
});

test('nothing is taken where nothing can stand, and the reason is told', () => {
  expect(decode(nothing('nothing: there is none'), 0)).toStrictEqual(
    E.left([{ path: '', found: '0', expected: 'nothing: there is none' }]),
  );
});
