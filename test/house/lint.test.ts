import { execFile } from 'node:child_process';

/** Lines of a file, each with the rule that it breaks. */
const planted = [
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
] as const;

interface Report {
  readonly messages: readonly { readonly line: number; readonly ruleId: string | null }[];
}

/** Lints a text as if it stood in a file of the house. */
function lint(text: string): Promise<Report> {
  // The linter knows the types of a text only where a file of its name is.
  const options = ['--stdin', '--stdin-filename', 'src/lifecycle/state.ts', '--format', 'json'];
  return new Promise((done) => {
    const child = execFile('node_modules/.bin/eslint', options, (_, stdout) => {
      const [report] = JSON.parse(stdout) as [Report];
      done(report);
    });
    child.stdin?.end(text);
  });
}

describe('the linter', () => {
  it('catches a breach of every kind', async () => {
    const { messages } = await lint(planted.map(([, line]) => line).join('\n'));
    const found = planted.map(([, line], index) => [
      messages.find((message) => message.line === index + 1)?.ruleId ?? 'none',
      line,
    ]);
    expect(found).toStrictEqual(planted);
  }, 30_000);
});
