import { readFileSync } from 'node:fs';
import { faultsOf, run } from '../house/docExamples.js';

const name = 'src/controllers/README.md';
const [, code = ''] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(name, 'utf8')) ?? [];

it('the README shows a controller of 30 lines at most that does what it says', async () => {
  expect(code.split('\n').length).toBeLessThanOrEqual(30);
  expect(faultsOf([{ name, code }])).toEqual([]);
  const load = (module: string): unknown => jest.requireActual(module);
  await run({ name, code }, load, (actual, expected) => {
    expect(actual).toEqual(expected);
  });
});
