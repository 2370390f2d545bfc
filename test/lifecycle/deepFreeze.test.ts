import * as fc from 'fast-check';
import { deepFreeze } from '../../src/lifecycle/deepFreeze.js';

const isDeeplyFrozen = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen));

test('freezes whatever JSON can carry to its depths, and changes nothing in it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const before = JSON.stringify(value);
      expect(isDeeplyFrozen(deepFreeze(value))).toBe(true);
      expect(JSON.stringify(value)).toBe(before);
    }),
  );
});

test.each([[undefined], [null], ['text'], [7], [true], [7n]])('gives %p back as it is', (value) => {
  expect(deepFreeze(value)).toBe(value);
});

test('gives back the value itself, not a copy', () => {
  const value = { list: [{ a: 1 }] };
  expect(deepFreeze(value)).toBe(value);
});

test('a frozen value refuses every change, at any depth', () => {
  const value = deepFreeze({ list: [{ a: 1 }] });
  expect(() => value.list.push({ a: 2 })).toThrow(TypeError);
  expect(() => Object.assign(value.list[0] ?? {}, { a: 2 })).toThrow(TypeError);
});

test('a value that holds itself is frozen once', () => {
  const value: { self?: unknown } = {};
  value.self = value;
  expect(Object.isFrozen(deepFreeze(value))).toBe(true);
});

test('what is frozen already is taken as frozen to its depths and not looked into again', () => {
  const inner = { a: 1 };
  deepFreeze({ spec: Object.freeze({ inner }) });
  expect(Object.isFrozen(inner)).toBe(false);
});

test('a thousand levels are frozen to the last', () => {
  let value: unknown = 'end';
  for (let level = 0; level < 1000; level += 1) value = [value];
  expect(isDeeplyFrozen(deepFreeze(value))).toBe(true);
});
