import * as E from 'fp-ts/lib/Either.js';
import { decode } from '../../src/codecs/decode.js';
import { withMethods } from '../../src/codecs/withMethods.js';

const store = withMethods('a store', 'load', 'close');

class Base {
  load(): void {
    // Inherited below.
  }
}

class Derived extends Base {
  close(): void {
    // Its own.
  }
}

test.each<object>([{ load: () => 1, close: () => 2, more: 3 }, new Derived()])(
  'takes an object that has the methods, its own or inherited, and does not copy it: %p',
  (value: unknown) => {
    const decoded = decode(store, value);
    expect(E.isRight(decoded) && decoded.right).toBe(value);
    expect(store.is(value)).toBe(true);
  },
);

test.each<[unknown, string]>([
  [undefined, 'nothing'],
  [null, 'null'],
  ['load', "'load'"],
  [[], '[]'],
  [{ load: () => 1 }, 'an object with load'],
  [{ load: () => 1, close: true }, 'an object with load, close'],
])('takes nothing else: %p', (value, found) => {
  expect(decode(store, value)).toEqual(E.left([{ path: '', found, expected: 'a store' }]));
  expect(store.is(value)).toBe(false);
});
