import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DocExample, examplesIn, faultsOf, run, type Same } from './docExamples.js';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const examples = sources
  .map((file) => join('src', file))
  .flatMap((file) => examplesIn(file, readFileSync(file, 'utf8')));

const same: Same = (actual, expected) => {
  expect(actual).toEqual(expected);
};

const planted = (...lines: readonly string[]): DocExample => ({ name: 'planted', code: lines.join('\n') });

describe('the examples of doc comments', () => {
  it('compile', () => {
    expect(faultsOf(examples)).toStrictEqual([]);
  });

  it.each(examples)('give what they say: $name', async (example) => {
    await run(example, require, same);
  });
});

describe('an example of a doc comment', () => {
  it('that gives another value fails', async () => {
    const wrong = planted(
      "import { transition } from 'rx-instances';",
      "transition('stop', 'Stopped'); // => { kind: 'refused' }",
    );
    await expect(run(wrong, require, same)).rejects.toThrow('"kind": "refused"');
  });

  it('that gives another value after a while fails', async () => {
    await expect(run(planted('await Promise.resolve(1); // => 2'), require, same)).rejects.toThrow('2');
  });

  it('that does not compile fails', () => {
    const wrong = planted("import { nothing } from 'rx-instances';", 'nothing; // => 1');
    expect(faultsOf([wrong])).toStrictEqual([
      `planted: Module '"rx-instances"' has no exported member 'nothing'.`,
    ]);
  });

  it('that tells no value fails', async () => {
    await expect(run(planted('1;'), require, same)).rejects.toThrow('nothing is told');
  });

  it('is found with its file and line', () => {
    const text = [
      '/**',
      ' * Adds.',
      ' *',
      ' * @example',
      ' * ```ts',
      ' * 1 + 1; // => 2',
      ' * ```',
      ' */',
      '',
    ];
    expect(examplesIn('add.ts', text.join('\n'))).toStrictEqual([
      { name: 'add.ts:4', code: '1 + 1; // => 2' },
    ]);
  });

  it('without a block of code fails', () => {
    const text = [
      '/**',
      ' * @example',
      ' * add(1, 1)',
      ' */',
      '/**',
      ' * @example',
      ' * ```ts',
      ' * 1',
      ' * ```',
      ' */',
    ];
    expect(() => examplesIn('add.ts', text.join('\n'))).toThrow('add.ts:2: an @example is one block');
  });
});
