import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { linePattern, refusalOf } from '../../src/drivers/linePattern.js';
import { compile } from '../support/compiled.js';

describe('a line pattern', () => {
  it.each([
    ['look-ahead', 'a(?=b)'],
    ['negative look-ahead', 'a(?!b)'],
    ['look-behind', '(?<=a)b'],
    ['negative look-behind', '(?<!a)b'],
    ['a back-reference', '(a)\\1'],
    ['a back-reference by name', '(?<letter>a)\\k<letter>'],
    ['one after an escaped backslash', '(?<letter>a)\\\\\\k<letter>'],
    ['an open group', '('],
    ['what other languages take for an escape', '\\Aready\\z'],
    ['more than 500 characters', 'a'.repeat(501)],
    ['more repetitions than are looked after', '(\\w{1,100} ){1,9}$'],
  ])('is none with %s', (_, source) => {
    expect(linePattern(source)).toBeUndefined();
    expect(linePattern(source)).toBeUndefined();
  });

  it.each([
    ['a backslash before a k', '^\\\\k$', '\\k', 'k'],
    ['a letter that JavaScript writes by its number', '^\\u{1F600}\\u0041\\x42$', '😀AB', 'AB'],
    ['named groups', '^port (?<port>\\d+)$', 'port 80', 'port x'],
    ['classes of letters', '^\\p{L}\\P{L}$', 'é1', '1é'],
    ['borders of words', '\\bready\\b', 'is ready.', 'already'],
    ['a slash with its escape', '^\\/health$', '/health', 'health'],
    ['any character', '^a[^]b$', 'a\u2028b', 'ab'],
  ])('knows %s', (_, source, match, other) => {
    expect([linePattern(source)?.test(match), linePattern(source)?.test(other)]).toEqual([true, false]);
  });

  it.each([
    ['it has unknown syntax', '('],
    ['it has unknown syntax', 'a(?=b)'],
    ['it has unknown syntax', '(?<letter>a)\\k<letter>'],
    ['it is too long', 'a'.repeat(501)],
    ['its program is too large', '(\\w{1,100} ){1,9}$'],
    [undefined, '^ready$'],
  ])('says why it is none: %s', (refusal, source) => {
    expect(refusalOf(source)).toBe(refusal);
  });

  it('is compiled once for all who wait for the same, as long as it is among those last used', () => {
    const first = linePattern('^kept$');
    expect(linePattern('^kept$')).toBe(first);
    for (let other = 0; other < 64; other += 1) linePattern(`^other ${String(other)}$`);
    expect(linePattern('^kept$')).not.toBe(first);
  });

  it('finds what JavaScript finds', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '.',
      '\\d',
      '\\w',
      '[ab]',
      '[^a]',
      'é',
      '\\s',
      '\\b',
      '^',
      '$',
      '\\.',
    );
    const pattern = fc.letrec<{ readonly node: string; readonly group: string }>((tie) => ({
      group: fc.tuple(fc.constantFrom('(', '(?:'), tie('node')).map(([open, inner]) => `${open}${inner})`),
      node: fc
        .array(
          fc.tuple(
            fc.oneof({ depthSize: 'small', withCrossShrink: true }, atom, tie('group')),
            fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '*?', '|'),
          ),
          { maxLength: 4 },
        )
        .map((parts) => parts.map(([one, times]) => one + times).join('')),
    })).node;
    const line = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', 'é', '.', '😀'), maxLength: 12 });
    let compared = 0;
    fc.assert(
      fc.property(pattern, line, (source, text) => {
        const ours = linePattern(source);
        if (ours === undefined) return;
        compared += 1;
        expect(ours.test(text)).toBe(new RegExp(source, 'u').test(text));
      }),
      { numRuns: 2_000 },
    );
    expect(compared).toBeGreaterThan(500);
  });

  it('costs a program nothing that has none', () => {
    const { pathOf, remove } = compile();
    const program = `
      const { createProcessDriver } = require(${JSON.stringify(resolve(pathOf('src/index.ts')))});
      const isLoaded = () => Object.keys(require.cache).some((path) => path.includes('re2js'));
      const driver = createProcessDriver();
      driver.decode({ cmd: ['sleep'], readiness: { kind: 'tcp', port: 80 } });
      const before = isLoaded();
      driver.decode({ cmd: ['sleep'], readiness: { kind: 'log', pattern: 'ready' } });
      console.log(before, isLoaded());`;
    try {
      expect(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }).trim()).toBe('false true');
    } finally {
      remove();
    }
  });
});
