import { type Compiled, compile } from '../../support/compiled.js';
import { times } from '../../support/inShort.js';
import { playFuzz } from './playFuzz.js';

jest.setTimeout(600_000);

describe('a server that is asked for whatever its document tells of, rightly and wrongly', () => {
  let compiled: Compiled;
  beforeAll(() => {
    compiled = compile('test/http/fuzz', 'test/support');
  });
  afterAll(() => {
    compiled.remove();
  });

  it('answers each in the form that it tells of, and holds nothing of it afterwards', async () => {
    const program = compiled.pathOf('test/http/fuzz/fuzzChild.ts');
    const seed = Math.floor(Math.random() * 2 ** 30);
    const report = await playFuzz({ program, requests: times(6_000, 100_000), seed });
    expect([seed, report.findings]).toEqual([seed, []]);
    // Of each kind of answer there are some, or nothing was tried.
    const kinds = new Set(Object.keys(report.statuses).map((status) => status.slice(0, 1)));
    expect([...kinds].toSorted()).toEqual(['2', '4', '5']);
    expect(report.neverDone.length).toBeLessThan(15);
  });
});
