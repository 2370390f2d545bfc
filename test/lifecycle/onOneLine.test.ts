import * as fc from 'fast-check';
import { onOneLine } from '../../src/lifecycle/onOneLine.js';

test.each([
  ['a line break', 'a\nb', 'a\\nb'],
  ['a carriage return', 'a\rb', 'a\\rb'],
  ['a tabulator', 'a\tb', 'a\\tb'],
  ['a control character', '\u001b[2J', '\\x1B[2J'],
  ['a character that turns the direction of writing', 'a\u202eb', 'a\\u{202E}b'],
  ['a separator of paragraphs', 'a\u2029b', 'a\\u{2029}b'],
  ['a hidden character beyond the first plane', 'a\u{e0041}b', 'a\\u{E0041}b'],
])('writes %s by its name or number', (_, text, written) => {
  expect(onOneLine(text)).toBe(written);
});

test.each([
  ['leaves what is as long as it may be', 'abcd', 'abcd'],
  ['cuts what is longer', 'abcde', 'abc…'],
  ['cuts no character in two', 'ab😀cd', 'ab…'],
  ['cuts between two characters', 'a😀cde', 'a😀…'],
])('%s', (_, text, written) => {
  expect(onOneLine(text, 4)).toBe(written);
});

test('cuts at 1,000 characters where no length is given', () => {
  expect(onOneLine('x'.repeat(1_001))).toBe(`${'x'.repeat(999)}…`);
});

test('never writes more than was asked for, nor what moves a cursor', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 20 }), (text, most) => {
      const written = onOneLine(text, most);
      expect(written.length).toBeLessThanOrEqual(most);
      expect(written).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});
