import { type Compiled, compile } from '../support/compiled.js';
import { crashRun } from './crashRun.js';

let compiled: Compiled;

beforeAll(() => {
  compiled = compile('test/crash', 'test/support', 'test/store');
});

afterAll(() => {
  compiled.remove();
});

test('a manager that is killed at any instant, again and again, loses nothing, and leaves nothing', async () => {
  const program = compiled.pathOf('test/crash/crashChild.ts');
  const report = await crashRun({ rounds: 8, seed: Date.now() % 2 ** 31, program });
  expect(report.failures).toStrictEqual([]);
  expect(report).toMatchObject({ rounds: 8 });
  expect(report.verbs).toBeGreaterThan(10);
}, 120_000);
