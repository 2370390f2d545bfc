import { pageWith } from '../../../bench/harness/page.js';
import type { Result } from '../../../bench/harness/results.js';

const result: Result = {
  name: 'speed',
  title: 'Speed',
  about: 'How it is taken.',
  unit: 'ns',
  rowsAre: 'things',
  rows: [1, 1_000],
  contenders: ['ours', 'theirs'],
  measured: [
    { contender: 'ours', row: 1, samples: [100] },
    { contender: 'theirs', row: 1, samples: [250] },
    { contender: 'ours', row: 1_000, samples: [], notRun: 'too long' },
  ],
  goals: [
    { what: 'be quick', atMost: 1, measured: 0.4, isRatio: true, met: true },
    { what: 'be at once', atMost: 50, measured: 100, isRatio: false, met: false },
    { what: 'be there', atMost: 1, isRatio: true, met: false },
  ],
  ranOn: 'a machine',
};

const begin = '<!-- written by npm run bench -->';
const end = '<!-- end of what npm run bench writes -->';
const written = pageWith(`before\n${begin}\nold\n${end}\nafter`, [result]);

describe('the page', () => {
  it('keeps what stands outside of its marks, and nothing within', () => {
    expect(written).toMatch(/^before\n<!-- written/);
    expect(written).toMatch(/writes -->\nafter$/);
    expect(written).not.toContain('old');
  });

  it('shows every cell, with how many times ours it is', () => {
    expect(written).toContain('| 1 | 100 ns | 250 ns (2.5×) |');
    expect(written).toContain('| 1,000 | not run: too long |  |');
  });

  it('tells of every goal whether it is met', () => {
    expect(written).toContain('1 of 3 goals are met. Taken on a machine.');
    expect(written).toContain('| be quick | 1× | 0.4× | met |');
    expect(written).toContain('| be at once | 50 ns | 100 ns | **missed** |');
    expect(written).toContain('| be there | 1× | not run | **missed** |');
  });

  it('tells where a table was taken at another time than the last', () => {
    const older = { ...result, ranOn: 'another machine' };
    const page = pageWith(`${begin}\n${end}`, [older, result]);
    expect(page).toContain('which ran at another time: another machine.');
    expect(page.match(/another time/g)).toHaveLength(1);
  });

  it('is not written without its marks', () => {
    expect(() => pageWith('no marks', [])).toThrow('the page has to hold');
  });
});
