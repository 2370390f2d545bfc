import { plot } from '../../../bench/harness/plot.js';
import type { Result } from '../../../bench/harness/results.js';

const result: Result = {
  name: 'speed',
  title: 'Speed & <size>',
  about: '',
  unit: 'ns',
  rowsAre: 'things',
  rows: [1, 1_000],
  contenders: ['ours', 'theirs'],
  measured: [
    { contender: 'ours', row: 1, samples: [8, 10, 12] },
    { contender: 'theirs', row: 1, samples: [90, 100, 1_000] },
    { contender: 'ours', row: 1_000, samples: [], notRun: 'too long' },
  ],
  goals: [],
  ranOn: '',
};

const widths = (svg: string): readonly number[] =>
  [...svg.matchAll(/<rect .*?width="([\d.]+)"/g)].map(([, width]) => Number(width));

describe('a plot', () => {
  it('has a bar for each cell with figures, as long as the powers of ten of its median', () => {
    const [ours = 0, theirs = 0, ...others] = widths(plot(result));
    expect(others).toStrictEqual([]);
    // From 1 to 1,000: 10 is a third of the way, 100 two thirds.
    expect(theirs / ours).toBeCloseTo(2, 1);
  });

  it('is an image with its title as its label, which can hold any letter', () => {
    expect(plot(result)).toMatch(/^<svg .*aria-label="Speed &amp; &lt;size>"/);
  });

  it('draws figures of nothing, and no figures at all', () => {
    const nothing = { ...result, measured: [{ contender: 'ours', row: 1, samples: [0, 0, 0] }] };
    const none = { ...result, measured: [] };
    expect(widths(plot(nothing))).toStrictEqual([1]);
    expect(plot(nothing) + plot(none)).not.toMatch(/NaN|Infinity/);
  });
});
