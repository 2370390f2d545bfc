import { execFile } from 'node:child_process';

/** Lines of a source, each with the rule that it breaks. */
const source = [
  ['no-restricted-imports', "export * as a from 'fp-ts/Either';"],
  ['no-restricted-imports', "export * as b from 'fp-ts/lib/Either';"],
  ['no-restricted-imports', "export * as c from 'io-ts/PathReporter';"],
  ['no-restricted-imports', "export * as d from 'fp-ts';"],
  ['no-restricted-imports', "export * as e from 'rxjs/internal/Observable';"],
  ['none', "export * as f from 'fp-ts/lib/Either.js';"],
  ['none', "export * as g from 'io-ts';"],
  ['none', "import { of } from 'rxjs';"],
  ['@typescript-eslint/no-explicit-any', 'export const h = (value: any) => String(value);'],
  ['@typescript-eslint/no-floating-promises', 'Promise.resolve(1);'],
  ['rxjs-x/no-nested-subscribe', 'of(1).subscribe(() => of(2).subscribe());'],
  ['no-restricted-exports', 'export default h;'],
  ['no-restricted-globals', 'setTimeout(h, 1, 2);'],
  ['no-console', "console.log('told');"],
] as const;

/** Lines of a test, each with the rule that it breaks. */
const test = [
  ['no-restricted-imports', "import { setTimeout as sleep } from 'node:timers/promises';"],
  ['no-restricted-globals', "it('sleeps', (done) => void setTimeout(done, 1));"],
  ['no-restricted-syntax', "it.skip('is left out', () => sleep(1));"],
  ['no-restricted-syntax', "describe.only('stands alone', () => undefined);"],
  ['no-restricted-syntax', "jest.mock('rxjs');"],
] as const;

interface Report {
  readonly messages: readonly { readonly line: number; readonly ruleId: string | null }[];
}

/** Lints lines as if they stood in a file of the house, and returns each with the first rule that it breaks. */
function lint(file: string, lines: readonly string[]): Promise<readonly (readonly string[])[]> {
  const options = ['--stdin', '--stdin-filename', file, '--format', 'json'];
  return new Promise((done) => {
    const child = execFile('node_modules/.bin/eslint', options, (_, stdout) => {
      const [{ messages }] = JSON.parse(stdout) as [Report];
      const ruleOf = (index: number) => messages.find(({ line }) => line === index + 1)?.ruleId ?? 'none';
      done(lines.map((line, index) => [ruleOf(index), line]));
    });
    child.stdin?.end(lines.join('\n'));
  });
}

describe('the linter catches a breach of every kind', () => {
  // The linter knows the types of a text only where a file of its name is.
  it.concurrent.each([
    ['src/lifecycle/state.ts', source],
    ['test/lifecycle/state.test.ts', test],
  ])(
    'in %s',
    async (file, planted) => {
      const lines = planted.map(([, line]) => line);
      expect(await lint(file, lines)).toStrictEqual(planted);
    },
    300_000,
  );
});
