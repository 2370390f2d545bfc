import { anotherKey, withKeys } from '../../src/codecs/anotherKey.js';

const known = ['name', 'image', 'env', 'tags', 'targetState', 'stopGraceMs'];

test.each([
  ['nmae', 'name'],
  ['nam', 'name'],
  ['names', 'name'],
  ['Name', 'name'],
  ['tag', 'tags'],
  ['envs', 'env'],
  ['target_state', 'targetState'],
  ['TARGET-STATE', 'targetState'],
  ['stopGrace', 'stopGraceMs'],
  ['stopGraceMS', 'stopGraceMs'],
])('for the key %s it names %s, which can be meant', (key, meant) => {
  expect(anotherKey(key, known)).toBe(`another key, perhaps ${meant}; known are ${known.join(', ')}`);
});

test.each([['memory'], ['id'], ['x'], [''], ['__proto__'], ['constructor'], ['name'.repeat(10_000)]])(
  'for the key %s it guesses nothing',
  (key) => {
    expect(anotherKey(key, known)).toBe(`another key; known are ${known.join(', ')}`);
  },
);

test('of several that are near the nearest is named', () => {
  expect(anotherKey('ports', ['sport', 'port'])).toContain('perhaps port;');
});

test('where no key is known it says so', () => {
  expect(anotherKey('a', [])).toBe('another key; none is known');
});

describe('keys that only another decoder knows', () => {
  const fault = { path: 'nmae', found: 'a number', expected: anotherKey('nmae', ['cmd']) };

  test('are named before those that one knows, and guessed at', () => {
    const expected = 'another key, perhaps name; known are name, image, cmd';
    expect(withKeys(['name', 'image'], fault)).toStrictEqual({ ...fault, expected });
    const none = { ...fault, expected: anotherKey('nmae', []) };
    expect(withKeys(['name', 'image', 'cmd'], none)).toStrictEqual({ ...fault, expected });
  });

  test.each([
    ['of a key below', { ...fault, path: 'readiness.port' }],
    ['of a key in a list', { ...fault, path: 'ports[0]' }],
    ['of another kind', { ...fault, expected: 'a number' }],
  ])('change no fault %s', (_, other) => {
    expect(withKeys(['name'], other)).toBe(other);
  });
});
