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

interface Message {
  readonly line: number;
  readonly ruleId: string | null;
}

// The linter knows the types of a text only where a file of its name is.
const planted = { 'src/lifecycle/state.ts': source, 'test/lifecycle/state.test.ts': test };

const textOf = (lines: readonly (readonly string[])[]): string => lines.map(([, line]) => line).join('\n');

/** Lints lines as if they stood in files of the house, and returns what is told of each file. */
function lint(): Promise<Readonly<Record<string, readonly Message[]>>> {
  const texts = Object.entries(planted).map(([file, lines]) => [file, textOf(lines)]);
  return new Promise((done) => {
    const child = execFile(process.execPath, ['scripts/lintTexts.mjs'], (_, stdout) => {
      done(JSON.parse(stdout) as Record<string, readonly Message[]>);
    });
    child.stdin?.end(JSON.stringify(Object.fromEntries(texts)));
  });
}

it('the linter catches a breach of every kind', async () => {
  const told = await lint();
  for (const [file, lines] of Object.entries(planted)) {
    const ruleOf = (index: number) => told[file]?.find(({ line }) => line === index + 1)?.ruleId ?? 'none';
    expect(lines.map(([, line], index) => [ruleOf(index), line])).toStrictEqual(lines);
  }
}, 300_000);
